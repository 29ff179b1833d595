"""How long a recipe trains until its images are as good as a track asks, over seeds.

Processor time on a CPU, wall-clock time on a GPU, of the training alone: data, steps, averages and
log. The scores are taken outside of it, every so many steps. Two biases are part of a track: who
gets there between two looks is seen at the later one, and the first look below the target is
taken, which a lucky draw of fakes may be; both are the same for every recipe.
"""

from __future__ import annotations

import math
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import session
from ganzoo._version import __version__
from ganzoo.ablate.grid import with_seed
from ganzoo.common.errors import GanzooError, TrainingError, suggest
from ganzoo.plugin.specs import MetricSpec
from ganzoo.recipe.model import Measure, Recipe, freeze
from ganzoo.training.state import Silent

if TYPE_CHECKING:
    from ganzoo.ablate.statistics import Difference
    from ganzoo.plugin.registry import Registry
    from ganzoo.training.parts import Parts
    from ganzoo.training.place import Place
    from ganzoo.training.state import Reporter

TRACKS = Path(__file__).with_name("speedrun.toml")
FEWEST = 3
"""Seeds without which nothing is a record."""
COPIES = 0.02
"""Share of fakes nearer to training images than 99 % of unseen ones, above which nothing counts."""
VERSION = 1


@dataclass(frozen=True)
class Track:
    """What is fixed: data, features, number of images, target, cadence of looks."""

    name: str
    about: str
    dataset: str
    recipe: str
    target: float
    every: int
    samples: int
    reference: int
    network: str
    plain: str = ""
    """What the loop of pytorch/examples came to, in words."""
    record: Mapping[str, Any] | None = None
    """'recipe', 'seconds', 'low', 'high', 'seeds', 'machine'."""

    def fixed(self) -> dict[str, Any]:
        """Return what a track is; all else is told about it."""
        return {key: value for key, value in asdict(self).items() if key not in {"record", "plain"}}


@dataclass(frozen=True)
class Try:
    """One seed: when it got there, or None; and every look at it."""

    seed: int
    seconds: float | None
    steps: int
    frechet: float | None
    memorised: float | None
    looks: Sequence[tuple[int, float, float]]
    why_not: str = ""


def tracks() -> dict[str, Track]:
    """Return every track by its name."""
    written = tomllib.loads(TRACKS.read_text(encoding="utf-8"))
    return {name: Track(name=name, **table) for name, table in written.items()}


def track_named(name: str) -> Track:
    """Return the track of that name.

    Raises:
        GanzooError: with the nearest name and all there are.
    """
    known = tracks()
    if name not in known:
        near = suggest(name, known, then=f"there are {', '.join(known)}")
        raise GanzooError(f"no track named {name!r}{near}")
    return known[name]


def entered(track: Track, recipe: Recipe, registry: Registry) -> Recipe:
    """Return a recipe as it runs on the track: scored as the track says, nothing drawn or kept.

    Raises:
        GanzooError: if it trains on other data, or does not begin at the beginning.
    """
    free = {"fallback", "value_range"}
    asked = registry.find("dataset", track.dataset)()
    problems = []
    if recipe.dataset.use != track.dataset or recipe.dataset.model_dump(
        exclude=free
    ) != asked.model_dump(exclude=free):
        problems.append(
            f"dataset: track {track.name!r} is of all of {track.dataset!r}, as it comes"
        )
    if recipe.init is not None and recipe.init.source is not None:
        problems.append("init.from: a speedrun starts without given weights")
    if problems:
        raise GanzooError("; ".join(problems))
    return timed(recipe, registry, track.samples, track.reference)


