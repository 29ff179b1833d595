"""Raw values to bytes: over all that their type can hold, or over a stated range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from ganzoo_datasets.archives import UnreadableError

Range = tuple[float, float]


def full(dtype: np.dtype[Any]) -> Range:
    """Return the lowest and highest value of numbers of a type; floats are held to be in [0, 1].

    Raises:
        UnreadableError: for types whose numbers have no meaning by themselves.
    """
    if dtype.kind in "bf":
        return 0.0, 1.0
    if dtype in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(dtype).max)
    raise UnreadableError(
        f'numbers of type {dtype} have no fixed range; set dataset.range = "data", or '
        "[lowest, highest]"
    )


def to_bytes(
    values: np.ndarray[Any, Any], given: Range | None
) -> tuple[np.ndarray[Any, Any], set[str]]:
    """Return ``values`` as uint8, the ends of the range becoming 0 and 255, and what was done."""
    low, high = given or full(values.dtype)
    if values.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return values, set()
    changes = set()
    scaled = values.astype(np.float64)
    if values.dtype.kind == "f" and not np.isfinite(scaled).all():
        changes.add("with values that are not numbers, set to the lowest")
        scaled = np.where(np.isfinite(scaled), scaled, low)
    if scaled.min() < low or scaled.max() > high:
        changes.add(f"with values outside {low:g} … {high:g}, clipped; see dataset.range")
    scaled = (scaled - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8), changes


def stretched(image: Image.Image, given: Range, scale: float) -> Image.Image:
    """Return an image of bytes with its colours stretched; opacity stays.

    Args:
        scale: raw values that one step of a byte stands for.
    """
    low, high = given
    table = [
        min(255, max(0, math.floor((value * scale - low) * 255 / (high - low) + 0.5)))
        for value in range(256)
    ]
    bands = image.split()
    colours = bands[:-1] if image.mode in {"LA", "RGBA"} else bands
    return Image.merge(
        image.mode, [*(band.point(table) for band in colours), *bands[len(colours) :]]
    )


def widened(low: float, high: float) -> Range:
    """Return a range with room between its ends."""
    return (low, high) if high > low else (low, low + 1.0)
