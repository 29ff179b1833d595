"""The fields that all generators of the family share, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ganzoo.api import GanzooError, GeneratorSpec, ImageShape
from ganzoo_dcgan import depth
from ganzoo_dcgan.fields import (
    Factor,
    Initialiser,
    Kernel,
    Probability,
    Width,
    refuse_unlabelled,
)

if TYPE_CHECKING:
    from torch import Tensor

RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
"""Lowest and highest value that an output can have; 'linear' has no bounds."""


class DcganGenerator(GeneratorSpec):
    """A stem that makes a small map from the latent, then layers that keep or double its size."""

    at_sampling: ClassVar[frozenset[str]] = frozenset({"code", "continuous"})

    labels: Literal["none", "embedding", "one_hot", "conditional_norm"] = "none"
    """How the class enters the network: not at all; as a learned vector appended to the latent; \
one-hot, appended to the latent; or as a scale and shift per class in batch norm."""
    embedding_size: Width = 50
    """Length of a class's learned vector with labels = 'embedding'."""
    codes: Annotated[list[Annotated[int, Field(ge=2, le=1000)]], Field(max_length=64)] = Field(
        default=[]
    )
    """Number of values of each categorical code; [10] is one code with ten values. That many of \
the latent's first numbers become one-hot, with the 1 where the largest was, so all values are \
equally frequent. See 'mutual_information'."""
    code: list[Annotated[int, Field(ge=0)]] | None = None
    """Fix the value of each code, counted from 0; by default all values are drawn. Can be set \
when sampling."""
    continuous: list[float] | None = None
    """Fix the first of the latent's numbers after the codes at these values; by default they are \
drawn. Can be set when sampling."""
    base_channels: Width = 64
    """Channels of the last feature map; 'widths' are multiples of it."""
    scales: Literal["auto"] | Annotated[list[Factor], Field(min_length=1, max_length=12)] = Field(
        default=[1, 2, 2]
    )
    """What each layer does to height and width, first to last: 2 doubles, 1 keeps them. The last \
layer makes the image; the first map has the size of the image divided by their product. 'auto' \
doubles until the first map's shorter side is 4 to 7, and crops what doubling overshoots."""
    widths: list[Width] | None = None
    """Input channels of each layer, in multiples of base_channels. By default they halve from \
layer to layer down to 1: 4, 2, 1 for three layers; with scales = 'auto' from 8 at most."""
    stem: Literal["linear", "convolution", "constant"] = "linear"
    """How the latent becomes the first map: a linear layer, normalised per number; a transposed \
convolution from 1×1, normalised per channel; or a learned constant beside a linear layer's map \
for each latent number, not normalised."""
    stem_bias: bool = False
    """Add a bias in the stem; batch norm right after it makes it redundant."""
    stem_norm: Literal["numbers", "channels"] = "numbers"
    """Batch norm after a linear stem: per number, or per channel of its map."""
    stem_norm_eps: PositiveFloat | None = None
    """Added to the variance in the stem's batch norm; by default norm_eps."""
    stem_activation: bool = True
    """Follow the stem's norm with the activation."""
    stem_dropout: Probability = 0.0
    """Dropout of the first map's numbers."""
    kernel_size: Kernel = 4
    """Kernel size of layers that double; odd ones overlap unevenly (checkerboards)."""
    same_kernel_size: Kernel = 5
    """Kernel size of layers that keep the size, odd."""
    bias: bool = False
    """Add a bias in all layers, including the last."""
    norm: Literal["batch", "none"] = "batch"
    """Normalisation; the image itself is never normalised."""
    norm_affine: bool = True
    """Let batch norm learn a scale and a shift."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the variance in batch norm; PyTorch, Flux and Gluon 1e-5, Keras 1e-3."""
    norm_momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Weight of the newest batch in the running statistics; Keras and Gluon use 1 minus this."""
    order: Literal["convolution_norm", "norm_convolution"] = "convolution_norm"
    """Order within a layer: convolution, norm, activation; or norm, convolution, activation (the \
stem then has no norm or activation)."""
    activation: Literal["relu", "leaky_relu"] = "relu"
    """Activation of the stem and of all layers but the last."""
    slope: NonNegativeFloat = 0.2
    """Slope of 'leaky_relu' below zero."""
    dropout: Probability = 0.0
    """Dropout of each later map's numbers."""
    output: Literal["tanh", "sigmoid", "linear"] = "tanh"
    """Output of the network: 'tanh' for data in [-1, 1], 'sigmoid' for [0, 1], 'linear' for any."""
    init: Initialiser = "normal"
    """Initial weights of convolutions: N(0, init_std²), Glorot uniform, He normal, orthogonal, or \
PyTorch's own; biases start at 0 except with 'torch'."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of 'normal' initial weights and of a constant stem."""
    linear_init: Initialiser = "glorot"
    """Initial weights of the linear layer in the stem, named as in 'init'."""
    gamma_std: NonNegativeFloat = 0.0
    """Standard deviation of batch norm's initial scales around 1."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        problems = self._disagreements()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _disagreements(self) -> list[str]:
        problems = []
        if self.widths is not None and self.scales == "auto":
            problems.append("'widths' needs 'scales' as a list, to have one width for each layer")
        elif self.widths is not None and len(self.widths) != len(self.scales):
            problems.append(
                f"'widths' names {len(self.widths)} maps and 'scales' {len(self.scales)} layers; "
                "give one width for each layer"
            )
        if self.scales != "auto" and 1 in self.scales and self.same_kernel_size % 2 == 0:
            problems.append(
                f"'same_kernel_size' is {self.same_kernel_size}, and only odd kernels keep the size"
            )
        is_plain = self.stem_norm == "numbers" and self.stem_norm_eps is None
        if self.order == "norm_convolution" and not (is_plain and self.stem_activation):
            problems.append(
                "the stem of order = 'norm_convolution' is a bare map: omit 'stem_norm', "
                "'stem_norm_eps' and 'stem_activation'"
            )
        if self.gamma_std > 0 and not (self.norm == "batch" and self.norm_affine):
            problems.append("'gamma_std' needs norm = 'batch' with norm_affine = true")
        if self.labels == "conditional_norm":
            if not (self.norm == "batch" and self.norm_affine):
                problems.append(
                    "labels = 'conditional_norm' needs norm = 'batch' with norm_affine = true"
                )
            is_bare = self.stem == "constant" and self.scales != "auto" and len(self.scales) == 1
            if is_bare and self.order == "convolution_norm":
                problems.append(
                    "labels = 'conditional_norm' needs a norm, and a constant stem with one layer "
                    "has none; add a layer to 'scales' or take another stem"
                )
        if self.code is not None:
            if len(self.code) != len(self.codes):
                problems.append(
                    f"'code' names {len(self.code)} values for {len(self.codes)} 'codes'; give one "
                    "for each"
                )
            problems += [
                f"'code' {value} is not one of the {count} from 0 to {count - 1}"
                for value, count in zip(self.code, self.codes, strict=False)
                if value >= count
            ]
        return problems

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``generator(latent, labels)``."""
        return self.labels != "none"

    def refuse_unlabelled(self, image: ImageShape) -> None:
        """Raise GanzooError if classes are asked for and the images have none."""
        refuse_unlabelled(self, self.labels, image)

    def refuse_short(self, latent_size: int) -> None:
        """Raise GanzooError if the latent has fewer numbers than the codes take."""
        needed = sum(self.codes) + len(self.continuous or [])
        if latent_size < needed:
            raise GanzooError(
                f"generator.codes: they take {needed} numbers of the latent, which has "
                f"{latent_size}; raise latent.size or name fewer values"
            )

    def latents(self, z: Tensor) -> Tensor:
        """Return ``[N, Z]`` with the codes in front: 0s and a 1 for each, then what is held."""
        if not self.codes and not self.continuous:
            return z
        import torch

        parts, at = [], 0
        for number, count in enumerate(self.codes):
            # The largest of equally distributed numbers is each one equally often.
            chosen = z[:, at : at + count].argmax(1)
            if self.code is not None:
                chosen = torch.full_like(chosen, self.code[number])
            parts.append((chosen[:, None] == torch.arange(count, device=z.device)).to(z.dtype))
            at += count
        if self.continuous:
            parts.append(z.new_tensor(self.continuous).expand(len(z), -1))
            at += len(self.continuous)
        return torch.cat([*parts, z[:, at:]], 1)

    @property
    def channels(self) -> list[int]:
        """Channels of the map each layer reads, first to last."""
        widths = self.widths or [2**power for power in reversed(range(len(self.scales)))]
        return [self.base_channels * width for width in widths]

    def for_size(self, image: ImageShape) -> tuple[Self, list[tuple[int, int]]]:
        """Return the spec with its depth for these images, and the maps' sizes, first to image.

        Raises:
            GanzooError: if the image cannot be reached by doubling.
        """
        if self.scales == "auto":
            sizes = depth.grown(image.height, image.width)
            scales = [2] * (len(sizes) - 1) or [1]
            widths = depth.widths(len(scales))[::-1]
            spec = self.model_copy(update={"scales": scales, "widths": widths})
            return spec, sizes if len(sizes) > 1 else sizes * 2
        height, width = self.start(image)
        sizes = [(height, width)]
        for scale in self.scales:
            height, width = height * scale, width * scale
            sizes.append((height, width))
        return self, sizes

    def start(self, image: ImageShape) -> tuple[int, int]:
        """Return height and width of the first map.

        Raises:
            GanzooError: if the image cannot be reached by doubling.
        """
        if self.scales == "auto":
            return depth.grown(image.height, image.width)[0]
        doublings = self.scales.count(2)
        factor = 2**doublings
        if image.height % factor or image.width % factor:
            raise GanzooError(
                f"generator.scales: {self.use!r} doubles {doublings} times, and the images' "
                f"{image.height}×{image.width} is not a multiple of {factor}; resize the images "
                f"(height {depth.nearest(image.height, factor)}, width "
                f"{depth.nearest(image.width, factor)}), change 'scales', or let them follow the "
                "size: scales = 'auto'"
            )
        return image.height // factor, image.width // factor

    def output_range(self) -> tuple[float, float] | None:
        """Return the range of 'output'; the first-step guards compare it with the data's."""
        return RANGES.get(self.output)
