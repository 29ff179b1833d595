"""How long recipes train until their images are as good as asked, over paired seeds.

What ``ganzoo speedrun`` does for its tracks, for any recipes on the same data: time is that of
training alone (processor time on a CPU, wall-clock time on a GPU), looks are every so many steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from ganzoo.ablate.speedrun import Track, Try, all_tried, mean_time, ratio_of, timed
from ganzoo.common.errors import GanzooError
from ganzoo.common.text import significant
from ganzoo.report.charts import COLORS, Curves, against_seconds
from ganzoo.report.page import render
from ganzoo.training.state import Silent

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.training.place import Place
    from ganzoo.training.state import Reporter


def race(
    recipes: Mapping[str, Recipe],
    target: float,
    registry: Registry,
    place: Place,
    reporter: Reporter,
    *,
    every: int,
    samples: int,
    seeds: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Train every recipe with every seed until it is good enough or at its end.

    Args:
        recipes: by name; the first is what the others are compared with.
        target: the frechet that is to be reached.
        every: steps between two looks.
        samples: fakes of a look.
        seeds: how many, from the first recipe's own on; one recipe after the other for each.
        tell: is told of every look.

    Raises:
        GanzooError: if they are not on the same data.
    """
    first = next(iter(recipes.values()))
    same = first.dataset.model_dump(exclude={"fallback"})
    others = [
        name
        for name, each in recipes.items()
        if each.dataset.model_dump(exclude={"fallback"}) != same
    ]
    if others:
        raise GanzooError(
            f"{', '.join(others)}: not the dataset of {next(iter(recipes))}; scores on different "
            "data cannot be compared. Set dataset.* to the same with --set"
        )
    track = Track(
        "quality", "", first.dataset.use, "", target, every, samples, first.measure.reference, ""
    )
    entrants = {
        name: timed(each, registry, samples, track.reference) for name, each in recipes.items()
    }
    numbers = range(first.train.seed, first.train.seed + seeds)
    reporters = chain([reporter], repeat(Silent()))  # what a recipe warns of is told once
    tries, found = all_tried(track, entrants, numbers, registry, place, reporters, tell=tell)
    return {
        "target": target,
        "every": every,
        "samples": samples,
        **found,
        "recipes": {
            name: told(own, None if number == 0 else next(iter(tries.values())))
            for number, (name, own) in enumerate(tries.items())
        },
    }


def told(own: Sequence[Try], base: Sequence[Try] | None) -> dict[str, Any]:
    """Return a recipe's tries, their mean time, and its ratio to the first recipe's over pairs."""
    seconds, low, high = mean_time(own)
    found: dict[str, Any] = {"seconds": seconds, "low": low, "high": high}
    if base is not None:
        ratio = ratio_of(own, base)
        found["ratio"] = {
            "pairs": 0 if ratio is None else ratio.n,
            "value": None if ratio is None else ratio.value,
            "low": None if ratio is None else ratio.low,
            "high": None if ratio is None else ratio.high,
        }
    return {**found, "tries": [asdict(each) for each in own]}


def rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the table: recipe, how many got there, seconds, steps, ratio to the first."""
    lines: list[tuple[str, ...]] = []
    for name, own in found["recipes"].items():
        there = [each for each in own["tries"] if each["seconds"] is not None]
        ratio = own.get("ratio")
        lines.append(
            (
                name,
                f"{len(there)} of {len(own['tries'])}",
                between(own["seconds"], own["low"], own["high"]),
                f"{sum(each['steps'] for each in there) / len(there):,.0f}" if there else "–",
                "–" if ratio is None else between(ratio["value"], ratio["low"], ratio["high"]),
            )
        )
    return lines


COLUMNS = ("recipe", "seeds that reached it", "seconds", "steps", "time, of the first")


def between(value: float | None, low: float | None, high: float | None) -> str:
    """Return a mean with its interval; a dash where there is none."""
    if value is None:
        return "–"
    if low is None or high is None:
        return significant(value, 3)
    return f"{significant(value, 3)} ({significant(low, 3)} to {significant(high, 3)})"


def chart(found: Mapping[str, Any]) -> Curves | None:
    """Return frechet against seconds of training: the mean over seeds and a band around it."""
    looks = {
        name: [each["looks"] for each in own["tries"]] for name, own in found["recipes"].items()
    }
    return against_seconds(
        f"frechet against seconds ({found['counted']} time)",
        {
            name: [{step: score for step, _, score in each} for each in own]
            for name, own in looks.items()
        },
        {name: [{step: at for step, at, _ in each} for each in own] for name, own in looks.items()},
        log=True,
        note=f"asked for: {found['target']:g}",
    )


def page(found: Mapping[str, Any]) -> str:
    """Return the result as one HTML file: the table and the curve."""
    return render(
        "quality.html",
        found=found,
        columns=COLUMNS,
        rows=rows(found),
        chart=chart(found),
        legend=[(name, number % COLORS) for number, name in enumerate(found["recipes"])],
    )
