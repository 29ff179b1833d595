"""The fakes that a run is measured by, batch by batch; latents are the same for every run."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from ganzoo.measure.features import BATCH
from ganzoo.measure.reference import Bench, rows_of
from ganzoo.measure.sharing import Row
from ganzoo.plugin.types import ImageShape, Seen, is_points
from ganzoo.recipe.model import Recipe
from ganzoo.report.sheets import to_pixels
from ganzoo.sampling.standing import take_standing
from ganzoo.training.feed import to_range
from ganzoo.training.precision import images_of
from ganzoo.training.randomness import draw, key
from ganzoo.training.together import Group

FAKES = "fakes"


class Maker:
    """Makes fakes as stored, with the labels that were asked for: bytes, or float32 points.

    Latents depend on the seed and the batch's number alone. To be used up inside ``observing``,
    which puts back what a pass in train mode moves, and what ``measure.standing`` moves.

    Args:
        count: fakes in all.
        labels: what a generator that takes labels is asked for, ``[count, ...]``.
        inputs: returns what a generator that translates is given for batch n, as stored.
    """

    def __init__(
        self,
        generator: nn.Module,
        recipe: Recipe,
        image: ImageShape,
        count: int,
        *,
        device: torch.device,
        labels: Tensor | None = None,
        inputs: Callable[[int], Tensor] | None = None,
    ) -> None:
        self.generator, self.device = generator, device
        self.batches = math.ceil(count / BATCH)
        self._recipe, self._image, self._count = recipe, image, count
        self._labels = labels if recipe.generator.uses_labels else None
        self._inputs = inputs
        self._is_ready = False

    def ready(self) -> None:
        """Take batch norm's statistics anew, where the recipe measures with such; once."""
        standing = self._recipe.measure.standing
        if self._is_ready or not standing or self._recipe.generator.translates:
            return
        self._is_ready = True
        take_standing(
            self.generator,
            self._recipe,
            standing,
            seed=self._recipe.measure.seed,
            device=self.device,
            labels=self._labels,
        )

    def asked(self, number: int) -> Tensor | None:
        """Return the labels of batch ``number``."""
        return None if self._labels is None else self._labels[: self._count][rows_of(number)]

    @torch.no_grad()
    def make(self, number: int) -> Tensor:
        """Return batch ``number``, at most ``BATCH`` images."""
        recipe, image, generator = self._recipe, self._image, self.generator
        generator.train(recipe.measure.mode == "train")
        self.ready()
        if recipe.generator.translates:
            assert self._inputs is not None
            shown = to_range(self._inputs(number), image).to(self.device)
            images = images_of(recipe.generator, generator, shown, None).detach()
            return to_pixels(images, image)
        source = torch.Generator().manual_seed(key(recipe.measure.seed, "measured fakes", number))
        latents = draw(recipe.latent, BATCH, source)[: self._count - number * BATCH]
        asked = self.asked(number)
        given = None if asked is None else asked.to(self.device)
        # Detached: what is merely a view of a weight asks for gradients even here.
        images = images_of(recipe.generator, generator, latents.to(self.device), given).detach()
        return images.float().cpu() if is_points(image) else to_pixels(images, image)


def row_of_fakes(bench: Bench, maker: Maker, group: Group) -> Row:
    """Return the fakes as a row of batches, of which each process makes its own.

    A generator that draws numbers, or moves its buffers, makes of a batch what those before have
    left: of such a one every process makes all batches, and looks only at its own.
    """
    made = _Made(maker, group)

    def known(number: int) -> tuple[None, Tensor | None, Tensor | None]:
        return None, maker.asked(number), bench.targets(number)

    def see(number: int) -> Seen:
        seen = bench.network.see(made(number), maker.asked(number))
        return replace(seen, targets=bench.targets(number))

    return Row(maker.batches, BATCH, see, known)


class _Made:
    """Makes batches by their numbers, which only grow."""

    def __init__(self, maker: Maker, group: Group) -> None:
        self.maker, self.group = maker, group
        self.leaves_traces: bool | None = None
        self._next = 0

    def __call__(self, number: int) -> Tensor:
        if self.group.count == 1:
            return self.maker.make(number)
        if self.leaves_traces is None:
            self._begin_alike()
            self.maker.ready()
            before = self._traces()
            first = self.maker.make(0)
            self._next = 1
            self.leaves_traces = not _same(before, self._traces())
            if number == 0:
                return first
        if not self.leaves_traces:
            return self.maker.make(number)
        found = None
        while self._next <= number:
            found = self.maker.make(self._next)
            self._next += 1
        assert found is not None
        return found

    def _begin_alike(self) -> None:
        """Go on with the random numbers of the first process."""
        state = self.group.hand(torch.get_rng_state().numpy().tobytes())
        torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
        if self.maker.device.type == "cuda":
            device = self.maker.device
            state = self.group.hand(torch.cuda.get_rng_state(device).numpy().tobytes())
            torch.cuda.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8), device)

    def _traces(self) -> list[Tensor]:
        """Return what making a batch may move: random numbers and buffers."""
        numpy = sys.modules.get("numpy")
        host = repr(random.getstate())
        if numpy is not None:
            host += repr([str(part) for part in numpy.random.get_state(legacy=True)])
        found = [torch.get_rng_state(), torch.tensor(list(host.encode()))]
        if self.maker.device.type == "cuda":
            found.append(torch.cuda.get_rng_state(self.maker.device))
        return [*found, *(buffer.clone() for buffer in self.maker.generator.buffers())]


def _same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
