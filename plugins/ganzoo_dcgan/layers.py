"""Layers in their cheapest exact form: the same sums as PyTorch's, in fewer or quicker operations.

Weights, names and results are those of the layers they derive from, results up to rounding. The
other forms are used on a CPU, in float32 and float64, where fewer operations are less time; a GPU,
automatic mixed precision and the tracing of a network for export see PyTorch's own layer.

Weight and bias are read once a forward pass, in every form: behind a parametrization each reading
computes them anew, and spectral norm's moves its vectors by a power iteration besides.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_dcgan.convolution import dense, fourier, patches
from ganzoo_dcgan.convolution.patches import Window

STEPS = 1 << 16
"""What a dropout probability is a multiple of, the reciprocal."""


class Convolution(nn.Conv2d):
    """``Conv2d`` with zero padding and one stride for both axes."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Convolve ``[N, C, H, W]``."""
        if not _has_choice(input) or not _is_square(self):
            return super().forward(input)
        kernel, (stride, _), padding = self.kernel_size, self.stride, self.padding
        height, width = input.shape[2:]
        window = Window(stride, int(padding[0]), (height, width))
        weight, bias = self.weight, self.bias
        if dense.pays(weight, window):
            return dense.convolve(input, weight, bias, window)
        if _keeps_size(self) and fourier.pays(
            self.in_channels, self.out_channels, (height, width), kernel[0]
        ):
            maps = fourier.convolve(input, weight.transpose(0, 1), flipped=True)
        elif patches.pays_backward(input, weight, stride):
            maps = patches.convolve(input, weight, window)
        else:
            return F.conv2d(input, weight, bias, stride, window.padding)
        return _add(maps, bias)


class TransposedConvolution(nn.ConvTranspose2d):
    """``ConvTranspose2d`` with one stride for both axes."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: A002
        """Convolve ``[N, C, H, W]``, transposed."""
        if output_size is not None or not _has_choice(input) or not _is_square(self):
            return super().forward(input, output_size)
        kernel, (stride, _), padding = self.kernel_size, self.stride, self.padding
        height, width = input.shape[2:]
        grown = kernel[0] - 2 * int(padding[0]) + self.output_padding[0] - stride
        size = height * stride + grown, width * stride + grown
        window = Window(stride, int(padding[0]), size)
        weight, bias = self.weight, self.bias
        if dense.pays(weight, window):
            return dense.spread(input, weight, bias, window)
        if _keeps_size(self) and fourier.pays(
            self.in_channels, self.out_channels, (height, width), kernel[0]
        ):
            maps = fourier.convolve(input, weight, flipped=False)
        elif patches.pays_forward(weight):
            maps = patches.spread(input, weight, window)
        else:
            return F.conv_transpose2d(
                input, weight, bias, stride, window.padding, self.output_padding
            )
        return _add(maps, bias)


class UpsampledConvolution(nn.Conv2d):
    """Each number repeated 2×2, then a convolution with odd K×K kernels that keeps that size.

    Repeating is a transposed convolution of stride 2 with ones, so both are one, with kernels of
    K + 1: a quarter of the pixels are convolved, and four ninths of the products for K = 3 remain.
    """

    def __init__(self, inputs: int, outputs: int, side: int, *, bias: bool) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Enlarge and convolve ``[N, C, H, W]``: ``[N, O, 2·H, 2·W]``."""
        weight, bias, side = self.weight, self.bias, self.kernel_size[0]
        mirrored = F.pad(weight.flip(2, 3), (1, 1, 1, 1))  # [O, I, K + 2, K + 2]
        rows = mirrored[:, :, :-1] + mirrored[:, :, 1:]
        kernels = (rows[..., :-1] + rows[..., 1:]).transpose(0, 1)  # [I, O, K + 1, K + 1]
        if _has_choice(input):
            window = Window(2, side // 2, (2 * input.shape[2], 2 * input.shape[3]))
            if dense.pays(kernels, window):
                return dense.spread(input, kernels, bias, window)
            if patches.pays_forward(kernels):
                return _add(patches.spread(input, kernels, window), bias)
        return F.conv_transpose2d(input, kernels, bias, stride=2, padding=side // 2)


class Cut(nn.Module):
    """Leave out the last rows and columns of a map that is larger than wanted."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height = height
        self.width = width

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C, height, width]``."""
        return maps[:, :, : self.height, : self.width]


class Dropout(nn.Dropout):
    """Dropout whose mask takes 16 random bits a number, where PyTorch's takes 32 or more.

    The probability is rounded to a multiple of 2⁻¹⁶, 0.3 to 0.300003, and what is kept is scaled by
    the reciprocal of the rounded one: the mean is kept exactly.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Set a share of any tensor's numbers to zero in training."""
        if not self.training or self.p == 0 or not _has_choice(input):
            return super().forward(input)
        dropped = min(round(self.p * STEPS), STEPS - 1)
        number = input.numel()
        bits = torch.empty(-(-number // 4), dtype=torch.int64).random_(-(2**63), None)
        factors = torch.empty_like(input, requires_grad=False)
        flat = factors.as_strided((number,), (1,))  # the same numbers, in the order of the memory
        torch.ge(bits.view(torch.int16)[:number], dropped - STEPS // 2, out=flat)
        flat.mul_(STEPS / (STEPS - dropped))
        return input * factors


def _has_choice(images: Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and images.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._get_tracing_state()
        and not torch.compiler.is_compiling()
    )


def _keeps_size(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Tell it of a square layer."""
    half = layer.kernel_size[0] // 2
    return layer.stride[0] == 1 and layer.padding == (half, half)


def _is_square(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    pairs = (layer.kernel_size, layer.stride, layer.padding, layer.output_padding)
    return (
        all(pair[0] == pair[1] for pair in pairs)
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
    )


def _add(maps: Tensor, bias: Tensor | None) -> Tensor:
    return maps if bias is None else maps + bias.view(-1, 1, 1)
