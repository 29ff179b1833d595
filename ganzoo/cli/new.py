"""``ganzoo new plugin``: the beginning of a package of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli import streams
from ganzoo.cli.app import Command, Group
from ganzoo.cli.options import json_option


@click.group(cls=Group, examples=["ganzoo new plugin ganzoo-quadratic --kind loss"])
def new() -> None:
    """Write the beginning of something of your own."""


@new.command(
    cls=Command,
    examples=[
        "ganzoo new plugin ganzoo-quadratic --kind loss",
        "ganzoo new plugin ganzoo-faces --kind dataset --out projects",
    ],
)
@click.argument("name")
@click.option("--kind", default="loss", metavar="KIND", help="Kind of component; loss if left out.")
@click.option(
    "--out", default=".", metavar="DIR", type=click.Path(path_type=Path), help="Where it goes."
)
@json_option
def plugin(*, name: str, kind: str, out: Path, as_json: bool) -> None:
    """Write a package NAME with one component: it installs, is found and passes at once.

    KIND is generator, discriminator, loss, regularizer, dataset, optimizer, metric or view.
    """
    from ganzoo.registry import load
    from ganzoo.scaffold import write

    use = name.replace("-", "_").removeprefix("ganzoo_")
    taken = load().components.get((kind, use))
    if taken is not None:
        raise click.UsageError(f"there is a {kind} named {use!r} already, of {taken[1].origin}")
    files = write(name, kind, out)
    if as_json:
        streams.result([str(path) for path in files])
        return
    for path in files:
        streams.say(str(path))
    streams.tell(
        f"next: pip install -e '{out / name}[test]' && ganzoo plugins check {use}\n"
        f"then write your own {kind} in '{out / name}'"
    )
