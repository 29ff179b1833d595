"""``ganzoo compare``: an experiment's tables, or the same for any runs. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import json_option, out_option, run_names

if TYPE_CHECKING:
    from ganzoo.ablate.formats import Result


@click.command(
    cls=Command,
    examples=[
        "ganzoo compare runs/transpose_vs_upsample",
        "ganzoo compare k7qf m3xw --metric frechet",
        "ganzoo compare runs/mine --csv > cells.csv",
    ],
)
@click.argument("names", nargs=-1, required=True, metavar="RUN|EXPERIMENT...",
                shell_complete=run_names)  # fmt: skip
@click.option("--metric", "metrics", multiple=True, metavar="NAME",
              help="Compare this score; repeatable, the first decides.")  # fmt: skip
@out_option
@click.option("--csv", "as_csv", is_flag=True, help="Print one line per run.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@json_option
def compare(
    *,
    names: tuple[str, ...],
    metrics: tuple[str, ...],
    out: Path,
    as_csv: bool,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Compare runs or experiments: recipes, machines, scores.

    Runs that differ in their seed alone are one variant; variants are paired by seed. The first
    RUN's variant is the baseline.
    """
    from ganzoo.ablate import formats as writing
    from ganzoo.ablate.compare_runs import compared_runs

    result = compared_runs(names, out, metrics)
    if as_csv:
        click.echo(writing.as_csv(result), nl=False)
    elif as_markdown:
        streams.result(writing.as_markdown(result), whole=True)
    else:
        show(result, as_json=as_json)


def show(result: Result, *, as_json: bool = False) -> None:
    """Print a comparison."""
    from ganzoo.ablate import formats as writing
    from ganzoo.ablate import sentences as words
    from ganzoo.ablate.sentences import changes_of
    from ganzoo.cli.output import show_table

    if as_json:
        streams.result({**writing.content(result), "surroundings": dict(result.surroundings)})
        return
    if result.question:
        streams.say(result.question)
    for comparison, best in writing.by_metric(result):
        streams.say()
        rows = writing.rows(comparison, best)
        show_table(writing.title(result, comparison), writing.COLUMNS, rows)
        for line in [*writing.effects(comparison), *writing.notes(result, comparison, best)]:
            streams.say(f"  {line}")
    streams.say()
    for name, changes in result.changes.items():
        if name != result.baseline:
            streams.say(f"{name} differs in {changes_of(changes, most=8)}")
    for metric in result.missing:
        streams.say(f"no run has a score '{metric}'")
    for line in [*words.differing(result.surroundings), *words.troubles(result.runs)]:
        streams.say(line)
