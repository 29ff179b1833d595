"""Where random numbers come from: a pure function of the seed, a stream's name and a position.

Nothing random has a history. A step's latents, a batch's order and even the global generators that
dropout draws from are seeded anew from (seed, stream, position), so that a resumed run, a run with
previews switched off, or one with another number of loader workers sees the very same numbers.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import torch
from torch import Tensor, nn

from ganzoo.recipe.model import Latent


def key(seed: int, stream: str, *position: int) -> int:
    """Return 63 bits that depend on all of the arguments and on nothing else."""
    text = ":".join([str(seed), stream, *map(str, position)])
    # Not ``hash``: that of a string is another in every process.
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


class Noise:
    """The seeded streams of one run on one device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed = seed
        self.device = device
        self.generator = torch.Generator(device)

    def stream(self, name: str, *position: int) -> torch.Generator:
        """Return the run's generator, seeded for ``name`` at ``position``."""
        return self.generator.manual_seed(key(self.seed, name, *position))

    def latents(self, latent: Latent, count: int, stream: str, *position: int) -> Tensor:
        """Draw ``[count, Z]`` latents from the recipe's prior."""
        return draw(latent, count, self.stream(stream, *position))

    def fixed_latents(self, latent: Latent, count: int) -> Tensor:
        """Draw the latents of the sample sheets: the same on every device."""
        generator = torch.Generator().manual_seed(key(self.seed, "sheet"))
        return draw(latent, count, generator).to(self.device)

    def seed_globals(self, step: int) -> None:
        """Seed the global generators, which belong to dropout and to plugins, for this step.

        Each library has a key of its own: torch's and numpy's are the same Mersenne Twister and
        would draw the same bits from the same one.
        """
        number = key(self.seed, "global", step)
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)
        random.seed(key(self.seed, "global python", step))
        # Only where somebody has imported it: a run itself needs none, and the import takes time.
        if (numpy := sys.modules.get("numpy")) is not None:
            # numpy takes 32 bits.
            numpy.random.seed(key(self.seed, "global numpy", step) & 0xFFFFFFFF)


def draw(latent: Latent, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``[count, Z]`` from the prior: normal, uniform, truncated normal, or on a sphere.

    A truncated number is the quantile of a uniform one: what redrawing ends in, in one draw.
    """
    shape = (count, latent.size)
    if latent.prior == "uniform":
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1
    if latent.prior == "truncated":
        share = math.erf(latent.truncation / math.sqrt(2))
        uniform = torch.rand(shape, generator=generator, device=generator.device) * 2 - 1
        quantiles: Tensor = math.sqrt(2) * (share * uniform).erfinv()
        return quantiles.clamp(-latent.truncation, latent.truncation)
    found = torch.randn(shape, generator=generator, device=generator.device)
    if latent.prior == "sphere":
        scaled: Tensor = found * (math.sqrt(latent.size) / found.norm(dim=1, keepdim=True))
        return scaled
    return found


class HostGenerators:
    """Python's and numpy's global generators as they are now."""

    def __init__(self) -> None:
        self._python = random.getstate()
        numpy = sys.modules.get("numpy")
        self._numpy = None if numpy is None else numpy.random.get_state()

    def put_back(self) -> None:
        """Have them go on from there."""
        random.setstate(self._python)
        if self._numpy is not None:
            sys.modules["numpy"].random.set_state(self._numpy)


@contextmanager
def observing(*modules: nn.Module) -> Iterator[None]:
    """Look without leaving a trace: generators, train/eval modes and buffers are put back.

    Everything that only watches a run (previews, measures, reports, guards) works inside it.

    Args:
        modules: networks that are looked at; a pass in train mode moves their buffers.
    """
    modes = [(part, part.training) for module in modules for part in module.modules()]
    buffers = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    host = HostGenerators()
    # Only where CUDA is in use: to look at its generators would start it, with memory and seconds.
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if in_use else []
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        host.put_back()
        for part, training in modes:
            part.training = training
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
