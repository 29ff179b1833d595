"""Convolution of the smallest maps as one dense matrix product.

On maps of 2×2 to 8×8 pixels and few channels, a convolution library spends its time on preparing
itself. There the whole layer is one matrix from all numbers of a map to all numbers of the next,
and writing that matrix out, zeros and all, and multiplying by it is about twice as quick, gradients
included. The matrix is the kernels times a constant, so derivatives of every order are products.

Where a kernel covers its map, as in a stem that makes a map of 1×1 and a head that makes 1×1 of a
map, the kernels are that matrix already, at any size.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from ganzoo_dcgan.convolution.patches import Window

CACHED = 32
MOST_NUMBERS = 1 << 15
"""Numbers of the written-out matrix up to which it is quicker than the library."""


def convolve(images: Tensor, kernels: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """Convolve ``[N, C, H, W]`` images with ``[O, C, K, K]`` kernels: ``[N, O, H', W']``."""
    return cast(Tensor, _Product.apply(images, kernels, bias, window, False))


def spread(maps: Tensor, kernels: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """Convolve ``[N, O, H', W']`` maps, transposed, with ``[O, C, K, K]``: ``[N, C, H, W]``."""
    return cast(Tensor, _Product.apply(maps, kernels, bias, window, True))


class _Product(torch.autograd.Function):
    """One node in place of the dozen that autograd would make of it; differentiable again."""

    @staticmethod
    def forward(
        ctx: Any,
        given: Tensor,
        kernels: Tensor,
        bias: Tensor | None,
        window: Window,
        is_transposed: bool,
    ) -> Tensor:
        matrix = written_out(kernels, window)
        ctx.save_for_backward(given, kernels, matrix)
        ctx.window, ctx.is_transposed = window, is_transposed
        if is_transposed:
            channels, (height, width) = kernels.shape[1], window.size
        else:
            channels, (height, width) = len(kernels), maps_size(kernels.shape[-1], window)
        read, by = given.flatten(1), matrix if is_transposed else matrix.t()
        if bias is None:
            made = read @ by
        else:
            everywhere = bias[:, None].expand(-1, height * width).reshape(-1)
            made = torch.addmm(everywhere, read, by)
        return made.view(len(given), channels, height, width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        given, kernels, matrix = ctx.saved_tensors
        if torch.is_grad_enabled():  # this pass is to be differentiated: the matrix as a function
            matrix = written_out(kernels, ctx.window)
        to_given = to_kernels = to_bias = None
        if ctx.needs_input_grad[2]:
            to_bias = gradient.sum((0, 2, 3))
        read, gradient = given.flatten(1), gradient.flatten(1)
        if ctx.needs_input_grad[0]:
            to_given = (gradient @ (matrix.t() if ctx.is_transposed else matrix)).view(given.shape)
        if ctx.needs_input_grad[1]:
            maps, images = (read, gradient) if ctx.is_transposed else (gradient, read)
            to_kernels = gathered(maps.t() @ images, kernels.shape, ctx.window)
        return to_given, to_kernels, to_bias, None, None


def pays(kernels: Tensor, window: Window) -> bool:
    """Return whether the matrix is small enough; the number of images is left out of it.

    So equal images give equal bits in any batch.
    """
    if _covers(kernels.shape[-1], window):
        return True
    height, width = maps_size(kernels.shape[-1], window)
    if min(height, width) < 1:
        return False  # the library says what does not fit
    places = height * width * window.size[0] * window.size[1]
    return kernels.shape[0] * kernels.shape[1] * places <= MOST_NUMBERS


def maps_size(side: int, window: Window) -> tuple[int, int]:
    """Return H' and W' of what K×K kernels make of the window's image."""
    height, width = (
        (length + 2 * window.padding - side) // window.stride + 1 for length in window.size
    )
    return height, width


def written_out(kernels: Tensor, window: Window) -> Tensor:
    """Write a layer out: ``[O·H'·W', C·H·W]``."""
    outputs, inputs, side, _ = kernels.shape
    if _covers(side, window):
        return kernels.flatten(1)
    taps = placed(side, window, kernels.dtype)  # [K·K, H'·W'·H·W]
    places = window.size[0] * window.size[1]
    by_channels = kernels.reshape(outputs * inputs, side**2) @ taps
    by_channels = by_channels.view(outputs, inputs, -1, places)
    return by_channels.transpose(1, 2).reshape(-1, inputs * places)


def gathered(matrix: Tensor, shape: torch.Size, window: Window) -> Tensor:
    """Sum over the places where each tap stands in a matrix: ``written_out``, transposed."""
    outputs, inputs, side, _ = shape
    if _covers(side, window):
        return matrix.view(shape)
    places = window.size[0] * window.size[1]
    by_channels = matrix.view(outputs, -1, inputs, places).transpose(1, 2)
    taps = placed(side, window, matrix.dtype)
    return (by_channels.reshape(outputs * inputs, -1) @ taps.t()).view(shape)


def _covers(side: int, window: Window) -> bool:
    return window.size == (side, side) and window.padding == 0


@lru_cache(CACHED)
def placed(side: int, window: Window, dtype: torch.dtype) -> Tensor:
    """Return ``[K·K, H'·W'·H·W]``: 1 where that tap of a kernel joins output and input place."""
    # Also within inference mode: what is kept here takes part in later gradients.
    with torch.inference_mode(False), torch.device("cpu"):
        rows, columns = (
            _met(side, window, outputs, inputs)
            for outputs, inputs in zip(maps_size(side, window), window.size, strict=True)
        )
        joined = rows[:, None, :, None, :, None] & columns[None, :, None, :, None, :]
        return joined.reshape(side**2, -1).to(dtype)


def _met(side: int, window: Window, outputs: int, inputs: int) -> Tensor:
    """Say of one axis whether tap k of output place p reads input place q, ``[K, P, Q]``."""
    taps = torch.arange(side)[:, None, None]
    starts = torch.arange(outputs)[None, :, None] * window.stride - window.padding
    return starts + taps == torch.arange(inputs)
