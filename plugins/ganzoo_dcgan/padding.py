"""How many zeros go around a map before a convolution."""

from __future__ import annotations

from typing import Literal

Padding = tuple[int, int, int, int]
"""Zeros at (left, right, top, bottom), the order of ``torch.nn.functional.pad``."""


def convolution_padding(
    how: Literal["half", "same"], size: tuple[int, int], kernel: int, stride: int
) -> Padding:
    """Return the zeros around a map of ``size`` (height, width)."""
    if how == "half":
        half = (kernel - 1) // 2
        return half, half, half, half
    top, bottom = same_padding(size[0], kernel, stride)
    left, right = same_padding(size[1], kernel, stride)
    return left, right, top, bottom


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's 'same' zeros before and after one axis, for ⌈size / stride⌉ outputs.

    An odd one goes to the end: kernel 5, stride 2 takes (1, 2) at 28 and 14, but (2, 2) at 7.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convolved_size(
    size: tuple[int, int], kernel: int, stride: int, padding: Padding
) -> tuple[int, int]:
    """Return height and width after a convolution; below 1 where the kernel does not fit."""
    left, right, top, bottom = padding
    height = (size[0] + top + bottom - kernel) // stride + 1
    width = (size[1] + left + right - kernel) // stride + 1
    return height, width
