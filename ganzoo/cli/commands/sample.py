"""``ganzoo sample``: images of a trained generator."""

from __future__ import annotations

import json
import tomllib
import zlib
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
from ganzoo.common.text import listed
from ganzoo.training.place import check_device

if TYPE_CHECKING:
    from ganzoo.sampling.model import Model

MADE = "made"
"""Folder inside the run's where samples go unless ``--file`` says otherwise."""
IMAGES = 64
COLUMNS = 8
"""Images of each class, where a class is a row."""
MOST_NAMED = 4
"""Classes that stand in a file's name."""


@click.command(
    cls=Command,
    examples=[
        "ganzoo sample k7qf --move generator.code=[[0],[1],[2]]",
        "ganzoo sample zoo:fast_digits -n 64",
    ],
)
@click.argument("name", metavar="RUN", shell_complete=run_names)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10**7),
    metavar="N",
    help="Images of each class, or a walk's frames.",
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Seed of the latents.")
@click.option("--walk", is_flag=True, help="Strip from latent to latent, or class to class.")
@click.option("--gif", is_flag=True, help="The walk as an animation.")
@click.option("--single", is_flag=True, help="One file per image.")
@click.option(
    "--label",
    "labels",
    metavar="CLASS",
    multiple=True,
    help="Class to generate, or 'all'; repeatable.",
)
@click.option(
    "--latent",
    "latent_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of latents; several for a walk.",
)
@click.option(
    "--move",
    "moves",
    metavar="KEY=LIST",
    multiple=True,
    help="A row: one latent, KEY at each value; repeatable.",
)
@click.option("--no-ema", is_flag=True, help="Use the raw weights, not the averaged ones.")
@click.option(
    "--standing",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Recompute batch norm's statistics over N batches of 250 images (BigGAN).",
)
@click.option("--file", type=NewFile(path_type=Path), metavar="PATH", help="Output file.")
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
    labels: tuple[str, ...],
    latent_files: tuple[Path, ...],
    moves: tuple[str, ...],
    no_ema: bool,
    standing: int | None,
    file: Path | None,
    device: str,
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    out: Path,
    as_json: bool,
) -> None:
    """Generate images with a run's model, an exported or a shipped one.

    'zoo:fast_digits' comes with ganzoo; all of them: ganzoo list models.
    """
    walk |= gif
    check_device(device)
    if latent_files and (single or (count and not walk)):
        raise GanzooError(
            "--latent makes a sheet of its own latents, or a walk; omit -n and --single"
        )
    if single and walk:
        raise GanzooError("--single writes images and --walk a strip or an animation; choose one")
    if moves and (walk or single or latent_files or len(labels) > 1 or "all" in labels):
        raise GanzooError(
            "--move lays out a sheet of its own; leave out --walk, --gif, --single, --latent and "
            "more than one --label"
        )
    if gif and file is not None and file.suffix.lower() != ".gif":
        raise GanzooError(f"--gif writes a GIF, and '{file}' does not end in .gif")
    if not gif and not single and file is not None and file.suffix.lower() not in PICTURES:
        film = "; use --gif for an animation" if file.suffix.lower() == ".gif" else ""
        raise GanzooError(
            f"'{file}' does not end in {', '.join(PICTURES)}, which set the image format{film}"
        )
    from ganzoo.runs.folder import find, left

    run = find(name, out, plugin_files.plugin)
    from ganzoo.sampling.files import (
        save_given,
        save_rows,
        save_sheet,
        save_singles,
        save_walk,
        save_walk_film,
    )
    from ganzoo.sampling.model import STRIDE, open_model
    from ganzoo.training.machine import choose_device

    def opened(*changes: str) -> Model:
        recipe = plugin_files.recipe_of(run, [*overrides, *changes])
        found = open_model(
            run, recipe, choose_device(device)[0], average=not no_ema, warn=streams.warn
        )
        return found if standing is None else found.standing(standing)

    rows = [[opened(change) for change in changes(move)] for move in moves]
    model = rows[0][0] if rows else opened()
    label = labels or None
    classes = [model.classes[each] for each in model.class_numbers(label)]
    is_grid = len(classes) > 1
    latents, asked = model.read_latents(*latent_files) if latent_files else (None, None)
    if standing is not None:
        overrides = (*overrides, f"standing={standing}")  # for the file's name
    stops = 0 if latents is None else len(latents)
    if stops:
        count = count or (STRIDE * (stops if gif else stops - 1) + (not gif) if walk else stops)
    usual = 1 if rows else COLUMNS if is_grid else IMAGES
    many = count or (model.frames_of(label, closed=gif) if walk else usual)
    path = file or left(
        run,
        name,
        MADE,
        default_name(model, many, seed, labels, walk, gif, single, overrides, latent_files, moves),
    )
    if rows:
        save_rows(rows, path, many, seed=seed, label=label)
    elif gif:
        save_walk_film(model, path, many, seed=seed, label=label, latents=latents, labels=asked)
    elif walk:
        save_walk(model, path, many, seed=seed, label=label, latents=latents, labels=asked)
    elif latents is not None:
        save_given(model, path, latents, asked, label)
    elif single:
        whole = many * max(1, len(classes))
        for done in save_singles(
            model, path, many, run=run.path, seed=seed, label=label, tell=streams.warn
        ):
            if done and done % 6400 == 0:
                streams.tell(f"{done:,} of {whole:,} images")
    else:
        save_sheet(model, path, many, seed=seed, label=label)
    if as_json:
        streams.result(
            {"file": str(path), "count": many, "seed": seed, "step": model.step,
             "ema": model.is_average, "classes": classes}
        )  # fmt: skip
        return
    if is_grid:
        streams.tell(explained(model, classes, walk=walk, single=single))
    streams.say(str(path))


