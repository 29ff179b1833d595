"""``ganzoo compare``: an experiment's tables, or the same for any runs. No torch."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import json_option, out_option, run_names


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
              help="Score to compare; repeatable, the first is the primary one.")  # fmt: skip
@out_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one line per run.")
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
    """Compare runs or ablations: recipes, machines, scores.

    Runs that differ only in their seed form one variant; variants are paired by seed. The variant
    of the first RUN is the baseline.
    """
    from ganzoo.ablate import formats
    from ganzoo.ablate.compare_runs import compared_runs
    from ganzoo.cli.comparison import show_comparison

    result = compared_runs(names, out, metrics)
    if as_csv:
        click.echo(formats.as_csv(result), nl=False)
    elif as_markdown:
        streams.result(formats.as_markdown(result), whole=True)
    else:
        show_comparison(result, as_json=as_json)
