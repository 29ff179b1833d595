"""Images of a trained generator as files: sheets, single pictures, walks; large counts streamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.common import system
from ganzoo.common.errors import GanzooError
from ganzoo.common.files import FILE, TEMPORARY, cannot_write
from ganzoo.report.sheets import mosaic, picture, save_film, save_picture, to_pixels
from ganzoo.sampling.classes import Label
from ganzoo.sampling.made import claim
from ganzoo.sampling.model import BLOCK, LONGEST_WALK, STRIDE, Model, columns_of

LARGEST_SHEET = 10_000
WALKERS = 16
SECONDS_PER_FRAME = 0.1


def save_sheet(model: Model, path: Path, count: int, *, seed: int, label: Label = None) -> None:
    """Write ``count`` images as one picture, about as wide as high; several classes as rows.

    The file's name says the format.

    Raises:
        GanzooError: for more than 10,000 images, or a name of no known format.
    """
    whole = count * max(1, len(model.class_numbers(label)))
    _refuse_large(whole, "; write single files")
    blocks = model.stream(count, seed=seed, label=label)
    pixels = torch.cat([to_pixels(block, model.image) for block in blocks])
    save_picture(mosaic(pixels, columns_of(whole, count)), path, FILE)


def save_rows(
    rows: Sequence[Sequence[Model]], path: Path, count: int, *, seed: int, label: Label = None
) -> None:
    """Write a picture whose rows show what models make of one latent, the models side by side.

    Args:
        rows: the models of each row; shorter ones end in black.
        count: latents; each has rows of its own.

    Raises:
        GanzooError: for more than 10,000 images, or a name of no known format.
    """
    columns = max(map(len, rows))
    _refuse_large(columns * len(rows) * count)
    made = [
        torch.stack(
            [to_pixels(each.sample(count, seed=seed, label=label), each.image) for each in row]
        )
        for row in rows
    ]  # each [columns of the row, count, C, H, W]
    filled = [
        torch.cat([row, row.new_zeros(columns - len(row), *row.shape[1:])]).transpose(0, 1)
        for row in made
    ]
    pixels = torch.stack(filled, 1)  # [count, rows, columns, C, H, W]
    save_picture(mosaic(pixels.flatten(0, 2), columns), path, FILE)


def save_singles(
    model: Model,
    folder: Path,
    count: int,
    *,
    run: Path,
    seed: int,
    label: Label = None,
    tell: Callable[[str], None],
) -> Iterator[int]:
    """Write ``count`` images as ``000000.png`` and so on; yield how many are there.

    Of several classes there are ``count`` each, one class after the other.
    Pictures that are there already are left alone, so that a stopped command goes on where it was;
    what made them is kept beside them.

    Args:
        run: the folder of the model's run, for the record.
        tell: is told of files that are there beside them.

    Raises:
        GanzooError: if the pictures that are there are of something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error, elsewhere=FILE) from error
    claim(folder, model, run, count, seed=seed, label=label, tell=tell)
    whole = count * max(1, len(model.class_numbers(label)))
    missing = (number for number in range(whole) if not _picture(folder, number).exists())
    first = next(missing, whole) // BLOCK * BLOCK
    yield first
    for block in model.stream(count, seed=seed, label=label, first=first):
        for pixels in to_pixels(block, model.image):
            path = _picture(folder, first)
            temporary = path.with_name(f"{path.name}{TEMPORARY}{os.getpid()}")
            temporary.unlink(missing_ok=True)
            try:
                picture(pixels).save(temporary, "PNG")
                system.replace(temporary, path)
            except OSError as error:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise cannot_write(path, error, pixels.numel(), FILE) from error
            first += 1
        yield first


def save_given(
    model: Model, path: Path, latents: Tensor, labels: Tensor | None, label: Label = None
) -> None:
    """Write the images of given latents ``[N, Z]`` as one picture; of several classes as rows.

    Raises:
        GanzooError: as ``save_sheet``.
    """
    chosen = model.class_numbers(label)
    if chosen:
        labels = torch.tensor(chosen).repeat_interleave(len(latents))
        latents = latents.repeat(len(chosen), 1)
    _refuse_large(len(latents))
    pixels = to_pixels(model(latents, labels), model.image)
    save_picture(mosaic(pixels, columns_of(len(latents), len(latents) // max(1, len(chosen)))),
                 path, FILE)  # fmt: skip


def save_walk(
    model: Model,
    path: Path,
    frames: int,
    *,
    seed: int,
    label: Label = None,
    latents: Tensor | None = None,
    labels: Tensor | None = None,
) -> None:
    """Write a walk as a strip of about eight steps a row."""
    walk = model.walk(_walkable(frames), seed=seed, label=label, latents=latents, labels=labels)
    pixels = torch.cat([to_pixels(frame, model.image) for frame in walk])
    full = (each for each in (STRIDE, 11, 10, 9, 7) if frames % each == 0)
    save_picture(mosaic(pixels, min(next(full, STRIDE), frames)), path, FILE)


def save_walk_film(
    model: Model,
    path: Path,
    frames: int,
    *,
    seed: int,
    label: Label = None,
    latents: Tensor | None = None,
    labels: Tensor | None = None,
) -> None:
    """Write sixteen walks, or one between given latents, as a GIF that loops without a seam."""
    walk = model.walk(
        _walkable(frames),
        seed=seed,
        label=label,
        walkers=WALKERS,
        closed=True,
        latents=latents,
        labels=labels,
    )
    pictures = [mosaic(to_pixels(frame, model.image), 4) for frame in walk]
    each = int(1000 * SECONDS_PER_FRAME)
    save_film(pictures, path, frames * SECONDS_PER_FRAME, rest=each, elsewhere=FILE)


def _refuse_large(images: int, remedy: str = "") -> None:
    if images > LARGEST_SHEET:
        raise GanzooError(
            f"{images:,} images do not fit on one sheet, at most {LARGEST_SHEET:,} do{remedy}"
        )


def _walkable(frames: int) -> int:
    if not 2 <= frames <= LONGEST_WALK:
        raise GanzooError(f"a walk has 2 to {LONGEST_WALK:,} frames, not {frames:,}")
    return frames


def _picture(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.png"