def timed(recipe: Recipe, registry: Registry, samples: int, reference: int) -> Recipe:
    """Return a recipe as ``tried`` runs it: frechet and memorisation, nothing drawn or kept."""
    metrics = [registry.find("metric", name)() for name in ("frechet", "memorisation")]
    assert all(isinstance(metric, MetricSpec) for metric in metrics)
    return recipe.model_copy(
        update={
            "metric": metrics,
            "measure": Measure(samples=samples, reference=reference),
            "samples": recipe.samples.model_copy(
                update={"every": 0, "each_epoch": False, "at_start": False}
            ),
            "checkpoint": recipe.checkpoint.model_copy(update={"every": 0}),
            "fallback": None,
        }
    )


def tried(
    track: Track,
    recipe: Recipe,
    registry: Registry,
    place: Place,
    reporter: Reporter,
    *,
    tell: Callable[[str], None],
) -> tuple[Try, dict[str, Any]]:
    """Train one seed until it is good enough or at its end; return it, and on what it ran.

    Args:
        recipe: as ``entered`` returned it, with its seed.
        tell: is told of every look.
    """
    from ganzoo.measure.watch import watch
    from ganzoo.runs.log import MEASURES
    from ganzoo.training.loop import at_the_start, new_run
    from ganzoo.training.machine import wait_for

    parts = session.build(recipe, registry, place, reporter, allow_fallback=False)
    scores = watch(parts, registry, reporter.warn, asked="yes", tell=reporter.note)
    is_gpu = parts.machine.device.type != "cpu"
    clock = time.perf_counter if is_gpu else time.process_time
    seed, seconds, looks = recipe.train.seed, 0.0, list[tuple[int, float, float]]()
    frechet = memorised = None
    reached, why_not = False, f"not reached by the end, step {parts.steps:,}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = new_run(parts, Path(folder), "speedrun")
        training = at_the_start(parts, registry, run, Silent())
        while training.step < parts.steps and not reached:
            begun = clock()
            try:
                training.advance()
            except TrainingError as error:
                why_not = str(error)
                break
            wait_for(parts.machine.device)
            seconds += clock() - begun
            if training.step % track.every and training.step < parts.steps:
                continue
            found = scores.take(training.step)
            frechet, memorised = (found[f"{MEASURES}{name}"] for name in ("frechet", "memorised"))
            looks.append((training.step, seconds, frechet))
            tell(f"seed {seed}: step {training.step:,}, {seconds:.1f} s, frechet {frechet:.2f}")
            if frechet <= track.target:
                reached = not memorised > COPIES
                why_not = "" if reached else f"it copies its data: memorised {memorised:.3f}"
        training.aside.settle()
    provenance = scores.result()["metrics"].get("frechet", {}).get("provenance", {})
    network = str(provenance.get("network_sha256", ""))
    result = Try(
        seed, seconds if reached else None, training.step, frechet, memorised, looks, why_not
    )
    return result, surroundings(parts, network, "wall" if is_gpu else "processor")


def all_tried(
    track: Track,
    entrants: Mapping[str, Recipe],
    seeds: Iterable[int],
    registry: Registry,
    place: Place,
    reporters: Iterable[Reporter],
    *,
    tell: Callable[[str], None],
) -> tuple[dict[str, list[Try]], dict[str, Any]]:
    """Train every entrant with every seed; return their tries, and on what they ran.

    Args:
        entrants: recipes by name, one after the other for each seed; see ``tried``.
        reporters: one for each seed.
        tell: is told of every look, with the entrant's name.
    """
    tries: dict[str, list[Try]] = {name: [] for name in entrants}
    found: dict[str, Any] = {}
    for seed, reporter in zip(seeds, reporters, strict=False):
        for name, entrant in entrants.items():
            one, around = tried(
                track,
                with_seed(entrant, seed),
                registry,
                place,
                reporter,
                tell=lambda text, name=name: tell(f"{name}, {text}"),  # type: ignore[misc]
            )
            tries[name].append(one)
            found = found or around
    return tries, found


