"""A recipe for images of one's own: sized for how many there are and for this machine.

Every choice is written down with its reason. Costs are estimates: multiplications of the DCGAN
family's convolutions, at speeds that were measured once.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ganzoo.common import system
from ganzoo.common.errors import GanzooError
from ganzoo.plugin.types import Look

For = Literal["speed", "quality"]
MINUTES: dict[tuple[For, bool], int] = {
    ("speed", False): 15,
    ("quality", False): 480,
    ("speed", True): 10,
    ("quality", True): 240,
}
"""How long a run may take, without a GPU and with one."""
LARGEST: dict[tuple[For, bool], int] = {
    ("speed", False): 64,
    ("quality", False): 64,
    ("speed", True): 64,
    ("quality", True): 128,
}
"""Shorter side at most, unless another is asked for."""
SIDES = (8, 16, 24, 32, 48, 64, 96, 128)
WIDTHS = (64, 48, 32, 24, 16)
CORE, GPU = 4e10, 4e12
"""Floating point operations a second that training reaches on one core of a CPU, and on a GPU."""
MOST_CORES = 8
FEWEST_STEPS, MOST_STEPS = 1_000, 200_000
ENOUGH_STEPS = {64: 4_000, 32: 2_500}
"""Steps that a run on a CPU ought to have, by its batch."""
WIDE = 32
"""Channels below which larger pictures stay blobs: a smaller batch comes first."""
PASSES_LEARNED = 30
"""Passes over the data from which on a discriminator may know it by heart."""
PASSES = 1_000
"""Passes over the data at most; few images are learned by heart."""
ALIKE = 0.1
"""Difference of proportions that a crop may take away."""
FEW, SOME = 1_000, 20_000
"""Images below which the discriminator's view is augmented strongly, and at all."""


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    size: tuple[int, int] | None = None
    """Height and width."""
    purpose: For = "speed"
    labels: bool = False


@dataclass(frozen=True)
class Here:
    """What this machine is."""

    cores: int
    gpus: int

    @property
    def speed(self) -> float:
        """Floating point operations a second."""
        return GPU if self.gpus else CORE * (1 + 0.7 * (min(self.cores, MOST_CORES) - 1))

    def __str__(self) -> str:
        if self.gpus:
            return "a GPU"
        return f"{self.cores} CPU {'core' if self.cores == 1 else 'cores'}"


def here() -> Here:
    """Return what this machine is, without importing torch."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = system.processors()
    cores = min(cores, int(asked)) if asked.isdigit() and int(asked) else cores
    return Here(cores, system.count_nvidia_gpus())


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of '64' or '50x150'.

    Raises:
        GanzooError: for anything else.
    """
    parts = text.lower().replace("×", "x").split("x")
    if not all(part.isdecimal() for part in parts) or len(parts) > 2:
        raise GanzooError(f"--size {text!r}: write one number, or HEIGHTxWIDTH as in 50x150")
    height, width = int(parts[0]), int(parts[-1])
    if not (4 <= height <= 4096 and 4 <= width <= 4096):
        raise GanzooError(f"--size {text!r}: sides are from 4 to 4096 pixels")
    return height, width


def recipe_for(look: Look, path: str, use: str, wish: Wish, machine: Here) -> str:
    """Return a recipe's text for the images that were looked at.

    Args:
        path: where they lie, as the recipe shall say it.
        use: the dataset that reads them.

    Raises:
        GanzooError: if they cannot be trained on, or have no classes and those are asked for.
    """
    if not look.images:
        raise GanzooError(f"'{look.source}': none of the images can be read")
    if wish.labels and len(look.classes) < 2:
        raise GanzooError(
            f"--labels: '{look.source}' has no classes; put the images of each class into a "
            "folder of its own"
        )
    plan = Plan(look, wish, machine)
    lines = [
        f"# {plan.images} from {_short(look.source)}, at {plan.height}×{plan.width}; "
        f"for {wish.purpose} on {machine}.",
        f"# Expect: {plan.steps:,} steps, very roughly {plan.minutes:.0f} minutes on {machine}.",
        *(f"# Seen: {line}" for line in seen(look)),
        "",
        *plan.tables(path, use),
    ]
    return "\n".join(lines) + "\n"


