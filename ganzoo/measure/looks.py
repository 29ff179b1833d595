"""Pictures that show what a finished generator has learned, for its page: see ``leave_looks``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from ganzoo.common.files import beside
from ganzoo.measure.reference import NEIGHBOURS, nearest
from ganzoo.plugin.types import ImageData, ImageShape, is_points
from ganzoo.report.looks import CLASSES, LOOKS, NEAREST, WALK
from ganzoo.report.sheets import GAP, mosaic, save_png, sheet, to_pixels
from ganzoo.runs.folder import RunDir
from ganzoo.sampling.model import Model
from ganzoo.training.feed import pick, to_range
from ganzoo.training.labels import first_labels

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts

PIXELS = 1_500_000
"""Of one picture; large images are fewer."""
FRAMES = 9
"""Of a walk: from one latent to the next and the one after it."""
WALKS = 2
OF_EACH = 8
"""Images of each class."""
MOST_CLASSES = 20
FAKES = 8
"""That are held against training images."""
MOST_READ = 2_000
"""Training images that are looked at where each is read from its file."""


def leave_looks(parts: Parts, run: RunDir, step: int, warn: Callable[[str], None]) -> None:
    """Draw a latent walk, a row of each class, and fakes beside their nearest training images.

    Kept in the run's folder, with what is on them in ``looks.json``. Of points, and of a generator
    that translates, there are none; of one whose labels are no classes no walk. What cannot be
    drawn is told and left out.
    """
    if is_points(parts.shape) or parts.recipe.generator.translates:
        return
    model = Model(
        parts.recipe,
        parts.shape,
        tuple(parts.data.classes),
        parts.best_generator,
        step,
        parts.average is not None,
    )
    found: dict[str, Any] = {"step": step}

    def drawn(name: str, draw: Callable[[], dict[str, Any]]) -> None:
        try:
            found[name] = draw()
        except Exception as error:  # noqa: BLE001  a picture that is not drawn fails no run
            warn(f"not drawn for the page: {name}: {type(error).__name__}: {error}")

    has_classes = bool(parts.recipe.generator.uses_labels and parts.shape.num_classes)
    if has_classes or not parts.recipe.generator.uses_labels:
        drawn("walk", lambda: _walk(model, run))
    if has_classes:
        drawn("classes", lambda: _classes(model, run))
    drawn("neighbours", lambda: _neighbours(model, run, parts.data))
    with beside(warn):
        run.write_json(LOOKS, found)


def neighbours(
    images: Tensor, train: ImageData, image: ImageShape, asked: Tensor | None = None
) -> tuple[Image.Image, dict[str, Any]]:
    """Return a sheet with one row per fake, and what is on it.

    The fake comes first, then its five nearest training images by the root mean square difference
    of pixels in [0, 1]. Of images that are read one by one 2,000 are looked at, evenly chosen.

    Args:
        images: fakes ``[N, C, H, W]`` as stored.
        asked: the classes ``[N]`` that the generator was asked for.
    """
    many = len(train) if isinstance(train.images, Tensor) else min(len(train), MOST_READ)
    chosen = torch.linspace(0, len(train) - 1, many).round().long()
    few = train if many == len(train) else _some(train, chosen)
    distances, numbers = nearest(images, few, min(NEIGHBOURS, many))
    rows = [
        torch.cat([fake.unsqueeze(0), pick(few, own)])
        for fake, own in zip(images, numbers, strict=True)
    ]
    picture = sheet(to_range(torch.cat(rows), image), image, 1 + numbers.shape[1])
    has_classes = few.labels is not None and few.labels.ndim == 1 and bool(train.classes)
    near = [
        [
            {
                "distance": round(distance, 4),
                **({"class": _name(train, few.labels[number])} if has_classes else {}),  # type: ignore[index]
            }
            for distance, number in zip(*pair, strict=True)
        ]
        for pair in zip(distances.tolist(), numbers.tolist(), strict=True)
    ]
    facts = {**_laid(len(rows), 1 + numbers.shape[1]), "near": near}
    if many < len(train):
        facts["of"] = many
    if asked is not None and asked.ndim == 1 and train.classes:
        facts["asked"] = [_name(train, one) for one in asked[: len(rows)]]
    return picture, facts


def _neighbours(model: Model, run: RunDir, data: ImageData) -> dict[str, Any]:
    count = _rows(model.image, 1 + NEIGHBOURS, FAKES)
    labels = None
    if model.recipe.generator.uses_labels and data.labels is not None:
        in_turn = torch.arange(count) % max(1, model.image.num_classes)
        labels = in_turn if model.image.num_classes else first_labels(data, count)
    made = _in_parts(model, model.draw(count), labels)
    picture, facts = neighbours(to_pixels(made, model.image), data, model.image, labels)
    save_png(picture, run.writable(NEAREST))
    return facts


def _walk(model: Model, run: RunDir) -> dict[str, Any]:
    rows = _rows(model.image, FRAMES, WALKS)
    frames = [to_pixels(each, model.image) for each in model.walk(FRAMES, walkers=rows)]
    # [rows, frames, C, H, W]
    save_png(mosaic(torch.stack(frames, 1).flatten(0, 1), FRAMES), run.writable(WALK))
    return _laid(rows, FRAMES)


def _classes(model: Model, run: RunDir) -> dict[str, Any]:
    count = min(model.image.num_classes, MOST_CLASSES)
    columns = _rows(model.image, count, OF_EACH)
    latents = model.draw(columns)
    rows = [_in_parts(model, latents, torch.full((columns,), one)) for one in range(count)]
    pixels = to_pixels(torch.cat(rows), model.image)
    save_png(mosaic(pixels, columns), run.writable(CLASSES))
    names: Sequence[str] = model.classes or [str(one) for one in range(count)]
    return {
        **_laid(count, columns),
        "names": list(names[:count]),
        "of": model.image.num_classes,
    }


def _in_parts(model: Model, latents: Tensor, labels: Tensor | None) -> Tensor:
    """Return the images of latents, no more at a time than the run trained with."""
    size = model.recipe.train.batch_size
    asked = [None] * len(latents) if labels is None else torch.split(labels, size)
    made = [model(*pair) for pair in zip(torch.split(latents, size), asked, strict=False)]
    return torch.cat(made)


def _rows(image: ImageShape, beside_it: int, most: int) -> int:
    """Return how many rows of so many images fit a picture: at least one, at most ``most``."""
    return max(1, min(most, PIXELS // (image.height * image.width * beside_it)))


def _laid(rows: int, columns: int) -> dict[str, Any]:
    return {"rows": rows, "columns": columns, "gap": GAP}


def _some(data: ImageData, chosen: Tensor) -> ImageData:
    """Return these images as data in memory."""
    labels = None if data.labels is None else data.labels[chosen]
    return replace(data, images=pick(data, chosen), labels=labels)


def _name(data: ImageData, label: Tensor) -> str:
    number = int(label)
    return str(data.classes[number]) if number < len(data.classes) else str(number)
