"""What the scores of a run mean together, in plain words: one score alone may mislead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ganzoo.common.text import number
from ganzoo.runs.record import real, table

NONE = 0.05
"""Share of what real images reach below which a score counts as none at all."""
MUCH = 0.5
"""Share of what real images reach from which it counts."""
FEW = 0.25
"""Share of the classes below which they are few."""
COPIED = 0.5
"""Share of memorised fakes from which they count as copies."""

Found = dict[str, tuple[float, float]]
"""Value and what real images reach, by the score's name without its label."""


def reading(metrics: Mapping[str, Any]) -> list[str]:
    """Return what is striking in the 'metrics' of a result; nothing where all is as usual.

    Args:
        metrics: scores by name, which need not be trusted.
    """
    return [text for found in _groups(metrics).values() for text in _told(found)]


def _told(found: Found) -> Iterator[str]:
    if "precision" in found and "recall" in found:
        yield from _of_neighbourhoods(found)
    if "modes_5" in found:
        seen, wanted = found["modes_5"]
        if seen < FEW * wanted:
            yield (
                f"modes_5 {number(seen)}: the classifier finds only {seen:.0f} of {wanted:.0f} "
                "classes at least five times among the fakes; look at the sheets: the generator "
                "makes either only these classes or no recognisable images yet"
            )
    if "memorised" in found and found["memorised"][0] >= COPIED:
        yield (
            f"memorised {number(found['memorised'][0])}: many fakes are closer to a training "
            "image than almost any real image is: they are copies, and inflate the other scores; "
            "look at neighbours.png; try more data, a flip or diffaugment view, or fewer steps"
        )


def _of_neighbourhoods(found: Found) -> Iterator[str]:
    precision, recall = found["precision"], found["recall"]
    both = f"precision {number(precision[0])} with recall {number(recall[0])}"
    are_near, are_wide = _share(precision), _share(recall)
    if are_near >= MUCH and are_wide < NONE:
        yield (
            f"{both}: the fakes lie among real images, but no real image lies among them. "
            "They are too similar, of few kinds, or noise that the features mistake for one kind; "
            "high precision alone means nothing here. Look at the newest sheet: while it shows "
            "noise, train longer; where all tiles are one image or one kind, the generator has "
            "collapsed: try loss.use = 'wasserstein' with a gradient_penalty, 'relativistic' with "
            "r1 and r2, or a lower optimizer.generator.lr"
        )
    elif are_near < NONE and are_wide >= MUCH:
        yield (
            f"{both}: the fakes are spread so widely that real images lie among them, but no fake "
            "lies among real images; high recall alone means nothing here. Train longer, or try "
            "another optimizer.discriminator.lr"
        )
    elif are_near < NONE and are_wide < NONE:
        yield (
            f"{both}: fakes and real images are far apart; no fake looks like a real image yet. "
            "Train longer; if the sheets no longer change, see 'When training goes wrong' in "
            "docs/troubleshooting.md"
        )


def _share(score: tuple[float, float]) -> float:
    value, reached = score
    return value / reached if reached > 0 else value


def _groups(metrics: Mapping[str, Any]) -> dict[str, Found]:
    """Return the scores of each label apart: two metrics of a kind have different ones."""
    groups: dict[str, Found] = {}
    for name, entry in metrics.items():
        entry = table(entry)
        floor = table(entry.get("floor"))
        value = real(table(entry.get("last")).get("value"))
        reached = real(floor.get("perfect"))
        if reached is None:
            reached = real(floor.get("value"))
        known = next((each for each in KNOWN if name == each or name.endswith(f"_{each}")), None)
        if known is None or value is None:
            continue
        label = name.removesuffix(known)
        groups.setdefault(label, {})[known] = value, 1.0 if reached is None else reached
    return groups


KNOWN = ("precision", "recall", "modes_5", "memorised")