def seen(look: Look) -> list[str]:
    """Return what was seen, a line each."""
    sizes = [f"{h}×{w} ({n:,})" for (h, w), n in list(look.sizes.items())[:3]]
    more = len(look.sizes) - 3
    every = " ".join(f"{count:,} {name}" for name, count in look.formats.items())
    lines = [
        f"{_images(look.images)} ({every}), {look.num_bytes / 2**20:,.1f} MiB",
        f"height×width: {', '.join(sizes)}" + (f" and {more:,} other sizes" if more > 0 else ""),
        f"{', '.join(f'{n} {kind}' for kind, n in look.kinds.items())} of {look.sampled} decoded; "
        f"bits: {', '.join(look.bits)}; values {look.values[0]:g} to {look.values[1]:g}",
    ]
    if look.classes:
        fewest = min(look.classes, key=lambda name: look.classes[name])
        lines.append(
            f"{len(look.classes)} classes, the smallest '{fewest}' with "
            f"{_images(look.classes[fewest])}"
        )
    if look.duplicates:
        extra = sum(len(names) - 1 for names in look.duplicates)
        first, second = look.duplicates[0][:2]
        lines.append(f"{_images(extra)} are duplicates, as '{second}' of '{first}'")
    if look.broken:
        name, why = next(iter(look.broken.items()))
        lines.append(f"{len(look.broken):,} cannot be read, as '{name}' ({why})")
    return lines + list(look.notes)


