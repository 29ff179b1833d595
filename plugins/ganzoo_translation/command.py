"""``ganzoo translate RUN PICTURES``: pictures turned into others by a run's generator."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

import ganzoo
from ganzoo.api import GanzooError

NAMED = 10
"""Pictures named in an error."""


@click.command(epilog="ganzoo translate last pictures/ --out done")
@click.argument("run", metavar="RUN")
@click.argument("pictures", metavar="PICTURES", type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--back", is_flag=True, help="Translate the other way, if the run can.")
@click.option(
    "--tile",
    type=click.IntRange(16, 16_384),
    default=512,
    metavar="N",
    help="Translate larger pictures in tiles of this many pixels a side.",
)
@click.option("--no-ema", is_flag=True, help="Use the raw weights, not the averaged ones.")
@click.option("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--plugin",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Load a plugin file; repeatable.",
)
@click.option(
    "--runs",
    default="runs",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def translate(
    run: str,
    pictures: Path,
    out: Path | None,
    back: bool,
    tile: int,
    no_ema: bool,
    device: str,
    plugin: tuple[Path, ...],
    runs: Path,
    as_json: bool,
) -> None:
    """Translate PICTURES, a picture or a folder, with RUN's generator.

    Each picture keeps its size: if it does not fit the network, its border is mirrored and cropped
    again, and large ones are translated in overlapping tiles. Writes PNG files with the same names.
    """
    opened = ganzoo.open_run(run, out=runs, plugins=plugin)
    from ganzoo_translation.files import found_in, read, target_of, write
    from ganzoo_translation.tiles import translated

    spec = opened.recipe.generator
    if not spec.translates:
        raise GanzooError(
            f"generator '{spec.use}' of run '{run}' makes images of latents; use: ganzoo sample"
        )
    makers = opened.recipe.step.makers()
    if back and len(makers) < 2:
        raise GanzooError(f"step '{opened.recipe.step.use}' does not translate back; omit --back")
    model = opened.model(average=not no_ema, device=device, player=makers[1 if back else 0])
    names = found_in(pictures)
    folder = out or opened.folder.writable("made", f"translated-{pictures.stem or 'pictures'}")
    places = {name: target_of(name, pictures, folder, names) for name in names}
    clash = [name for name, count in Counter(places.values()).items() if count > 1]
    if clash or any(place.exists() and place.samefile(n) for n, place in places.items()):
        raise GanzooError(f"'{folder}' would overwrite the pictures it reads; name another --out")
    bad: list[str] = []
    with click.progressbar(names, label="translating", file=sys.stderr) as bar:
        for name in bar:
            try:
                given = read(name, model.image)
            except GanzooError as error:
                bad.append(str(error))
                continue
            write(translated(model, given, tile), model.image, places[name])
    done = len(names) - len(bad)
    if as_json:
        told = {"folder": str(folder), "pictures": done, "unread": bad, "step": model.step,
                "player": model.player}  # fmt: skip
        click.echo(json.dumps(told, indent=2))
    elif done:
        click.echo(str(folder))
    if bad:
        more = f"\nand {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise GanzooError("\n".join(bad[:NAMED]) + more)
