"""``ganzoo invert RUN PICTURE``: a picture's latent, its reconstruction beside it, the error."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import ganzoo
from ganzoo.api import GanzooError

if TYPE_CHECKING:
    from ganzoo_invert.search import Found

WIDTH = 512
"""Pixels that a picture of both is about as wide as."""


@click.command(epilog="ganzoo invert last seven.png")
@click.argument("run", metavar="RUN")
@click.argument("picture", metavar="PICTURE", type=click.Path(path_type=Path))
@click.option(
    "--steps",
    default=300,
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Optimization steps.",
)
@click.option(
    "--restarts",
    default=8,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Random latents to start from.",
)
@click.option(
    "--seed", default=0, type=click.IntRange(0), metavar="N", help="Seed of the random latents."
)
@click.option("--label", metavar="CLASS", help="Class to use; default: try all.")
@click.option("--pixels-only", is_flag=True, help="Compare pixels only, not features.")
@click.option(
    "--file", metavar="PATH", type=click.Path(path_type=Path), help="File of the comparison."
)
@click.option("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
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
def invert(
    run: str,
    picture: Path,
    steps: int,
    restarts: int,
    seed: int,
    label: str | None,
    pixels_only: bool,
    file: Path | None,
    device: str,
    plugin: tuple[Path, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Find the latent for which RUN's generator comes closest to PICTURE.

    Writes an image of both, the original on the left, and the latent as a file for
    'ganzoo sample --latent'. Ctrl-C ends the search and keeps the best so far.
    """
    if file is not None and file.suffix.lower() != ".png":
        raise GanzooError(f"'{file}' does not end in .png")
    opened = ganzoo.open_run(run, out=out, plugins=plugin)
    if not picture.exists():
        raise GanzooError(f"there is no picture '{picture}'")
    from ganzoo_invert.picture import read_picture
    from ganzoo_invert.search import search

    model = opened.model(device=device)
    refuse_unsuited(model)
    target, done = read_picture(picture, model.image)
    click.echo(f"picture '{picture}': {done}", err=True)
    look = None if pixels_only else features(opened, model)
    asked = class_of(model, label)
    best: Found | None = None
    stopped = False
    with click.progressbar(length=steps + 1, label="searching", file=sys.stderr) as bar:
        try:
            for found in search(
                model, target, steps=steps, restarts=restarts, seed=seed, label=asked, look=look
            ):
                best = found
                bar.update(1)
        except KeyboardInterrupt:
            stopped = True
    if best is None:
        raise KeyboardInterrupt
    path = file or opened.folder.writable("made", f"{default_name(picture, model)}.png")
    latent = path.with_suffix(".safetensors")
    save_both(model, target, model(best.latent, best.label), path)
    model.write_latents(latent, best.latent, best.label)
    told = {"file": str(path), "latent": str(latent), "error": best.error, "seed": seed,
            "step": model.step, "class": None if best.label is None else int(best.label),
            "stopped": stopped}  # fmt: skip
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        words = f"error {best.error:.4f} of the value range (root mean square)"
        if best.label is not None and model.classes:
            words += f", class {model.classes[int(best.label)]}"
        click.echo(f"{words}\nreproduce it: ganzoo sample {run} --latent {latent}", err=True)
        click.echo(str(path))
    if stopped:
        stop = KeyboardInterrupt()
        stop.add_note("stopped; the best so far was kept")
        raise stop


def refuse_unsuited(model: Any) -> None:
    """Raise GanzooError for a generator that is asked for more than classes."""
    if model.recipe.generator.uses_labels and not model.image.num_classes:
        raise GanzooError(
            f"generator '{model.recipe.generator.use}' takes labels that are not classes, so it is "
            "unknown which of them fits the picture"
        )


def features(run: Any, model: Any) -> Any:
    """Return what looks at images as the classifier of the run's data does; None without one."""
    network = run.features()
    if network is None:
        return None
    network.to(model.device)
    low, span = model.image.low, model.image.high - model.image.low

    def look(images: Any) -> Any:
        return network.module(((images - low) / span).clamp(0, 1))[0]

    click.echo(f"compared by pixels and by the features of {network.name}", err=True)
    return look


def class_of(model: Any, label: str | None) -> Any:
    """Return the number of a class as a tensor ``[1]``; None where none is asked for."""
    import torch

    chosen = model.class_numbers(label)
    if len(chosen) > 1:
        raise GanzooError("a picture has one class; give --label only one")
    return torch.tensor(chosen) if chosen else None


def save_both(model: Any, picture: Any, found: Any, path: Path) -> None:
    """Write the picture and its reconstruction side by side, small ones enlarged."""
    import torch

    both = model.shown(torch.cat([picture.float().cpu(), found]), 2).picture(2)
    times = max(1, WIDTH // both.width)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        both.resize((both.width * times, both.height * times), resample=0).save(path, "PNG")
    except OSError as error:
        raise GanzooError(
            f"'{path}' cannot be written: {error.strerror}; name another --file"
        ) from error


def default_name(picture: Path, model: Any) -> str:
    """Return a file's name for what was found, without its suffix."""
    stem = re.sub(r"\W+", "_", picture.stem)[:60] or "picture"
    return f"inverted-{stem}-step{model.step:06d}"