class Plan:
    """What is chosen, and why."""

    def __init__(self, look: Look, wish: Wish, machine: Here) -> None:
        self.look = look
        self.wish = wish
        self.machine = machine
        self.budget = MINUTES[wish.purpose, machine.gpus > 0]
        (self.height, self.width), self.size_reason = self._size()
        self.halvings = max(1, math.ceil(math.log2(min(self.height, self.width) / 7)))
        self.batch = 64 if look.images >= 256 else 32 if look.images >= 32 else 16
        self.batch, self.base = self._batch_and_base()
        possible = self.budget * 60 / self.step_seconds
        sensible = PASSES * max(look.images, 50) / self.batch
        steps = min(possible, sensible, MOST_STEPS)
        self.steps = max(FEWEST_STEPS, round(steps / 500) * 500)

    @property
    def images(self) -> str:
        """How many images there are, in words."""
        return _images(self.look.images)

    @property
    def minutes(self) -> float:
        """Estimate of the run's length."""
        return max(1.0, self.steps * self.step_seconds / 60)

    @property
    def step_seconds(self) -> float:
        """Estimate of a step's length."""
        return self._cost(self.base) * self.batch / self.machine.speed

    def _cost(self, base: int) -> float:
        """Operations for an image in one step: a layer has about 2 · base² · H · W products.

        The generator is passed forward and back once, the discriminator three times.
        """
        return 48 * base**2 * self.height * self.width * max(1, self.halvings - 1)

    def _batch_and_base(self) -> tuple[int, int]:
        if self.machine.gpus or self.wish.purpose == "quality":
            return self.batch, WIDTHS[0]
        for base in WIDTHS:
            for batch in (self.batch,) if base > WIDE else (self.batch, min(self.batch, 32)):
                seconds = self._cost(base) * batch / self.machine.speed
                if seconds * self._enough(batch) <= self.budget * 60:
                    return batch, base
        return min(self.batch, 32), WIDTHS[-1]

    @staticmethod
    def _enough(batch: int) -> int:
        return ENOUGH_STEPS.get(batch, ENOUGH_STEPS[32])

    @property
    def passes(self) -> float:
        """How often every image is seen."""
        return self.steps / max(1, self.look.images // self.batch)

    def _size(self) -> tuple[tuple[int, int], str]:
        if self.wish.size is not None:
            return self.wish.size, "as requested"
        sizes = self.look.sizes
        most = LARGEST[self.wish.purpose, self.machine.gpus > 0]
        (height, width), count = max(sizes.items(), key=lambda item: item[1])
        total = sum(sizes.values())
        is_small = height * width <= (1.5 * most) ** 2
        if count == total and is_small and min(height, width) >= 8:
            return (height, width), "like all images"
        shorter = _median(_by(sizes, min))
        ratio = _median(_by(sizes, lambda size: size[0] / size[1]))
        side = max([8, *(each for each in SIDES if each <= min(most, shorter))])
        alike = sum(n for size, n in sizes.items() if abs(size[0] / size[1] / ratio - 1) <= ALIKE)
        limit = f"at most {most} {'on a GPU' if self.machine.gpus else 'on a CPU'}"
        if alike >= 0.8 * total and abs(ratio - 1) > ALIKE and 0.25 <= ratio <= 4:
            longer = max(1, round(side * max(ratio, 1 / ratio) / 4)) * 4
            size = (longer, side) if ratio > 1 else (side, longer)
            return size, f"in the images' own proportions; the shorter side {limit}"
        return (side, side), f"half of the images are at least {shorter:g} wide and high; {limit}"

    # The tables

    def tables(self, path: str, use: str) -> Iterator[str]:
        """Yield the recipe's lines."""
        look, wish = self.look, self.wish
        yield "[train]"
        yield _line(
            "steps", self.steps,
            f"{self.passes:,.0f} passes over {self.images}; the time is "
            f"{self.budget} minutes for {wish.purpose}",
        )  # fmt: skip
        yield _line("batch_size", self.batch, self._batch_reason())
        if look.images < self.batch:
            yield _line("order", "replacement", "there are fewer images than a batch has")
        yield from ("", "[latent]", _line("size", 64, "enough for small images"))
        yield from ("", "[dataset]", f"use = {_toml(use)}", f"path = {_toml(path)}")
        size = self.height if self.height == self.width else [self.height, self.width]
        yield _line("size", size, self.size_reason)
        yield _line("crop", "center", "the overhang is cropped; 'pad' keeps images whole")
        for key, (value, reason) in look.settings.items():
            yield _line(key, value, reason)
        yield from ("", "[step]")
        yield _line("batching", "joint", "real images and fakes in one pass is faster")
        yield from self._networks()
        yield from self._augmentation()
        yield from self._optimizers()
        yield from self._watching()

    def _batch_reason(self) -> str:
        if self.look.images >= 256:
            if self.batch < 64:
                return f"small, so that {self._enough(self.batch):,} steps or more fit"
            return "a common size that fits every machine"
        return f"small, as there are only {self.images}"

    def _networks(self) -> Iterator[str]:
        labels = self.wish.labels
        why = "wider is better and slower"
        if not self.machine.gpus and self.wish.purpose == "speed":
            why = f"so that {self._enough(self.batch):,} steps fit into {self.budget} minutes"
        yield from ("", "[generator]")
        yield _line("use", "upsample", "no checkerboard; Odena et al. 2016")
        yield _line("scales", "auto", f"the depth follows {self.height}×{self.width}")
        yield _line("base_channels", self.base, why)
        if labels:
            yield _line("labels", "conditional_norm", "class-conditional")
        elif self.look.classes:
            yield f"# {len(self.look.classes)} classes were found; add --labels to use them."
        yield from ("", "[discriminator]", 'use = "conv"')
        yield _line("strides", "auto", "the depth follows the size here, too")
        yield _line("base_channels", self.base, "as wide as the generator")
        yield _line("norm", "spectral", "keeps it stable; Miyato et al. 2018")
        yield _line("dropout", 0.0, "spectral norm is enough")
        if labels:
            yield _line("labels", "projection", "class-conditional, too")
        yield from ("", "[loss]", _line("use", "hinge", "goes with spectral norm"))

    def _augmentation(self) -> Iterator[str]:
        channels = self.look.settings.get("channels", (3, ""))[0]
        if channels == 3:
            yield from ("", "# Adds mirror images; remove this where left and right differ.")
            yield from ("[[view]]", 'use = "flip"')
        if self.look.images < SOME and self.passes < PASSES_LEARNED:
            text = (
                f"# {self.passes:,.0f} passes are too few to memorize {self.images}; a longer run"
            )
            yield from ("", text, '# needs augmentation: [[view]] with use = "diffaugment".')
        elif self.look.images < SOME:
            few = self.look.images < FEW
            policy = ["color", "translation", "cutout"] if few else ["color", "translation"]
            if channels not in {1, 3}:
                policy = policy[1:]
            yield from ("", f"# {self.images} alone would be memorized; Zhao et al. 2020.")
            yield from ("[[view]]", 'use = "diffaugment"', f"policy = {_toml(policy)}")

    def _optimizers(self) -> Iterator[str]:
        for role in ("generator", "discriminator"):
            yield from ("", f"[optimizer.{role}]", 'use = "adam"', "lr = 2e-4")
            yield _line("betas", [0.5, 0.999], "DCGAN's values")
        half = min(1_000, max(50, round(self.steps / 1_500) * 50))
        yield from ("", "[ema]", _line("half_life", half, "samples use averaged weights"))

    def _watching(self) -> Iterator[str]:
        yield from ("", "[samples]")
        if self.wish.labels:
            yield _line("rows", min(10, len(self.look.classes)), "a class each")
        yield _line("every", max(100, self.steps // 20), "twenty sheets")
        yield from ("", "[checkpoint]", f"every = {max(100, self.steps // 10)}")
        if self.look.images >= 100:
            yield from ("", "[measure]", _line("samples", min(2000, self.look.images), "quick"))
            yield from ("", "[[metric]]", 'use = "frechet"')
        else:
            yield from ("", f"# No [[metric]]: {self.images} are too few to compare with.")


def remarks(look: Look, wish: Wish) -> list[str]:
    """Return what a user should know before training on these images."""
    found = []
    if look.images < 100:
        which = "them" if look.images > 1 else "it"
        found.append(
            f"{_images(look.images)}: the generator can only memorize {which}; new "
            "images need some hundreds"
        )
    small = [name for name, count in look.classes.items() if count < 10]
    if small and wish.labels:
        found.append(
            f"{len(small)} of {len(look.classes)} classes have fewer than 10 images, as "
            f"'{small[0]}' ({look.classes[small[0]]}); expect little variety in these"
        )
    if look.duplicates:
        extra = sum(len(names) - 1 for names in look.duplicates)
        found.append(f"{_images(extra)} are duplicates and count twice")
    if look.broken:
        name, why = next(iter(look.broken.items()))
        found.append(
            f"{len(look.broken):,} cannot be read and will be left out, as '{name}' ({why})"
        )
    return found


def _by(sizes: Mapping[tuple[int, int], int], key: Any) -> dict[float, int]:
    counted: dict[float, int] = {}
    for size, count in sizes.items():
        counted[key(size)] = counted.get(key(size), 0) + count
    return counted


def _median(counted: Mapping[Any, int]) -> float:
    half, so_far = sum(counted.values()) / 2, 0
    for value in sorted(counted, reverse=True):
        so_far += counted[value]
        if so_far >= half:
            return float(value)
    raise AssertionError("nothing is counted")


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"


def _short(path: str) -> str:
    return path if len(path) <= 50 else f"…{path[-49:]}"


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(key: str, value: Any, reason: str) -> str:
    return f"{key} = {_toml(value)}  # {reason}"
