"""``ganzoo play RUN``: a page to move through latents, served, or as a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

import ganzoo
from ganzoo.api import GanzooError


@click.command(
    epilog="""ganzoo play zoo:fast_mnist

    ganzoo play last --export digits.html"""
)
@click.argument("run", metavar="RUN")
@click.option(
    "--export",
    "file",
    metavar="FILE.html",
    type=click.Path(path_type=Path),
    help="Write the page as a file.",
)
@click.option("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--port", type=click.IntRange(1024, 65535), metavar="N", help="Port; default: any free one."
)
@click.option(
    "--plugin",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Load a plugin file; repeatable.",
)
@click.option(
    "--out", default="runs", metavar="DIR", type=click.Path(path_type=Path), help="Folder for runs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def play(
    run: str,
    file: Path | None,
    device: str,
    port: int | None,
    plugin: tuple[Path, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Move through the latents of RUN's generator on a page.

    Sliders along its main directions, a pad to drag on, classes and truncation if it has them, and
    pictures side by side. Only this machine can reach the page, and nothing is written into the
    run. Ctrl-C ends it.

    --export FILE.html writes the page of a small generator as one file that runs in a browser,
    without Python.
    """
    if file is not None and file.suffix.lower() not in (".html", ".htm"):
        raise GanzooError(f"--export writes a page, and '{file}' does not end in .html")
    opened = ganzoo.open_run(run, out=out, plugins=plugin)
    from ganzoo_play.game import Game

    folder = opened.folder
    name = folder.id if run == "last" else run
    game = Game(opened.model(device=device), name, folder.path.parent.name)
    if file is None:
        from ganzoo_play.serving import play_server

        server = play_server(game, port or 0)
        click.echo(json.dumps({"url": server.url}) if as_json else server.url)
        click.echo("open it in a browser on this machine; Ctrl-C ends it", err=True)
        return server.serve()
    from ganzoo_play.exporting import export_page

    worst = export_page(opened, game, file, tell)
    if as_json:
        click.echo(json.dumps({"file": str(file), "largest_difference": worst}))
    else:
        click.echo(f"compared with torch: pixels differ by {worst:.1e} at most", err=True)
        click.echo(str(file))
    return None


def tell(what: str, done: int, total: int) -> None:
    """Say on a terminal how far a download is."""
    if sys.stderr.isatty():
        end = "\n" if total and done >= total else ""
        click.echo(f"\r{what}: {done >> 20} of {total >> 20} MiB", err=True, nl=False)
        click.echo(end, err=True, nl=False)
