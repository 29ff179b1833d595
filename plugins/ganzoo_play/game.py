"""What the page moves: a generator, its directions, and the pictures of single latents."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.api import GanzooError
from ganzoo_play.directions import Directions, directions

if TYPE_CHECKING:
    Model = Any
    """A trained generator, as ``ganzoo.open_run(...).model()`` returns it."""

MOST_SEED = 2**32 - 1
MOST_ALONE = 8_000_000
"""Parameters of a network whose single pictures one thread makes sooner than several."""


class Game:
    """A generator that makes one picture at a time.

    Args:
        model: the generator.
        name: what its run is called on the command line.
        title: what it is called on the page; the same unless given.

    Raises:
        GanzooError: for points, labels that are no classes, and images that depend on others.
    """

    def __init__(self, model: Model, name: str, title: str = "") -> None:
        refuse_unsuited(model)
        self.model = model
        self.name = name
        self.title = title or name
        self._lock = Lock()
        self._changed: tuple[float, Model] = (math.nan, model)

    @cached_property
    def directions(self) -> Directions:
        """The main directions of its latents."""
        with one_thread(when=self._is_small):
            return directions(self.model)

    @cached_property
    def _is_small(self) -> bool:
        """Whether one picture is too little work for several threads to share."""
        count = sum(each.numel() for each in self.model.network.parameters())
        return bool(count <= MOST_ALONE)

    @property
    def truncation(self) -> float | None:
        """The generator's truncation, where it has one that is free at sampling."""
        spec = self.model.recipe.generator
        return float(spec.truncation) if "truncation" in spec.at_sampling else None

    def facts(self) -> dict[str, Any]:
        """Return what a page must know, for JSON; arrays as base64 of little-endian float32."""
        model, found = self.model, self.directions
        latent, image, spec = model.recipe.latent, model.image, model.recipe.generator
        numbers = [str(each) for each in range(image.num_classes)]
        return {
            "name": self.name,
            "title": self.title,
            "step": model.step,
            "width": image.width,
            "height": image.height,
            "channels": image.channels,
            "range": [image.low, image.high],
            "size": latent.size,
            "prior": latent.prior,
            "bound": latent.truncation,
            "classes": (list(model.classes) or numbers) if spec.uses_labels else [],
            "codes": list(getattr(spec, "codes", [])) if "code" in spec.at_sampling else [],
            "truncation": self.truncation,
            "directions": packed(found.vectors),
            "shares": [round(float(share), 4) for share in found.shares],
            "layer": found.layer,
        }

    def start(self, seed: int) -> bytes:
        """Return the latent of the first image of ``ganzoo sample --seed``, as float32 bytes."""
        if not 0 <= seed <= MOST_SEED:
            raise GanzooError(f"seed {seed}: 0 to {MOST_SEED}")
        return raw(self.model.draw(1, seed))

    def picture(
        self, latent: bytes, label: str = "", truncation: str = "", *, sheet: bool = False
    ) -> bytes:
        """Return the picture of a latent as PNG.

        Args:
            latent: Z float32 numbers, little-endian.
            label: number of the class; empty where the generator takes none.
            truncation: the generator's, where it has one; empty for that of its recipe.
            sheet: whether to make the very file that ``ganzoo sample --latent`` writes.

        Raises:
            GanzooError: naming what does not fit.
        """
        size = self.model.recipe.latent.size
        if len(latent) != 4 * size:
            raise GanzooError(f"a latent has {size} numbers of 4 bytes, not {len(latent)} bytes")
        z = torch.frombuffer(bytearray(latent), dtype=torch.float32)[None]
        if not bool(torch.isfinite(z).all()):
            raise GanzooError("a latent's numbers are finite")
        buffer = io.BytesIO()
        # A file is made with as many threads as 'ganzoo sample' has, which may decide last bits.
        with self._lock, one_thread(when=self._is_small and not sheet):
            model = self._at(truncation)
            made = model(z, self._labels(label))
            shown = model.shown(made, 1)
            (shown.picture(1) if sheet else shown.picture(1, gap=0)).save(buffer, "PNG")
        return buffer.getvalue()

    def _labels(self, label: str) -> Tensor | None:
        model = self.model
        if not model.recipe.generator.uses_labels:
            if label:
                raise GanzooError("this generator takes no class")
            return None
        classes = model.image.num_classes
        if not label.isascii() or not label.isdecimal() or int(label[:9]) >= classes:
            raise GanzooError(f"class {label[:20]!r}: a number from 0 to {classes - 1}")
        return torch.tensor([int(label)])

    def _at(self, truncation: str) -> Model:
        """Return the model at a truncation; the last one is kept."""
        if not truncation:
            return self.model
        if self.truncation is None:
            raise GanzooError("this generator has no truncation")
        try:
            value = float(truncation)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 2:
            raise GanzooError(f"truncation {truncation[:20]!r}: a number from 0 to 2")
        if value == self.truncation:
            return self.model
        if value != self._changed[0]:
            self._changed = value, self.model.changed(truncation=value)
        return self._changed[1]


@contextmanager
def one_thread(*, when: bool) -> Iterator[None]:
    """Compute with one thread in this block, if ``when``."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if when else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def refuse_unsuited(model: Model) -> None:
    """Raise GanzooError for a generator that makes no pictures of one latent and a class."""
    image, spec = model.image, model.recipe.generator
    if image.height == image.width == 1:
        raise GanzooError("this generator makes points, not pictures; there is nothing to look at")
    if spec.uses_labels and not image.num_classes:
        raise GanzooError(
            f"generator '{spec.use}' takes labels that are not classes; a page cannot offer them"
        )
    if model.recipe.samples.mode == "train":
        raise GanzooError(
            "samples.mode = 'train': the images of this generator depend on the others of their "
            "batch, so that none has a latent of its own"
        )


def raw(numbers: Tensor) -> bytes:
    """Return numbers as little-endian float32."""
    return bytes(numbers.detach().cpu().contiguous().numpy().astype("<f4").tobytes())


def packed(numbers: Tensor) -> str:
    """Return numbers as base64 of little-endian float32."""
    return base64.b64encode(raw(numbers)).decode()
