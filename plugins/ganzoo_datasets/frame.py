"""What all images of a dataset become: a shape, and how it is reached."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from PIL import Image, ImageOps

PIXELS = 50_000_000
"""Pixels at most in one image, unless more are asked for."""
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's names for images of so many channels; those of more are arrays."""
Crop = Literal["center", "none", "pad", "random"]
Axes = Literal["auto", "HW", "HWC", "CHW", "NHW", "NHWC", "NCHW"]


@dataclass(frozen=True)
class Frame:
    """The shape all images get, and how."""

    channels: int
    height: int
    width: int
    crop: Crop
    resample: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"]
    background: tuple[int, int, int]
    most_pixels: int = field(default=PIXELS, repr=False)
    """Changes no pixel of an image, and so nothing that is told apart by a frame."""
    value_range: tuple[float, float] | None = field(default=None, repr=False)
    """The raw values that become 0 and 255; None for all that the numbers can hold."""
    profiles: Literal["ignore", "srgb"] = field(default="ignore", repr=False)
    copies: int = field(default=1, repr=False)
    rotate: float = field(default=0.0, repr=False)
    share: tuple[float, float] = field(default=(1.0, 1.0), repr=False)
    """Side of a random crop over that of the largest, from and to."""
    axes: Axes = field(default="auto", repr=False)

    @property
    def num_bytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.height * self.width

    @property
    def keeps_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.channels in {2, 4}

    @property
    def identity(self) -> str:
        """What tells datasets of the same files apart; that of older recipes is as it was."""
        plain = (None, "ignore", 1, 0.0, (1.0, 1.0), "auto")
        ours = (
            self.value_range, self.profiles, self.copies, self.rotate, self.share, self.axes,
        )  # fmt: skip
        return repr(self) if ours == plain else f"{self!r} {ours}"


@dataclass(frozen=True)
class Draw:
    """Where a crop lies and how far a picture is turned: numbers in [0, 1]."""

    across: float = 0.5
    down: float = 0.5
    size: float = 1.0
    turn: float = 0.5


MIDDLE = Draw()


def drawn(name: str, copy: int) -> Draw:
    """Return the draws of a picture, by its name: the same whatever other pictures there are."""
    digest = blake2b(name.encode("utf-8", "surrogateescape"), salt=copy.to_bytes(8), digest_size=32)
    numbers = digest.digest()
    return Draw(*(int.from_bytes(numbers[at : at + 8]) / 2**64 for at in range(0, 32, 8)))


def fitted(image: Image.Image, frame: Frame, draw: Draw = MIDDLE) -> Image.Image:
    """Return an image of the frame's size, turned and cut as the frame says."""
    if frame.rotate:
        image = _turned(image, (2 * draw.turn - 1) * frame.rotate, frame)
    size = (frame.width, frame.height)
    is_whole = frame.crop != "random" or frame.share == (1.0, 1.0)
    if image.size == size and is_whole:
        return image
    method = Image.Resampling[frame.resample.upper()]
    if frame.crop == "none":
        return image.resize(size, method)
    if frame.crop == "pad":
        return ImageOps.pad(image, size, method, color=_ground(image.mode, frame))
    if frame.crop == "random":
        return image.resize(size, method, _window(image.size, frame, draw))
    return ImageOps.fit(image, size, method)


def _turned(image: Image.Image, degrees: float, frame: Frame) -> Image.Image:
    """Return the image turned, cut to the largest part of its shape without an empty corner."""
    method = Image.Resampling.BICUBIC
    if frame.resample == "nearest":
        method = Image.Resampling.NEAREST
    width, height = image.size
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    scale = min(width / (width * cos + height * sin), height / (width * sin + height * cos))
    wide, high = max(1.0, width * scale), max(1.0, height * scale)
    left, top = (width - wide) / 2, (height - high) / 2
    box = (round(left), round(top), round(left + wide), round(top + high))
    return image.rotate(degrees, method, fillcolor=_ground(image.mode, frame)).crop(box)


def _window(size: tuple[int, int], frame: Frame, draw: Draw) -> tuple[float, float, float, float]:
    """Return a part of an image in the frame's proportions: left, top, right, bottom."""
    low, high = frame.share
    scale = min(size[0] / frame.width, size[1] / frame.height) * (low + (high - low) * draw.size)
    width, height = frame.width * scale, frame.height * scale
    left, top = (size[0] - width) * draw.across, (size[1] - height) * draw.down
    return left, top, min(left + width, size[0]), min(top + height, size[1])


def _ground(mode: str, frame: Frame) -> tuple[int, ...] | int:
    """Return what is around a picture: clear where it has alpha, else the background."""
    red, green, blue = frame.background
    grey = (299 * red + 587 * green + 114 * blue + 500) // 1000
    colours: dict[str, tuple[int, ...] | int] = {
        "L": grey,
        "LA": (grey, 0),
        "RGBA": (red, green, blue, 0),
    }
    return colours.get(mode, (red, green, blue))
