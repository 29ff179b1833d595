"""``ganzoo board``: one page over all runs of a folder, as long as the command runs."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(epilog="ganzoo board")
@click.option(
    "--out", default="runs", metavar="DIR", type=click.Path(path_type=Path), help="Folder for runs."
)
@click.option(
    "--port", type=click.IntRange(1024, 65535), metavar="N", help="Port; default: any free one."
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON.")
def board(out: Path, port: int | None, as_json: bool) -> None:
    """Show all runs and ablations of a folder on one page, kept up to date.

    Pictures, status, scores, and the curves of up to eight runs in one plot. Only this machine can
    reach the page, and it changes nothing. Ctrl-C ends it.
    """
    from ganzoo_board.serving import board_server

    server = board_server(out, port or 0)
    click.echo(json.dumps({"url": server.url}) if as_json else server.url)
    click.echo("open it in a browser on this machine; Ctrl-C ends it", err=True)
    server.serve()