def changes(move: str) -> list[str]:
    """Return the overrides that KEY=LIST stands for, one for each value.

    Raises:
        GanzooError: if it is not a key and a list of values.
    """
    key, _, text = move.partition("=")
    try:
        values = tomllib.loads(f"values = {text}")["values"]
    except tomllib.TOMLDecodeError:
        values = None
    if not key or not isinstance(values, list) or not values:
        raise GanzooError(
            f"--move {move}: needs a key and a list of values, e.g. generator.code=[[0], [1], [2]]"
        )
    return [f"{key}={json.dumps(value)}" for value in values]


def explained(model: Model, classes: Sequence[str], *, walk: bool, single: bool) -> str:
    """Return in words where which of several classes is."""
    if not walk:
        return f"{'one after the other' if single else 'rows from the top'}: {listed(classes)}"
    between = (
        "between two classes, their embeddings are mixed"
        if model.blends_classes
        else "this generator cannot mix classes, so the class changes at once"
    )
    return f"one latent through {listed(classes)}; {between}"


def default_name(
    model: Model,
    count: int,
    seed: int,
    labels: Sequence[str],
    walk: bool,
    gif: bool,
    single: bool,
    overrides: Sequence[str] = (),
    latent_files: Sequence[Path] = (),
    moves: Sequence[str] = (),
) -> str:
    """Return the name of a file that tells what is in it."""
    what = "walk" if walk else "samples"
    named = labels if len(labels) <= MOST_NAMED else [*labels[:MOST_NAMED], "more"]
    asked = [
        *(_told_apart(each, model.classes) for each in named),
        *(each.rpartition(".")[2] for each in overrides),
        *(f"{_last(move)}-{zlib.crc32(move.encode()):08x}" for move in moves),
    ]
    of = "".join("-" + _simple(each) for each in asked)
    ema = "" if model.is_average or model.recipe.ema is None else "-noema"
    start = f"seed{seed}"
    if latent_files:
        start = "-".join(_simple(file.stem) for file in latent_files[:MOST_NAMED])
    stem = f"{what}-step{model.step:06d}-{start}{of}{ema}"
    if single:
        return stem
    return f"{stem}-n{count}{'.gif' if gif else '.png'}"


def _last(move: str) -> str:
    """Return the last part of the key in KEY=LIST."""
    return move.partition("=")[0].rpartition(".")[2]


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
