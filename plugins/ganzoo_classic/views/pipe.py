"""The augmentations of ADA in plain torch, each applied to an image with probability p.

Karras et al. 2020, arXiv:2006.06676, appendix B, with its distributions. Images are
``[N, C, H, W]``, and weighted sums of them are all that is made: all derivatives are right.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganzoo_classic.moves import mirrored

SHIFT = 0.125
"""Largest whole shift, and standard deviation of fractional ones, as a share of the side."""
LOG_SCALE = 0.2 * math.log(2)
"""Standard deviation of the logarithm of a scale."""
LUMA = 3**-0.5
"""Each coordinate of the grey axis of RGB."""


def augmented(
    images: Tensor, p: Tensor, *, blit: bool = True, geometry: bool = True, colour: bool = True
) -> Tensor:
    """Return the images, each changed by chance ``p`` in every way that is asked for."""
    if images.shape[2] * images.shape[3] > 1:
        places = _Places(images)
        if blit:
            images = _blitted(images, p)
        if geometry:
            places.change(_scaling(places, p))
            # Two turns, before and after stretching: together they are as likely as one of p.
            turned = 1 - (1 - p).sqrt()
            places.change(_turning(places, turned))
            places.change(_stretching(places, p))
            places.change(_turning(places, turned))
            places.change(_moving(places, p))
            images = places.sampled(images)
    if colour:
        matrix = _colours(images, p)
        size = images.shape[1]
        flat = images.flatten(2)  # [N, C, H·W]
        flat = matrix[:, :size, :size] @ flat + matrix[:, :size, size:]
        images = flat.view_as(images)
    return images


def chosen(count: int, p: Tensor) -> Tensor:
    """Return whether each of ``count`` images is changed, ``[N]``."""
    return torch.rand(count, device=p.device) < p


def _blitted(images: Tensor, p: Tensor) -> Tensor:
    """Flip, turn by quarters, and shift by whole pixels."""
    count, _, height, width = images.shape
    device = images.device
    flipped = chosen(count, p) & (torch.rand(count, device=device) < 0.5)
    images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)
    quarters = torch.randint(4, (count,), device=device) * chosen(count, p)
    half = images.flip(2, 3)
    images = torch.where((quarters >= 2).view(-1, 1, 1, 1), half, images)
    if height == width:  # a quarter turn of others has another shape
        quarter = images.transpose(2, 3).flip(2)
        images = torch.where((quarters % 2 == 1).view(-1, 1, 1, 1), quarter, images)
    is_shifted = chosen(count, p)
    for axis, side in ((2, height), (3, width)):
        shift = (torch.rand(count, device=device) * 2 - 1) * SHIFT * side
        shift = (shift.round().long() * is_shifted)[:, None]
        taken = mirrored(torch.arange(side, device=device) - shift, side)  # [N, side]
        taken = taken[:, None, :, None] if axis == 2 else taken[:, None, None, :]
        images = images.gather(axis, taken.expand_as(images))
    return images


class _Places:
    """Where each pixel of the result lies in the image: an affine map for each image.

    Coordinates are pixels from the image's middle. ``matrix`` is ``[N, 2, 3]``.
    """

    def __init__(self, images: Tensor) -> None:
        self.count, _, self.height, self.width = images.shape
        self.like = images.detach()
        self.matrix = self.identity()

    def identity(self) -> Tensor:
        """Return the map that changes nothing, for each image."""
        return torch.eye(3, dtype=self.like.dtype, device=self.like.device).repeat(self.count, 1, 1)

    def change(self, inverse: Tensor) -> None:
        """Append a change, given by its inverse ``[N, 3, 3]``."""
        self.matrix = self.matrix @ inverse

    def sampled(self, images: Tensor) -> Tensor:
        """Return the images at these places, bilinear between pixels, mirrored outside."""
        device, dtype = images.device, images.dtype
        y = torch.arange(self.height, device=device, dtype=dtype) - (self.height - 1) / 2
        x = torch.arange(self.width, device=device, dtype=dtype) - (self.width - 1) / 2
        grid = torch.stack(
            [
                x.expand(self.height, -1).flatten(),
                y[:, None].expand(-1, self.width).flatten(),
                torch.ones(self.height * self.width, device=device, dtype=dtype),
            ]
        )  # [3, H·W]
        at = self.matrix @ grid  # [N, 3, H·W]
        columns = at[:, 0] + (self.width - 1) / 2
        rows = at[:, 1] + (self.height - 1) / 2
        left, top = columns.floor(), rows.floor()
        right_share, bottom_share = columns - left, rows - top
        flat = images.flatten(2)  # [N, C, H·W]
        found = torch.zeros_like(flat)
        for down, row_share in ((0, 1 - bottom_share), (1, bottom_share)):
            row = mirrored(top.long() + down, self.height)
            for along, column_share in ((0, 1 - right_share), (1, right_share)):
                column = mirrored(left.long() + along, self.width)
                taken = (row * self.width + column)[:, None].expand_as(flat)
                found = found + flat.gather(2, taken) * (row_share * column_share)[:, None]
        return found.view_as(images)


def _where(places: _Places, p: Tensor, changed: Tensor) -> Tensor:
    """Return ``changed`` ``[N, 3, 3]`` for images that are chosen, the identity for others."""
    return torch.where(chosen(places.count, p).view(-1, 1, 1), changed, places.identity())


def _normal(places: _Places) -> Tensor:
    return torch.randn(places.count, dtype=places.like.dtype, device=places.like.device)


def _scaling(places: _Places, p: Tensor) -> Tensor:
    """Scale by 2^N(0, 0.2²)."""
    factor = (-LOG_SCALE * _normal(places)).exp()
    changed = places.identity()
    changed[:, 0, 0] = factor
    changed[:, 1, 1] = factor
    return _where(places, p, changed)


def _stretching(places: _Places, p: Tensor) -> Tensor:
    """Scale one axis by 2^N(0, 0.2²), and the other by its reciprocal."""
    factor = (-LOG_SCALE * _normal(places)).exp()
    changed = places.identity()
    changed[:, 0, 0] = factor
    changed[:, 1, 1] = 1 / factor
    return _where(places, p, changed)


def _turning(places: _Places, p: Tensor) -> Tensor:
    """Turn by any angle."""
    shape, like = (places.count,), places.like
    angle = (torch.rand(shape, dtype=like.dtype, device=like.device) * 2 - 1) * math.pi
    changed = places.identity()
    changed[:, 0, 0] = changed[:, 1, 1] = angle.cos()
    changed[:, 0, 1], changed[:, 1, 0] = angle.sin(), -angle.sin()
    return _where(places, p, changed)


def _moving(places: _Places, p: Tensor) -> Tensor:
    """Shift by N(0, 0.125²) of each side."""
    changed = places.identity()
    changed[:, 0, 2] = SHIFT * places.width * _normal(places)
    changed[:, 1, 2] = SHIFT * places.height * _normal(places)
    return _where(places, p, changed)


def _colours(images: Tensor, p: Tensor) -> Tensor:
    """Return an affine map of colours for each image, ``[N, C + 1, C + 1]``."""
    count, size = images.shape[:2]
    plain = torch.eye(size + 1, dtype=images.dtype, device=images.device)
    identity = plain.repeat(count, 1, 1)
    axis = torch.zeros_like(plain[0])
    axis[:size] = size**-0.5  # grey
    along = torch.outer(axis, axis)  # the part of a colour that is grey
    inside = plain.clone()
    inside[size, size] = 0
    matrix = identity

    def change(changed: Tensor) -> None:
        nonlocal matrix
        matrix = torch.where(chosen(count, p).view(-1, 1, 1), changed, identity) @ matrix

    def normal() -> Tensor:
        return torch.randn_like(identity[:, :1, :1])

    brighter = identity.clone()
    brighter[:, :size, size:] += 0.2 * normal()
    change(brighter)
    contrast = (0.5 * math.log(2) * normal()).exp()
    change(identity + (contrast - 1) * inside)
    flips = torch.randint(2, (count, 1, 1), device=images.device).to(images)
    change(identity - 2 * flips * along)
    if size == 3:
        change(_hue(identity))
        saturation = (math.log(2) * normal()).exp()
        change(identity + (saturation - 1) * (inside - along))
    return matrix


def _hue(identity: Tensor) -> Tensor:
    """Return turns of RGB around the grey axis, by Rodrigues' formula, as ``[N, 4, 4]``."""
    angle = (torch.rand_like(identity[:, :1, :1]) * 2 - 1) * math.pi
    cross = torch.zeros_like(identity[0])
    for row, column, sign in ((0, 1, -1), (0, 2, 1), (1, 0, 1), (1, 2, -1), (2, 0, -1), (2, 1, 1)):
        cross[row, column] = sign * LUMA
    turned: Tensor = identity + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)
    return turned
