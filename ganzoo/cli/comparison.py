"""A comparison on the terminal: one table for each score, then what is to be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo.ablate import formats, sentences
from ganzoo.cli import output as streams
from ganzoo.cli.output import show_table

if TYPE_CHECKING:
    from ganzoo.ablate.formats import Result


def show_comparison(result: Result, *, as_json: bool = False) -> None:
    """Print a comparison."""
    if as_json:
        streams.result({**formats.content(result), "surroundings": dict(result.surroundings)})
        return
    if result.question:
        streams.say(result.question)
    tables = [*formats.by_metric(result)]
    for comparison, best in tables:
        streams.say()
        rows = formats.rows(comparison, best)
        show_table(formats.title(result, comparison), formats.COLUMNS, rows)
        for line in [*formats.effects(comparison), *formats.notes(result, comparison)]:
            streams.say(f"  {line}")
    streams.say()
    if any(best is not None for _, best in tables):
        streams.say(sentences.FLATTERY)
    for name, changes in result.changes.items():
        if name != result.baseline:
            streams.say(f"{name} differs in {sentences.changes_of(changes, most=8)}")
    for metric in result.missing:
        streams.say(f"no run has a score '{metric}'")
    for line in [*sentences.differing(result.surroundings), *sentences.troubles(result.runs)]:
        streams.say(line)
