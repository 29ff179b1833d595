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
from ganzoo.sampling.formats import FOLDERS, FORMATS, PROGRAMS


@click.command(
    cls=Command,
    examples=[
        "ganzoo export last --to onnx",
        "ganzoo export k7qf --to hub --file my-gan --licence mit",
    ],
)
@click.argument("name", metavar="RUN", shell_complete=run_names)
@click.option(
    "--to",
    type=click.Choice(FORMATS),
    required=True,
    metavar="FORMAT",
    help="Format, as listed above.",
)
@click.option("--file", type=NewFile(path_type=Path), metavar="PATH", help="Output file.")
@click.option("--no-ema", is_flag=True, help="Use the raw weights, not the averaged ones.")
@click.option(
    "--player", default="", metavar="NAME", help="Export another of the step's generators."
)
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
    """Export RUN's generator for other tools or a model hub.

    FORMAT is safetensors (weights), pt2 (a torch program), onnx, hub (a folder with a model
    card), or zoo (the folder that a plugin ships, its weights in half precision). Programs take
    latents [N, Z] with any N, or images, and are compared with torch first.
    """
    from ganzoo.runs.folder import find, left

    run = find(name, out, plugin_files.plugin)
    from ganzoo.sampling.export import export as write
    from ganzoo.sampling.model import open_model

    recipe = plugin_files.recipe_of(run)
    model = open_model(run, recipe, average=not no_ema, warn=streams.warn, player=player)
    path = file or left(run, name, "exported", to if to in FOLDERS else f"{model.player}.{to}")
    worst = write(model, run, to, path, licence=licence)
    if as_json:
        found = {"file": str(path), "to": to, "step": model.step, "ema": model.is_average}
        streams.result({**found, "largest_difference": worst} if to in PROGRAMS else found)
        return
    if to in PROGRAMS:
        streams.tell(f"compared with torch: pixels differ by up to {worst:.1e}")
    streams.say(str(path))
