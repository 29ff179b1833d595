"""``ganzoo sparks RUN``: the losses of a run, drawn in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import click

import ganzoo
from ganzoo.api import GanzooError, curve_name

BLOCKS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("run")
@click.option("--out", default="runs", type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option("--width", default=60, type=click.IntRange(1, 1000), help="Blocks in a line.")
def sparks(run: str, out: Path, width: int) -> None:
    """Draw the losses of RUN as blocks: its letters, a folder, or 'last'."""
    found = ganzoo.open_run(run, out=out)
    for name in ("d/loss", "g/loss"):
        values = [line[name] for line in found.log if isinstance(line.get(name), float)]
        if not values:
            raise GanzooError(f"run '{found.path}' has no {name} in its log yet")
        drawn = blocks(values, width)
        click.echo(f"{curve_name(name):<20} {drawn} {min(values):.3f} to {max(values):.3f}")


def blocks(values: Sequence[float], width: int) -> str:
    """Return a line of at most ``width`` blocks, each the mean of its share of the values."""
    width = min(width, len(values))
    edges = [round(len(values) * at / width) for at in range(width + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    steps = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((mean - low) * steps)] for mean in means)
