"""Size-keeping convolution of small maps by multiplying their Fourier transforms point by point.

A 5×5 kernel on a 7×7 map takes 841 products of numbers inside the map. The same 49 outputs come out
of a cyclic convolution of 9×9 points: one product at the real frequency and three (Gauss) at each
of the 40 pairs of conjugate ones, 121 in all. With the three transforms written as matrices, a
layer is four matrix products, and its gradients of every order are matrix products too.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

CACHED = 32
TYPICAL_BATCH = 64
"""Images that share the transforms of the kernels."""
WORTH = 1.5
"""How many times fewer products it must take before it is chosen."""
SMALLEST = 5
"""Side of a kernel from which it is: one of 3×3 has too few numbers for so many points."""
MOST_POINTS = 8_000_000
"""Numbers of all kernels' transforms up to which it is; more do not stay near the processor."""


class Points(NamedTuple):
    """Matrices of the bilinear form y = outputᵀ · ((map · x) ∘ (kernel · w)).

    Attributes:
        map: ``[P, H·W]``.
        kernel: ``[P, K·K]``.
        output: ``[P, H·W]``.
    """

    map: Tensor
    kernel: Tensor
    output: Tensor


def convolve(maps: Tensor, kernels: Tensor, *, flipped: bool) -> Tensor:
    """Convolve ``[N, I, H, W]`` maps with odd K×K kernels and (K - 1) / 2 zeros on every side.

    Args:
        kernels: ``[I, O, K, K]``.
        flipped: the kernels of a convolution layer, which correlates; a transposed layer's are not.

    Returns:
        ``[N, O, H, W]``.
    """
    count, inputs, height, width = maps.shape
    outputs, side = kernels.shape[1], kernels.shape[2]
    points = matrices((height, width), side, flipped, maps.dtype)
    # The transposed operands are views: the product writes [P, ...], which the next one reads.
    at_maps = points.map @ maps.reshape(count * inputs, height * width).t()  # [P, N·I]
    at_kernels = points.kernel @ kernels.reshape(inputs * outputs, side * side).t()  # [P, I·O]
    number = len(points.map)  # written out: no images leave a view nothing to infer it from
    products = torch.bmm(
        at_maps.view(number, count, inputs), at_kernels.view(number, inputs, outputs)
    )  # [P, N, O]
    images = products.view(number, count * outputs).t() @ points.output  # [N·O, H·W]
    return images.view(count, outputs, height, width)


def pays(inputs: int, outputs: int, size: tuple[int, int], side: int) -> bool:
    """Return whether it takes ``WORTH`` times fewer products, and not too much memory.

    The number of images is left out of it, so that equal images give equal bits in any batch.
    """
    if side % 2 == 0 or side < SMALLEST or min(size) < side // 2:
        return False
    number = 1.5 * (size[0] + side // 2) * (size[1] + side // 2)
    if number * inputs * outputs > MOST_POINTS:
        return False
    area = size[0] * size[1]
    transforms = area * (inputs + outputs) + side**2 * inputs * outputs / TYPICAL_BATCH
    products = number * (transforms + inputs * outputs)
    inside = _taps_inside(size[0], side) * _taps_inside(size[1], side)
    return WORTH * products < inside * inputs * outputs


def _taps_inside(size: int, side: int) -> int:
    """Count the products of one row that do not multiply padding."""
    half = side // 2
    return size * side - half * (half + 1)


@lru_cache(CACHED)
def matrices(size: tuple[int, int], side: int, flipped: bool, dtype: torch.dtype) -> Points:
    """Return the three transforms for H×W maps and K×K kernels.

    The cyclic length is H + (K - 1) / 2: what wraps around lands on outputs that are cut off.
    """
    # Also within inference mode: what is kept here takes part in later gradients.
    with torch.inference_mode(False), torch.device("cpu"):
        return _matrices(size, side, flipped, dtype)


def _matrices(size: tuple[int, int], side: int, flipped: bool, dtype: torch.dtype) -> Points:
    half = side // 2
    lengths = size[0] + half, size[1] + half
    frequencies = _half_plane(*lengths)
    taps = [side - 1 - tap if flipped else tap for tap in range(side)]
    rows, columns = range(size[0]), range(size[1])
    at_map = _phases(frequencies, lengths, list(rows), list(columns))
    at_kernel = _phases(frequencies, lengths, taps, taps)
    at_output = _phases(frequencies, lengths, [r + half for r in rows], [c + half for c in columns])
    twice = _is_self_conjugate(frequencies, lengths)
    share = torch.where(twice, 1.0, 2.0).to(torch.float64)[:, None] / math.prod(lengths)
    cosine, sine = share * at_output.cos(), share * at_output.sin()
    pairs = ~twice
    # Gauss: with p₁ = a·c, p₂ = b·d, p₃ = (a + b)(c + d), (a + bi)(c + di) is
    # (p₁ - p₂) + (p₃ - p₁ - p₂)i.
    parts = (
        (_gauss(at_map, pairs)),
        (_gauss(at_kernel, pairs)),
        torch.cat([cosine + _only(sine, pairs), (sine - cosine)[pairs], (-sine)[pairs]]),
    )
    return Points(*(part.to(dtype) for part in parts))


def _half_plane(rows: int, columns: int) -> Tensor:
    """Return one ``[F, 2]`` of every pair of frequencies (u, v) and (-u, -v)."""
    chosen = [
        (u, v)
        for u in range(rows)
        for v in range(columns)
        if (u, v) <= ((-u) % rows, (-v) % columns)
    ]
    return torch.tensor(chosen)


def _is_self_conjugate(frequencies: Tensor, lengths: tuple[int, int]) -> Tensor:
    return ((2 * frequencies) % torch.tensor(lengths) == 0).all(1)


def _phases(
    frequencies: Tensor, lengths: tuple[int, int], rows: list[int], columns: list[int]
) -> Tensor:
    """Return 2π(u·r / M + v·c / L) for every frequency and place, ``[F, R·C]``."""
    turns = [
        # Whole turns are taken off among integers, so that no precision is lost in the sine.
        ((frequencies[:, axis, None] * torch.tensor(places)) % lengths[axis]).double()
        / lengths[axis]
        for axis, places in enumerate((rows, columns))
    ]
    return 2 * math.pi * (turns[0][:, :, None] + turns[1][:, None, :]).flatten(1)


def _gauss(phases: Tensor, pairs: Tensor) -> Tensor:
    """Return the rows a (and the real frequencies), b, a + b of a transform a + bi."""
    real, imaginary = phases.cos(), -phases.sin()
    return torch.cat([real, imaginary[pairs], (real + imaginary)[pairs]])


def _only(values: Tensor, pairs: Tensor) -> Tensor:
    return values * pairs[:, None]