def surroundings(parts: Parts, network: str, counted: str) -> dict[str, Any]:
    """Return on what a try ran, as it must be equal for times to be compared."""
    import torch

    state = parts.machine.state()
    return {
        "machine": {key: state[key] for key in ("device", "device_name", "threads", "precision")},
        "counted": counted,
        "network": network,
        "data": parts.data.fingerprint,
        "ganzoo": __version__,
        "torch": torch.__version__,
    }


def report(
    track: Track,
    name: str,
    recipe: Recipe,
    tries: Sequence[Try],
    found: Mapping[str, Any],
    beside: Sequence[Try] = (),
) -> dict[str, Any]:
    """Return what a speedrun came to, with all that repeats it.

    Args:
        name: of the recipe.
        recipe: as it was entered.
        found: what ``tried`` returned beside the tries.
        beside: tries of the record's recipe on this machine, with the same seeds.
    """
    seconds, low, high = mean_time(tries)
    told: dict[str, Any] = {
        "speedrun": VERSION,
        "track": track.fixed(),
        "recipe": name,
        "frozen": freeze(recipe),
        "seeds": [each.seed for each in tries],
        "tries": [asdict(each) for each in tries],
        "seconds": seconds,
        "low": low,
        "high": high,
        **found,
    }
    if beside:
        ratio = ratio_of(tries, beside)
        told["beside"] = {
            "recipe": track.record["recipe"] if track.record else track.recipe,
            "tries": [asdict(each) for each in beside],
            "seconds": mean_time(beside)[0],
            "ratio": None if ratio is None else ratio.value,
            "low": None if ratio is None else ratio.low,
            "high": None if ratio is None else ratio.high,
        }
    told["why_no_record"] = why_no_record(track, told)
    told["is_record"] = not told["why_no_record"]
    return told


def ratio_of(tries: Sequence[Try], others: Sequence[Try]) -> Difference | None:
    """Return the ratio of the times over seeds that reached it in both; None without any."""
    from ganzoo.ablate.statistics import paired

    mine, theirs = (
        {each.seed: each.seconds for each in side if each.seconds is not None}
        for side in (tries, others)
    )
    return paired(mine, theirs, log=True) if mine.keys() & theirs.keys() else None


def mean_time(tries: Sequence[Try]) -> tuple[float | None, float | None, float | None]:
    """Return the geometric mean of the seconds and its 95 % t-interval; None where one failed."""
    times = [each.seconds for each in tries]
    if not times or any(time is None for time in times):
        return None, None, None
    from ganzoo.ablate.statistics import t_interval

    logs = [math.log(max(time, 1e-9)) for time in times if time is not None]
    low, high = t_interval(logs)
    return (
        math.exp(sum(logs) / len(logs)),
        None if low is None else math.exp(low),
        None if high is None else math.exp(high),
    )


def why_no_record(track: Track, told: Mapping[str, Any]) -> list[str]:
    """Return every reason why a result is no record; none where it is one."""
    reasons = [
        f"seed {each['seed']}: {each['why_not']}"
        for each in told["tries"]
        if each["seconds"] is None
    ]
    if len(set(told["seeds"])) < FEWEST:
        reasons.append(f"{len(set(told['seeds']))} of at least {FEWEST} seeds")
    record, beside = track.record, told.get("beside")
    if told["network"] != track.network and beside is None:
        reasons.append(
            f"features of {told['network'][:12]}, but the track uses {track.network[:12]}: this "
            "machine trains the classifier to other bits; --beside compares both recipes in them"
        )
    if record is None or reasons:
        return reasons
    if beside is not None:
        if beside["high"] is None or not beside["high"] < 1:
            reasons.append("not clearly faster than the record's recipe here")
    elif dict(record["machine"]) != dict(told["machine"]):
        reasons.append(
            f"the record was set on another machine, {record['machine']['device_name']} with "
            f"{record['machine']['threads']} threads; --beside runs its recipe here, too"
        )
    elif not told["high"] < record["seconds"]:
        reasons.append(f"the record is {record['seconds']:.1f} s")
    return reasons
