"""Convolution between maps and images of few channels, with the slow third of it done by patches.

A convolution library is quick at making maps from an image of one channel, and at the gradient
of the kernels. It is slow in the other direction, from maps back to the image: that is a transposed
convolution's forward pass, and a convolution's gradient at its input. A matrix product that gives
each place a patch, and a sum of the overlapping patches, is two to four times quicker on a CPU.

With ∗ for the convolution, y = x ∗ w is linear in both. So are the two others, x̄ = spread(ȳ, w) and
w̄ = kernels(x, ȳ), and each is made of the other two when it is differentiated, as often as wanted.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

MOST_FORWARD = 25
"""Numbers of a patch, C·K·K, up to which maps are spread quicker this way: one channel."""
MOST_BACKWARD = 48
"""Numbers up to which a convolution's gradient at its input alone is: three channels of 4×4."""


class Window(NamedTuple):
    """How kernels move over an image of height and width ``size``."""

    stride: int
    padding: int
    size: tuple[int, int]


def pays_forward(kernels: Tensor) -> bool:
    """Return whether ``spread`` with ``[O, C, K, K]`` kernels is quicker than the library."""
    return kernels[0].numel() <= MOST_FORWARD


def pays_backward(images: Tensor, kernels: Tensor, stride: int) -> bool:
    """Return whether the gradient of ``convolve`` at its images is; its result is the library's.

    Where the kernels want theirs, too, the library shares work between both, and only one channel
    and a stride leave something to win.
    """
    if not images.requires_grad:
        return False
    if kernels.requires_grad:
        return stride > 1 and kernels[0].numel() <= MOST_FORWARD
    return kernels[0].numel() <= MOST_BACKWARD


def convolve(images: Tensor, kernels: Tensor, window: Window) -> Tensor:
    """Convolve ``[N, C, H, W]`` images with ``[O, C, K, K]`` kernels: ``[N, O, H', W']``."""
    return cast(Tensor, _Convolve.apply(images, kernels, window))


def spread(maps: Tensor, kernels: Tensor, window: Window) -> Tensor:
    """Convolve ``[N, O, H', W']`` maps, transposed, with ``[O, C, K, K]``: ``[N, C, H, W]``."""
    return cast(Tensor, _Spread.apply(maps, kernels, window))


def _gradient_of_kernels(images: Tensor, maps: Tensor, side: int, window: Window) -> Tensor:
    return cast(Tensor, _Kernels.apply(images, maps, side, window))


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, kernels: Tensor, window: Window) -> Tensor:
        ctx.save_for_backward(images, kernels)
        ctx.window = window
        return F.conv2d(images, kernels, stride=window.stride, padding=window.padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, kernels = ctx.saved_tensors
        to_images, to_kernels, _ = ctx.needs_input_grad
        return (
            spread(gradient, kernels, ctx.window) if to_images else None,
            _gradient_of_kernels(images, gradient, kernels.shape[-1], ctx.window)
            if to_kernels
            else None,
            None,
        )


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernels: Tensor, window: Window) -> Tensor:
        ctx.save_for_backward(maps, kernels)
        ctx.window = window
        patches = kernels.flatten(1).t() @ maps.flatten(2)  # [N, C·K·K, H'·W']
        return F.fold(
            patches, window.size, kernels.shape[-1], padding=window.padding, stride=window.stride
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, kernels = ctx.saved_tensors
        to_maps, to_kernels, _ = ctx.needs_input_grad
        return (
            convolve(gradient, kernels, ctx.window) if to_maps else None,
            _gradient_of_kernels(gradient, maps, kernels.shape[-1], ctx.window)
            if to_kernels
            else None,
            None,
        )


class _Kernels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, maps: Tensor, side: int, window: Window) -> Tensor:
        ctx.save_for_backward(images, maps)
        ctx.window = window
        shape = (maps.shape[1], images.shape[1], side, side)
        found: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
            images, shape, maps, stride=window.stride, padding=window.padding
        )
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, maps = ctx.saved_tensors
        to_images, to_maps, *_ = ctx.needs_input_grad
        return (
            spread(maps, gradient, ctx.window) if to_images else None,
            convolve(images, gradient, ctx.window) if to_maps else None,
            None,
            None,
        )
