"""A trained generator by itself: read from a run folder or from an exported one, and used."""

from __future__ import annotations

import copy
import io
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError, GanzooError
from ganzoo.common.text import listed
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.model import Latent, Recipe
from ganzoo.report.sheets import GAP, enlarged, sheet
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints, step_of
from ganzoo.runs.record import Record, many, whole
from ganzoo.runs.weights import Facts, _read_weights
from ganzoo.sampling.classes import Label, between_classes, class_numbers
from ganzoo.sampling.latents import read_latents, write_latents
from ganzoo.sampling.standing import BATCH as STANDING
from ganzoo.sampling.standing import take_standing
from ganzoo.training.precision import images_of
from ganzoo.training.randomness import draw, key, observing

BLOCK = 64
"""Images made at a time. Image i depends on the seed and on i alone, not on how many are made."""
STRIDE = 8
"""Frames from one latent of a walk to the next."""
LONGEST_WALK = 1_000


class Images(Tensor):
    """Images ``[N, C, H, W]`` that are displayed in a notebook; otherwise an ordinary tensor.

    Results computed from them are plain tensors.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    shape_of_image: ImageShape
    columns: int

    def picture(self, columns: int | None = None, *, gap: int = GAP) -> Image.Image:
        """Return the images as a sheet, row by row: one class per row, or about square.

        Args:
            columns: images per row, to override the default.
            gap: black pixels around each image.
        """
        return sheet(self, self.shape_of_image, columns or self.columns, gap=gap)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        enlarged(self.picture()).save(buffer, "PNG")
        return buffer.getvalue()


@dataclass(frozen=True)
class Model:
    """A generator with trained weights, in the mode in which its sheets were made.

    Attributes:
        step: the step that the weights are from.
        is_average: whether they are the running average.
    """

    recipe: Recipe
    image: ImageShape
    classes: tuple[str, ...]
    network: nn.Module
    step: int
    is_average: bool
    player: str = "generator"
    """Name of the player, for steps with several generators."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.network.parameters()).device

    def sample(self, count: int = 16, *, seed: int = 0, label: Label = None) -> Images:
        """Make ``[count, C, H, W]`` images in the recipe's value range, on the CPU.

        Args:
            count: number of images; of each class, if several are requested.
            seed: seed of the latents; the first images are the same for every count.
            label: class to generate, by name or number; 'all' or a list makes ``count`` of each
                class, one class after the other, from the same latents; None cycles through the
                classes.

        Raises:
            GanzooError: for an unknown class, or a generator that is not class-conditional.
        """
        images = torch.cat(list(self.stream(count, seed=seed, label=label)))
        return self.shown(images, columns_of(len(images), count))

    def standing(self, batches: int) -> Model:
        """Return this model with batch norm's statistics recomputed over batches of 250 images.

        The images are the same every time, and cycle through the classes. See ``take_standing``.

        Raises:
            GanzooError: if it has no batch norm.
        """
        network = copy.deepcopy(self.network)
        labels = (
            self._in_turn(torch.arange(STANDING)) if self.recipe.generator.uses_labels else None
        )
        take_standing(
            network,
            self.recipe,
            batches,
            seed=self.recipe.measure.seed,
            device=self.device,
            labels=labels,
        )
        return replace(self, network=network)

    def shown(self, images: Tensor, columns: int) -> Images:
        """Return images ``[N, C, H, W]`` of this model as a sheet with this many columns."""
        shown = images.as_subclass(Images)
        shown.shape_of_image = self.image
        shown.columns = columns
        return shown

    def stream(
        self, count: int, *, seed: int = 0, label: Label = None, first: int = 0
    ) -> Iterator[Tensor]:
        """Yield the images of ``sample`` in blocks, from number ``first`` on, a multiple of 64."""
        if self.recipe.generator.translates:
            raise GanzooError(
                f"generator '{self.recipe.generator.use}' makes images of pictures and not of "
                "latents; use: ganzoo translate"
            )
        if count < 1:
            raise GanzooError(f"{count} images cannot be made; ask for 1 or more")
        chosen = self.class_numbers(label)
        for start in range(first, count * max(1, len(chosen)), BLOCK):
            numbers = torch.arange(start, start + BLOCK)
            if chosen:
                row = (numbers // count).clamp(max=len(chosen) - 1)
                labels = torch.tensor(chosen)[row]
                left = count * len(chosen) - start
            else:
                labels = self._in_turn(numbers)
                left = count - start
            latents = self._latents(numbers % count if len(chosen) > 1 else numbers, seed)
            yield self(latents, labels)[:left]

    def _latents(self, numbers: Tensor, seed: int) -> Tensor:
        """Return the latents of images with these numbers, ``[N, Z]``."""
        block, place = numbers // BLOCK, numbers % BLOCK
        latents = torch.empty(len(numbers), self.recipe.latent.size)
        for each in sorted(set(block.tolist())):
            generator = torch.Generator().manual_seed(key(seed, "sample", each))
            drawn = draw(self.recipe.latent, BLOCK, generator)
            latents[block == each] = drawn[place[block == each]]
        return latents

    def walk(
        self,
        frames: int | None = None,
        *,
        seed: int = 0,
        walkers: int = 1,
        label: Label = None,
        closed: bool = False,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yield the frames of a walk between latents or classes, each ``[walkers, C, H, W]``.

        A walk between classes keeps its latent. The rows of the network's ``nn.Embedding`` layers
        are interpolated from one class to the next. If the network takes the class in another way
        (see ``blends_classes``), the class changes half-way.

        Args:
            frames: number of frames; default: ``frames_of``. Between latents, every eighth frame
                shows one of the random latents itself.
            seed: seed of the latents.
            walkers: number of walks side by side.
            label: class to generate; 'all' or a list walks from class to class.
            closed: end the walk where it started, for an animation that loops.
            latents: the stops ``[N, Z]`` of one walk, instead of random ones.
            labels: their classes ``[N]``; the walk keeps the first one's class, unless ``label``
                is given.

        Raises:
            GanzooError: as ``sample``, and for fewer frames than there are classes to show.
        """
        chosen = self.class_numbers(label)
        if latents is not None:
            yield from self._along(latents, labels, chosen, frames, closed=closed)
            return
        frames = frames or self.frames_of(label, closed=closed)
        if frames < len(chosen) > 1:
            raise GanzooError(
                f"a walk through {len(chosen)} classes has at least as many frames, not {frames}"
            )
        stops = max(2, math.ceil((frames - 1) / STRIDE) + 1)
        generator = torch.Generator().manual_seed(key(seed, "walk"))
        drawn = draw(self.recipe.latent, stops * walkers, generator)
        path = drawn.view(stops, walkers, -1)
        if len(chosen) > 1:
            yield from self._through(chosen, path[0], frames, closed=closed)
            return
        if closed:
            path = torch.cat([path[:-1], path[:1]]) if stops > 2 else torch.cat([path, path[:1]])
        labels = torch.tensor(chosen * walkers) if chosen else self._in_turn(torch.arange(walkers))
        for leg, share in _places(len(path) - 1, frames, closed=closed):
            latents = between(self.recipe.latent, path[leg], path[leg + 1], share)
            yield self(latents, labels)

    def _along(
        self,
        stops: Tensor,
        labels: Tensor | None,
        chosen: Sequence[int],
        frames: int | None,
        *,
        closed: bool,
    ) -> Iterator[Tensor]:
        """Yield a walk over given latents, eight frames from one to the next."""
        if len(stops) < 2:
            raise GanzooError("a walk goes from one latent to another; give --latent two of them")
        if len(chosen) > 1:
            raise GanzooError("a walk between given latents is of one class")
        path = torch.cat([stops, stops[:1]]) if closed else stops
        legs = len(path) - 1
        asked = torch.tensor(chosen) if chosen else None if labels is None else labels[:1]
        for leg, share in _places(legs, frames or legs * STRIDE + (not closed), closed=closed):
            yield self(between(self.recipe.latent, path[leg : leg + 1], path[leg + 1 : leg + 2],
                               share), asked)  # fmt: skip

    def _through(
        self, chosen: Sequence[int], latents: Tensor, frames: int, *, closed: bool
    ) -> Iterator[Tensor]:
        path = [*chosen, chosen[0]] if closed else [*chosen]
        for leg, share in _places(len(path) - 1, frames, closed=closed):
            here, there = (torch.full((len(latents),), path[leg + end]) for end in (0, 1))
            if self.blends_classes:
                ends = here.to(self.device), there.to(self.device)
                with between_classes(self.network, *ends, share):
                    images = self(latents, here)
                yield images
            else:
                yield self(latents, there if share >= 0.5 else here)

    def frames_of(self, label: Label = None, *, closed: bool = False) -> int:
        """Return the default number of frames of a walk; at most 1,000.

        Between latents 33, or 64 if closed; between classes eight from one to the next, or one
        per class if classes cannot be interpolated.
        """
        classes = len(self.class_numbers(label))
        if classes < 2:
            return 64 if closed else 33
        legs = classes if closed else classes - 1
        if not self.blends_classes:
            return classes
        return max(classes, min(LONGEST_WALK, legs * STRIDE + (not closed)))

    @cached_property
    def blends_classes(self) -> bool:
        """Whether classes can be interpolated, because the network looks them up in embeddings."""
        if self.image.num_classes < 2 or not self.recipe.generator.uses_labels:
            return False
        here = torch.zeros(2, dtype=torch.int64, device=self.device)
        with between_classes(self.network, here, here + 1, 0.5) as found:
            self(self._latents(torch.arange(2), 0), here)
        return bool(found)

    @torch.no_grad()
    def translate(self, pictures: Tensor) -> Tensor:
        """Translate pictures ``[N, C', H, W]`` in the recipe's range; returned on the CPU."""
        with observing(self.network):
            torch.manual_seed(0)
            self.network.train(self.recipe.samples.mode == "train")
            spec = self.recipe.generator
            return images_of(spec, self.network, pictures.to(self.device), None).float().cpu()

    @torch.no_grad()
    def __call__(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the images ``[N, C, H, W]`` of latents ``[N, Z]``, on the CPU.

        Args:
            latents: drawn from the recipe's prior.
            labels: labels ``[N, ...]`` for a class-conditional generator; None cycles through the
                classes.
        """
        with observing(self.network):
            torch.manual_seed(0)  # dropout in a generator that is sampled in training mode
            self.network.train(self.recipe.samples.mode == "train")
            return self._made(latents, labels).float().cpu()

    def differentiable(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the same images where the model is, differentiable at the latents.

        Raises:
            GanzooError: if the generator is sampled in training mode, in which the images depend
                on the others of their batch.
        """
        if self.recipe.samples.mode == "train":
            raise GanzooError(
                "samples.mode = 'train': images of this generator depend on the "
                "rest of their batch, so no image has its own latent"
            )
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            return self._made(latents, labels)

    def _made(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        given = None
        if self.recipe.generator.uses_labels:
            asked = self._in_turn(torch.arange(len(latents))) if labels is None else labels
            given = asked.to(self.device)
        return images_of(self.recipe.generator, self.network, latents.to(self.device), given)

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """Return latents of the recipe's prior, ``[count, Z]``: those of ``sample``."""
        return self._latents(torch.arange(count), seed)

    def within(self, latents: Tensor) -> Tensor:
        """Return latents ``[N, Z]`` brought back to where the recipe's prior has its own."""
        return within(self.recipe.latent, latents)

    def changed(self, **fields: object) -> Model:
        """Return this model with other values of fields that are free at sampling.

        Both share their weights.

        Args:
            fields: of the generator, such as ``truncation=0.7``; see its ``at_sampling``.

        Raises:
            GanzooError: for a field that training has fixed, or a value that it cannot have.
        """
        spec = self.recipe.generator
        if fixed := sorted(fields.keys() - spec.at_sampling):
            free = ", ".join(sorted(spec.at_sampling)) or "none"
            raise GanzooError(
                f"generator '{spec.use}' cannot be sampled with another {', '.join(fixed)}; "
                f"free at sampling: {free}"
            )
        try:
            new = type(spec).model_validate({**spec.model_dump(), **fields})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, ("generator", *first["loc"])))
            raise GanzooError(f"{where}: {first['msg']}, not {first['input']!r:.80}") from error
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, and thrown away
            network = attempt(
                new, "building", lambda: new.build(self.recipe.latent.size, self.image)
            )
        network.load_state_dict(self.network.state_dict(), assign=True)
        network = network.to(self.device).eval().requires_grad_(False)
        recipe = self.recipe.model_copy(update={"generator": new})
        return replace(self, recipe=recipe, network=network)

    def write_latents(self, path: Path, latents: Tensor, labels: Tensor | None = None) -> None:
        """Write latents ``[N, Z]``, and what classes ``[N]`` to ask for, for ``sample --latent``.

        Raises:
            MachineError: if the disk refuses.
        """
        write_latents(path, latents, labels if self.recipe.generator.uses_labels else None)

    def read_latents(self, *paths: Path) -> tuple[Tensor, Tensor | None]:
        """Return the latents ``[N, Z]`` of some files, and their classes ``[N]``.

        Raises:
            GanzooError: naming the file that is none, or of another generator.
        """
        classes = self.image.num_classes if self.recipe.generator.uses_labels else 0
        return read_latents(paths, self.recipe.latent.size, classes)

    def _in_turn(self, numbers: Tensor) -> Tensor:
        """Return a class for each image of these numbers, ``[N]``."""
        if self.recipe.generator.uses_labels and not self.image.num_classes:
            raise GanzooError(
                f"generator '{self.recipe.generator.use}' takes labels that are not classes, "
                f"{list(self.image.label_shape)} numbers per image; from Python, give it yours: "
                "run.generator(latents, labels)"
            )
        return numbers % max(1, self.image.num_classes)

    def class_numbers(self, label: Label) -> list[int]:
        """Return the classes that are meant by ``label``; none where it is None.

        Raises:
            GanzooError: for a class that is not there, or a generator that makes none to order.
        """
        generator = self.recipe.generator
        if label is not None and not generator.uses_labels:
            raise GanzooError(
                f"generator '{generator.use}' is not class-conditional; omit the label"
            )
        return class_numbers(label, self.classes, self.image.num_classes)


def columns_of(images: int, count: int) -> int:
    """Return the columns of a sheet: ``count`` where rows are classes, else as many as rows."""
    return count if images > count else math.ceil(math.sqrt(count))


def _places(legs: int, frames: int, *, closed: bool) -> Iterator[tuple[int, float]]:
    """Yield for each frame the leg of the way it lies on, and the share of it that is done."""
    for number in range(frames):
        place = number * legs / (frames if closed else max(1, frames - 1))
        leg = min(int(place), legs - 1)
        yield leg, place - leg


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


def within(latent: Latent, found: Tensor) -> Tensor:
    """Return latents ``[N, Z]`` brought back to where the prior has its own.

    Normal ones stay in the ball that holds 999 of 1,000: their length is about √Z ± √½.
    """
    if latent.prior == "uniform":
        return found.clamp(-1, 1)
    if latent.prior == "truncated":
        return found.clamp(-latent.truncation, latent.truncation)
    if latent.prior == "sphere":
        return nn.functional.normalize(found, dim=1) * math.sqrt(found.shape[1])
    most = math.sqrt(found.shape[1]) + 3.1 * math.sqrt(0.5)
    length = found.norm(dim=1, keepdim=True)
    inside: Tensor = found * (most / length.clamp(min=most))
    return inside


def _python_warning(text: str) -> None:
    warnings.warn(text, stacklevel=4)


def open_model(
    run: RunDir,
    recipe: Recipe,
    device: torch.device | None = None,
    *,
    average: bool = True,
    warn: Callable[[str], None] = _python_warning,
    player: str = "",
) -> Model:
    """Read the generator of ``run``: its shared weights, or those of its newest checkpoint.

    Args:
        run: a run folder, or an exported one.
        recipe: the folder's recipe.
        device: where to put the weights.
        average: whether to take the running average, where the recipe keeps one.
        warn: receives a warning where newer weights cannot be read and older ones are used.
        player: another of the step's generators, in place of the run's.

    Raises:
        CheckpointError: if there are no weights, or they do not fit the recipe.
        GanzooError: if there is no such player.
    """
    makers = recipe.step.makers()
    player = player or makers[0]
    if player not in makers:
        raise GanzooError(f"step '{recipe.step.use}' has {listed(makers)} and no '{player}'")
    path, tensors, known, is_average = _weights(run, recipe, average, warn, player)
    image = ImageShape(
        known.channels,
        known.height,
        known.width,
        known.low,
        known.high,
        len(known.classes),
        tuple(known.label_shape),
        tuple(known.input_shape),
    )
    spec = recipe.generator
    network = attempt(spec, "building", lambda: spec.build(recipe.latent.size, image))
    with checkpoint.fitting(path):
        checkpoint.unpack_module(
            "generator", network, {f"generator/{name}": value for name, value in tensors.items()}
        )
    network = network.to(device or torch.device("cpu")).eval().requires_grad_(False)
    classes = tuple(known.classes)
    return Model(recipe, image, classes, network, known.step, is_average, player)


def _weights(
    run: RunDir, recipe: Recipe, average: bool, warn: Callable[[str], None], player: str
) -> tuple[Path, dict[str, Tensor], Facts, bool]:
    """Return the newest weights: their file, content, facts, and whether they are an average."""
    wants_average = recipe.ema is not None and average
    is_main = player == recipe.step.makers()[0]
    file = run.generator if is_main else run.path / f"{player}.safetensors"
    why_not = (
        f"'{run.path}' has no weights yet: neither '{file.name}' nor a checkpoint that "
        "can be read; let it train, or resume it: ganzoo resume"
    )
    shared, shared_step = None, -1
    if os.path.lexists(file) and (recipe.ema is None or average):
        own, metadata = _read_weights(file)
        facts = _facts(run, recipe, metadata.get("image"))
        shared, shared_step = (file, own, facts, wants_average), facts.step
        why_not = f"there are newer checkpoints than '{file}', and none can be read:"
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
        warn(f"{error}\nusing the older weights, of step {shared_step}")
        return shared
    place = player
    if wants_average:
        place = "average" if is_main else f"average.{player}"
    found = checkpoint.select(place, tensors)
    known = _facts(run, recipe, None).model_copy(update={"step": state.step})
    if not is_main:
        known = _turned(known, recipe, player)
    return path, found, known, wants_average


def _turned(known: Facts, recipe: Recipe, player: str) -> Facts:
    """Return what another player's images look like."""
    there = ImageShape(
        known.channels, known.height, known.width, known.low, known.high, len(known.classes),
        tuple(known.label_shape), tuple(known.input_shape),
    )  # fmt: skip
    image = recipe.step.makes(player, there)
    return known.model_copy(
        update={
            "channels": image.channels,
            "height": image.height,
            "width": image.width,
            "input_shape": list(image.input_shape),
        }
    )


def _facts(run: RunDir, recipe: Recipe, written: str | None) -> Facts:
    """Return the image's shape from the weights' metadata, else from the run's record."""
    if written is not None:
        try:
            return Facts.model_validate_json(written)
        except ValidationError as error:
            raise CheckpointError(
                f"'{run.generator}' has invalid image settings: {error.errors()[0]['msg']}"
            ) from error
    record = Record(run)
    sides = re.fullmatch(r"(\d{1,4})×(\d{1,5})×(\d{1,5})", str(record.data.get("shape", "")))
    if sides is None:
        raise CheckpointError(
            f"'{run.path}' does not say how large its images are: 'environment.json' is missing "
            "or damaged"
        )
    channels, height, width = map(int, sides.groups())
    label_shape, input_shape = (
        [side for each in many(record.data.get(name)) if (side := whole(each))]
        for name in ("label_shape", "input_shape")
    )
    try:
        return Facts(
            channels=channels,
            height=height,
            width=width,
            low=-1.0 if recipe.dataset.value_range == "symmetric" else 0.0,
            classes=record.classes,
            label_shape=label_shape,
            input_shape=input_shape,
            step=record.step,
        )
    except ValidationError as error:
        raise CheckpointError(
            f"'{run.path / 'environment.json'}' has invalid image settings: "
            f"{error.errors()[0]['msg']}"
        ) from error
