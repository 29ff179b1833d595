"""A run's verdict: what it reached, what became of it, and what to try next, as commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ganzoo.common.errors import GanzooError
from ganzoo.common.system import quoted
from ganzoo.recipe.source import LENGTHS, shipped
from ganzoo.runs.evidence import Evidence
from ganzoo.runs.folder import RunDir
from ganzoo.runs.plugin_files import plugin_files
from ganzoo.runs.record import Record, Table, many, whole
from ganzoo.runs.rules import LAST, RULES, Change, Rule
from ganzoo.runs.thinned import read_thinned

MOST_TRIED = 3
"""Changes that are named."""
MOST_REACHED = 4
"""Scores that are told beside their floors."""


@dataclass(frozen=True)
class Attempt:
    """A change worth trying.

    Attributes:
        keys: ``key=value`` of each, as ``--set`` takes them.
        why: what it does.
        source: who advises it.
        verb: whether a new run is made, this one goes on, or it is measured.
        command: what to type.
    """

    keys: tuple[str, ...]
    why: str
    source: str
    verb: str
    command: str


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a run.

    Attributes:
        name: of the gravest rule that holds.
        text: what it says, in a sentence.
        is_trouble: whether something went wrong.
        more: what else was seen.
        reached: scores beside what real images reach.
        attempts: what is most worth trying.
    """

    name: str
    text: str
    is_trouble: bool
    more: tuple[str, ...] = ()
    reached: str = ""
    attempts: tuple[Attempt, ...] = ()

    def lines(self) -> list[str]:
        """Return it as sentences, then what to try, each a reason and a command."""
        said = [self.text, *self.more, self.reached and f"Reached: {self.reached}"]
        tried = [f"Try: {each.why}\n  {each.command}" for each in self.attempts]
        return [text for text in [*said, *tried] if text]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    def kept(self) -> dict[str, Any]:
        """Return what a result keeps of it: equal runs have equal ones, whatever their folders."""
        found = self.plain()
        for each in found["attempts"]:
            del each["command"]
        return found


def verdict(run: RunDir, result: Table | None = None) -> Verdict | None:
    """Return the verdict on a run; None where nothing can be said of it yet.

    Args:
        result: what its ``result.json`` is about to hold, else what it holds.
    """
    found = evidence(run, result)
    held = holding(found)
    if not held:
        return None
    attempts: list[Attempt] = []
    for rule, _ in held:
        for change in rule.changes:
            keys = tuple(change.keys(found))
            if keys and all(set(keys).isdisjoint(each.keys) for each in attempts):
                typed = command(run, change, keys)
                attempts.append(Attempt(keys, change.why, change.source, change.verb, typed))
    first, text = held[0]
    return Verdict(
        first.name,
        text,
        first.is_trouble,
        tuple(more for _, more in held[1:]),
        "; ".join(score.in_words() for score in found.scores[:MOST_REACHED]),
        tuple(attempts[:MOST_TRIED]),
    )


def holding(found: Evidence) -> list[tuple[Rule, str]]:
    """Return the rules that hold with their words, the gravest first."""
    held: list[tuple[Rule, str]] = []
    hidden: set[str] = set()
    for rule in RULES:
        if rule.name in hidden or (held and rule.name in LAST):
            continue
        if text := rule.words(found):
            held.append((rule, text))
            hidden |= rule.hides
    return held


def reading(metrics: Mapping[str, Any]) -> list[str]:
    """Return what scores mean together where one alone misleads; nothing where all is as usual.

    Args:
        metrics: scores by name as a result has them, which need not be trusted.
    """
    found = Evidence(result={"metrics": metrics})
    texts = [text for rule in RULES if rule.of_scores for text in [rule.words(found)]]
    return [text for text in texts if text]


def evidence(run: RunDir, result: Table | None = None) -> Evidence:
    """Return what the folder of ``run`` shows; see ``verdict``."""
    # Here, for it brings pydantic, which the list of verbs does without.
    from ganzoo.runs.frozen import frozen_tables

    record = Record(run)
    try:
        recipe = frozen_tables(run)
    except GanzooError:
        recipe = {}
    log = [entry for entry in read_thinned(run) if whole(entry.get("step")) is not None]
    last = whole(log[-1].get("step")) if log else None
    if result is None:
        step = record.step or last or 0
        return Evidence(recipe, record.result, log, record.status, record.reason, step)
    step = whole(result.get("step")) or 0
    return Evidence(recipe, result, log, str(result.get("status")), "", step)


def command(run: RunDir, change: Change, keys: Sequence[str]) -> str:
    """Return what to type to try a change."""
    plugins = [f"--plugin {quoted(file)}" for file in plugin_files(run)]
    if change.verb == "measure":
        return " ".join(["ganzoo measure", quoted(run.path), *plugins])
    sets = [f"--set {quoted(key)}" for key in keys]
    if change.verb == "resume":
        return " ".join(["ganzoo resume", quoted(run.path), *plugins, *sets])
    base, earlier = origin(run)
    kept = [f"--set {quoted(each)}" for each in earlier if not _is_replaced(each, keys)]
    return " ".join(["ganzoo run", *base, *plugins, *kept, *sets])


def _is_replaced(earlier: str, keys: Sequence[str]) -> bool:
    """Return whether what was set before contradicts a change, or says nothing beside it."""
    own = earlier.partition("=")[0].strip()
    for key in (each.partition("=")[0] for each in keys):
        around = key.removesuffix("use") if key.endswith(".use") else f"{key}."
        if own == key or own.startswith(around) or key.startswith(f"{own}."):
            return True
        if {own, key} <= {f"train.{length}" for length in LENGTHS}:
            return True
    return False


def origin(run: RunDir) -> tuple[list[str], list[str]]:
    """Return what was trained: a shipped recipe's name and what was set, else the run's own file.

    A recipe of the user's may have changed since.
    """
    found = Record(run).origin
    file, earlier = found.get("file"), many(found.get("set"))
    name = Path(str(file)).stem
    is_shipped = isinstance(file, str) and shipped().get(name) == Path(file)
    if is_shipped and all(isinstance(each, str) for each in earlier):
        return [name], [*earlier]
    return [quoted(run.recipe), f"--name {quoted(run.path.parent.name)}"], []
