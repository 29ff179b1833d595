"""``ganzoo sample``: images of a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
    set_option,
)
from ganzoo.common.errors import GanzooError
from ganzoo.common.files import PICTURES
from ganzoo.common.names import are_one

if TYPE_CHECKING:
    from ganzoo.sampling.model import Model

MADE = "made"
"""Folder inside the run's where samples go unless ``--file`` says otherwise."""


@click.command(
    cls=Command,
    examples=[
        "ganzoo sample k7qf --walk --gif",
        "ganzoo sample k7qf -n 10000 --single --file fakes",
    ],
)
@click.argument("name", metavar="RUN", shell_complete=run_names)
@click.option(
    "-n", "count", type=click.IntRange(1, 10**7), metavar="N", help="Images, or frames of a walk."
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Seed of the latents.")
@click.option("--walk", is_flag=True, help="Go from latent to latent, as a strip.")
@click.option("--gif", is_flag=True, help="The walk as a film.")
@click.option("--single", is_flag=True, help="One file for each image.")
@click.option("--label", metavar="CLASS", help="Class to make, where there are classes.")
@click.option("--no-ema", is_flag=True, help="Not the averaged weights.")
@click.option("--file", type=NewFile(path_type=Path), metavar="PATH", help="Where to write.")
@click.option("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@set_option
@plugin_options
@out_option
@json_option
def sample(
    *,
    name: str,
    count: int | None,
    seed: int,
    walk: bool,
    gif: bool,
    single: bool,
    label: str | None,
    no_ema: bool,
    file: Path | None,
    device: str,
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    out: Path,
    as_json: bool,
) -> None:
    """Make images with RUN's generator; an exported folder will do."""
    walk |= gif
    if single and walk:
        raise GanzooError("--single writes images and --walk a strip or a film; choose one")
    if gif and file is not None and file.suffix.lower() != ".gif":
        raise GanzooError(f"--gif writes a GIF, and '{file}' does not end in .gif")
    if not gif and not single and file is not None and file.suffix.lower() not in PICTURES:
        film = "; a film is made by --gif" if file.suffix.lower() == ".gif" else ""
        raise GanzooError(
            f"'{file}' does not end in {', '.join(PICTURES)}, which say the picture's format{film}"
        )
    from ganzoo.runs.folder import find

    run = find(name, out)
    from ganzoo.sampling.files import save_sheet, save_singles, save_walk, save_walk_film
    from ganzoo.sampling.model import open_model
    from ganzoo.training.machine import choose_device

    recipe = plugin_files.recipe_of(run, overrides)
    model = open_model(run, recipe, choose_device(device)[0], average=not no_ema, warn=streams.warn)
    many = count or (33 if walk and not gif else 64)
    path = file or run.writable(
        MADE, default_name(model, many, seed, label, walk, gif, single, overrides)
    )
    if gif:
        save_walk_film(model, path, many, seed=seed, label=label)
    elif walk:
        save_walk(model, path, many, seed=seed, label=label)
    elif single:
        for done in save_singles(
            model, path, many, run=run.path, seed=seed, label=label, tell=streams.warn
        ):
            if done and done % 6400 == 0:
                streams.tell(f"{done:,} of {many:,} images")
    else:
        save_sheet(model, path, many, seed=seed, label=label)
    if as_json:
        streams.result(
            {"file": str(path), "count": many, "seed": seed, "step": model.step,
             "ema": model.is_average}
        )  # fmt: skip
    else:
        streams.say(str(path))


def default_name(
    model: Model,
    count: int,
    seed: int,
    label: str | None,
    walk: bool,
    gif: bool,
    single: bool,
    overrides: Sequence[str] = (),
) -> str:
    """Return the name of a file that tells what is in it."""
    what = "walk" if walk else "samples"
    asked = [
        *([] if label is None else [_told_apart(label, model.classes)]),
        *(each.rpartition(".")[2] for each in overrides),
    ]
    of = "".join("-" + _simple(each) for each in asked)
    ema = "" if model.is_average or model.recipe.ema is None else "-noema"
    stem = f"{what}-step{model.step:06d}-seed{seed}{of}{ema}"
    if single:
        return stem
    return f"{stem}-n{count}{'.gif' if gif else '.png'}"


def _simple(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def _told_apart(label: str, classes: Sequence[str]) -> str:
    """Return the label, with its class's number where another's file would have the same name.

    'A' and 'a' are two classes, and one file where capitals do not count.
    """
    alike = [name for name in classes if are_one(_simple(name), _simple(label))]
    if len(alike) < 2 or label not in classes:
        return label
    return f"{label}_class{list(classes).index(label)}"
