"""``ganzoo export``: a trained generator for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import (
    NewFile,
    PluginFiles,
    json_option,
    out_option,
    plugin_options,
    run_names,
)
from ganzoo.sampling.formats import FORMATS, PROGRAMS


@click.command(
    cls=Command,
    examples=[
        "ganzoo export last --to onnx",
        "ganzoo export k7qf --to hub --file my-gan --licence mit",
    ],
)
@click.argument("name", metavar="RUN", shell_complete=run_names)
@click.option(
    "--to", type=click.Choice(FORMATS), required=True, metavar="FORMAT", help="See above."
)
@click.option("--file", type=NewFile(path_type=Path), metavar="PATH", help="Where to write.")
@click.option("--no-ema", is_flag=True, help="Not the averaged weights.")
@click.option("--player", default="", metavar="NAME", help="Another of the step's generators.")
@click.option(
    "--licence", default="unknown", metavar="ID", help="For the model card: mit, cc-by-4.0 ..."
)
@plugin_options
@out_option
@json_option
def export(
    *,
    name: str,
    to: str,
    file: Path | None,
    no_ema: bool,
    player: str,
    licence: str,
    plugin_files: PluginFiles,
    out: Path,
    as_json: bool,
) -> None:
    """Write RUN's generator for other tools, or a hub.

    FORMAT is safetensors (weights), pt2 (a torch program), onnx, or hub (a folder with a model
    card). Programs take latents [N, Z], N free, or pictures, and are compared with torch first.
    """
    from ganzoo.runs.folder import find

    run = find(name, out)
    from ganzoo.sampling.export import export as write
    from ganzoo.sampling.model import open_model

    recipe = plugin_files.recipe_of(run)
    model = open_model(run, recipe, average=not no_ema, warn=streams.warn, player=player)
    file_name = "hub" if to == "hub" else f"{model.player}.{to}"
    path = file or run.writable("exported", file_name)
    worst = write(model, run, to, path, licence=licence)
    if as_json:
        found = {"file": str(path), "to": to, "step": model.step, "ema": model.is_average}
        streams.result({**found, "largest_difference": worst} if to in PROGRAMS else found)
        return
    if to in PROGRAMS:
        streams.tell(f"compared with torch: pixels differ by {worst:.1e} at most")
    streams.say(str(path))
