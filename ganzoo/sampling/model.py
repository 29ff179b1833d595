"""A trained generator by itself: read from a run folder or from an exported one, and used."""

from __future__ import annotations

import io
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError, GanzooError
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.model import Latent, Recipe
from ganzoo.report.sheets import enlarged, sheet
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints, step_of
from ganzoo.runs.record import Record
from ganzoo.runs.weights import Facts, _read_weights
from ganzoo.training.labels import class_number
from ganzoo.training.precision import images_of
from ganzoo.training.randomness import draw, key, observing

BLOCK = 64
"""Images made at a time. Image i depends on the seed and on i alone, not on how many are made."""
STRIDE = 8
"""Frames from one latent of a walk to the next."""


class Images(Tensor):
    """Images ``[N, C, H, W]`` that show themselves in a notebook; otherwise an ordinary tensor.

    What is computed from them is a plain tensor.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    shape_of_image: ImageShape

    def picture(self, columns: int | None = None) -> Image.Image:
        """Return the images laid out row by row; by default about as wide as high."""
        return sheet(self, self.shape_of_image, columns or math.ceil(math.sqrt(len(self))))

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        enlarged(self.picture()).save(buffer, "PNG")
        return buffer.getvalue()


@dataclass(frozen=True)
class Model:
    """A generator with trained weights, in the mode in which its sheets were made.

    Attributes:
        step: after how many steps the weights were taken.
        is_average: whether they are the running average.
    """

    recipe: Recipe
    image: ImageShape
    classes: tuple[str, ...]
    network: nn.Module
    step: int
    is_average: bool

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def sample(self, count: int = 16, *, seed: int = 0, label: str | int | None = None) -> Images:
        """Make ``[count, C, H, W]`` images in the recipe's value range, on the CPU.

        Args:
            count: how many.
            seed: of the latents; the first images are the same whatever the count.
            label: class to make, by name or number; None takes the classes in turn.

        Raises:
            GanzooError: for a class that is not there, or a generator that makes none to order.
        """
        return self._shown(torch.cat(list(self.stream(count, seed=seed, label=label))))

    def stream(
        self, count: int, *, seed: int = 0, label: str | int | None = None, first: int = 0
    ) -> Iterator[Tensor]:
        """Yield the images of ``sample`` in blocks, from number ``first`` on, a multiple of 64."""
        if count < 1:
            raise GanzooError(f"{count} images cannot be made; ask for 1 or more")
        chosen = self._label(label)
        for start in range(first, count, BLOCK):
            generator = torch.Generator().manual_seed(key(seed, "sample", start // BLOCK))
            latents = draw(self.recipe.latent, BLOCK, generator)
            yield self(latents, start, chosen)[: count - start]

    def walk(
        self,
        frames: int = 33,
        *,
        seed: int = 0,
        walkers: int = 1,
        label: str | int | None = None,
        closed: bool = False,
    ) -> Iterator[Tensor]:
        """Yield the frames of a walk from latent to latent, each ``[walkers, C, H, W]``.

        Args:
            frames: how many; every eighth shows one of the random latents itself.
            seed: of the latents.
            walkers: walks made side by side.
            label: class to make.
            closed: whether the walk ends where it began, for a film that loops.
        """
        stops = max(2, math.ceil((frames - 1) / STRIDE) + 1)
        generator = torch.Generator().manual_seed(key(seed, "walk"))
        drawn = draw(self.recipe.latent, stops * walkers, generator)
        path = drawn.view(stops, walkers, -1)
        if closed:
            path = torch.cat([path[:-1], path[:1]]) if stops > 2 else torch.cat([path, path[:1]])
        legs = len(path) - 1
        for number in range(frames):
            place = number * legs / (frames if closed else max(1, frames - 1))
            leg = min(int(place), legs - 1)
            latents = between(self.recipe.latent, path[leg], path[leg + 1], place - leg)
            yield self(latents, 0, self._label(label))

    @torch.no_grad()
    def __call__(self, latents: Tensor, first: int = 0, label: int | None = None) -> Tensor:
        """Return the images ``[N, C, H, W]`` of latents ``[N, Z]``, on the CPU.

        Args:
            latents: of the recipe's prior.
            first: number of the first image, where classes are taken in turn.
            label: class to make; None takes the classes in turn.
        """
        labels = None
        if self.recipe.generator.uses_labels:
            turn = torch.arange(first, first + len(latents)) % max(1, self.image.num_classes)
            labels = (turn if label is None else torch.full_like(turn, label)).to(self.device)
        with observing(self.network):
            torch.manual_seed(0)  # dropout in a generator that is sampled in training mode
            self.network.train(self.recipe.samples.mode == "train")
            images = images_of(self.recipe.generator, self.network, latents.to(self.device), labels)
        return images.float().cpu()

    def _label(self, label: str | int | None) -> int | None:
        if label is None:
            return None
        if not self.recipe.generator.uses_labels:
            raise GanzooError(
                f"generator '{self.recipe.generator.use}' makes no class to order; leave the "
                "label out"
            )
        return class_number(label, self.classes, self.image.num_classes)

    def _shown(self, images: Tensor) -> Images:
        shown = images.as_subclass(Images)
        shown.shape_of_image = self.image
        return shown


def between(latent: Latent, start: Tensor, end: Tensor, share: float) -> Tensor:
    """Return latents ``share`` of the way from ``start`` to ``end``, both ``[N, Z]``.

    Normal latents lie near a sphere, and the straight line between two of them leaves it: their
    walk is the great circle (Shoemake 1985; White 2016, arXiv:1609.04468). Uniform ones fill a
    cube, which no straight line leaves.
    """
    if latent.prior == "uniform":
        return torch.lerp(start, end, share)
    unit = nn.functional.normalize
    cosine = (unit(start, dim=1) * unit(end, dim=1)).sum(1, keepdim=True).clamp(-1, 1)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    flat = sine < 1e-4
    safe = torch.where(flat, torch.ones_like(sine), sine)
    near = torch.where(flat, torch.full_like(sine, 1 - share), ((1 - share) * angle).sin() / safe)
    far = torch.where(flat, torch.full_like(sine, share), (share * angle).sin() / safe)
    return near * start + far * end


def _python_warning(text: str) -> None:
    warnings.warn(text, stacklevel=4)


def open_model(
    run: RunDir,
    recipe: Recipe,
    device: torch.device | None = None,
    *,
    average: bool = True,
    warn: Callable[[str], None] = _python_warning,
) -> Model:
    """Read the generator of ``run``: its shared weights, or those of its newest checkpoint.

    Args:
        run: a run folder, or an exported one.
        recipe: the folder's recipe.
        device: where to put the weights.
        average: whether to take the running average, where the recipe keeps one.
        warn: is told where newer weights cannot be read and older ones are taken.

    Raises:
        CheckpointError: if there are no weights, or they do not fit the recipe.
    """
    path, tensors, known, is_average = _weights(run, recipe, average, warn)
    image = ImageShape(
        known.channels, known.height, known.width, known.low, known.high, len(known.classes)
    )
    spec = recipe.generator
    network = attempt(spec, "building", lambda: spec.build(recipe.latent.size, image))
    with checkpoint.fitting(path):
        checkpoint.unpack_module(
            "generator", network, {f"generator/{name}": value for name, value in tensors.items()}
        )
    network = network.to(device or torch.device("cpu")).eval().requires_grad_(False)
    return Model(recipe, image, tuple(known.classes), network, known.step, is_average)


def _weights(
    run: RunDir, recipe: Recipe, average: bool, warn: Callable[[str], None]
) -> tuple[Path, dict[str, Tensor], Facts, bool]:
    """Return the newest weights: their file, content, facts, and whether they are an average."""
    wants_average = recipe.ema is not None and average
    why_not = (
        f"'{run.path}' has no weights yet: neither '{run.generator.name}' nor a checkpoint that "
        "can be read; let it train, or go on with: ganzoo resume"
    )
    shared, shared_step = None, -1
    if os.path.lexists(run.generator) and (recipe.ema is None or average):
        own, metadata = _read_weights(run.generator)
        facts = _facts(run, recipe, metadata.get("image"))
        shared, shared_step = (run.generator, own, facts, wants_average), facts.step
        why_not = f"there are newer checkpoints than '{run.generator}', and none can be read:"
        newest = max(map(step_of, checkpoints(run.checkpoints)), default=0)
        # A run that was made longer and interrupted has a checkpoint beyond its shared weights.
        if newest <= shared_step:
            return shared
    try:
        path, tensors, state = checkpoint.newest_readable(
            run.checkpoints, why_not, warn, after=shared_step
        )
    except CheckpointError as error:
        if shared is None:
            raise
        warn(f"{error}\nthe older weights are taken, of step {shared_step}")
        return shared
    found = checkpoint.select("average" if wants_average else "generator", tensors)
    known = _facts(run, recipe, None).model_copy(update={"step": state.step})
    return path, found, known, wants_average


def _facts(run: RunDir, recipe: Recipe, written: str | None) -> Facts:
    """Return the image's shape from the weights' metadata, else from the run's record."""
    if written is not None:
        try:
            return Facts.model_validate_json(written)
        except ValidationError as error:
            raise CheckpointError(
                f"'{run.generator}' describes its images wrongly: {error.errors()[0]['msg']}"
            ) from error
    record = Record(run)
    sides = re.fullmatch(r"(\d{1,4})×(\d{1,5})×(\d{1,5})", str(record.data.get("shape", "")))
    if sides is None:
        raise CheckpointError(
            f"'{run.path}' does not say how large its images are: 'environment.json' is missing "
            "or damaged"
        )
    channels, height, width = map(int, sides.groups())
    try:
        return Facts(
            channels=channels,
            height=height,
            width=width,
            low=-1.0 if recipe.dataset.value_range == "symmetric" else 0.0,
            classes=record.classes,
            step=record.step,
        )
    except ValidationError as error:
        raise CheckpointError(
            f"'{run.path / 'environment.json'}' describes the images wrongly: "
            f"{error.errors()[0]['msg']}"
        ) from error
