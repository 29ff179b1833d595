"""``ganzoo report``: the page of a run, as a file or live."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import json_option, out_option, run_names
from ganzoo.runs.folder import RunDir


@click.command(
    cls=Command,
    examples=["ganzoo report last", "ganzoo report last --watch       while it trains"],
)
@click.argument("name", metavar="RUN", shell_complete=run_names)
@click.option("--watch", is_flag=True, help="Serve it locally and keep it up to date.")
@click.option(
    "--port", type=click.IntRange(1024, 65535), metavar="N", help="Port; default: any free one."
)
@out_option
@json_option
def report(*, name: str, watch: bool, port: int | None, out: Path, as_json: bool) -> None:
    """Write the report page of RUN.

    RUN is its four letters, a folder, or 'last'. The page is a single file. With --watch it is
    served to this machine only.
    """
    from ganzoo.runs.folder import find

    run = find(name, out)
    if watch:
        return serve(run, port or 0, as_json)
    from ganzoo.report.run_page import write_page

    path = write_page(run)
    streams.result({"file": str(path)} if as_json else str(path))
    return None


def serve(run: RunDir, port: int, as_json: bool) -> None:
    """Show the page until Ctrl-C."""
    from ganzoo.report.live import live_server

    server = live_server(run, port)
    streams.result({"url": server.url} if as_json else server.url)
    streams.tell("open it in a browser on this machine; Ctrl-C stops it")
    server.serve()
