"""The fields that discriminators of the family share, and what follows from them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ganzoo.api import DiscriminatorSpec, GanzooError, ImageShape
from ganzoo_dcgan import depth
from ganzoo_dcgan.fields import (
    Factor,
    Initialiser,
    Kernel,
    Probability,
    Width,
    refuse_unlabelled,
)
from ganzoo_dcgan.padding import Padding, convolution_padding, convolved_size

EmbeddingSize = Annotated[int, Field(ge=0, le=8192)]


class DcganDiscriminator(DiscriminatorSpec):
    """Convolutions that keep or halve a map's size, then a head that makes one number of it."""

    labels: Literal["none", "maps", "projection", "classes", "real_fake_classes"] = "none"
    """How the class is used. As an input: not at all; as a map of 0 or 1 per class beside the \
image; or as a learned vector per class, multiplied with the last map's sums (projection). As an \
output: with 'classes', a second head predicts the class, for 'auxiliary_classifier'; with \
'real_fake_classes', it predicts the class and whether the image is real, for its form 'adc'."""
    shows_features: bool = False
    """Also return the last map as 'features', for regularizers that use them."""
    embedding_size: EmbeddingSize = 0
    """Length of the output of one more head, returned as 'embedding': the codes for \
'mutual_information', the vectors for 'contrastive'; 0 for no such head."""
    embedding_hidden: EmbeddingSize = 0
    """Width of a layer with leaky ReLU between the last map and 'embedding'; 0 for none."""
    looks: Annotated[int, Field(ge=1, le=6)] = 1
    """Number of networks at different scales: the first sees the image, each further one half the \
size of the one before (averages of 2×2). The logit is the mean of theirs. (The multi-scale \
discriminator of arXiv:1711.11585 has one loss for each, which is the same if a loss is linear in \
the logits.)"""
    minibatch_stddev: Annotated[int, Field(ge=0, le=1024)] = 0
    """Images per group for minibatch standard deviation, which the head sees as one more map; 0 \
for none. Groups are neighbours in the batch: choose a divisor of the batch size."""
    base_channels: Width = 64
    """Channels of the first feature map; 'widths' are multiples of it."""
    strides: Literal["auto"] | Annotated[list[Factor], Field(min_length=1, max_length=12)] = Field(
        default=[2, 2]
    )
    """What each convolution does to height and width, first to last: 2 halves, 1 keeps them; \
'auto' halves until the last map's shorter side is 7 or less, for images of any size."""
    downsample: Literal["stride", "average"] = "stride"
    """How layers halve: by the convolution's stride, or by averaging 2×2 at the end of the layer, \
which is bilinear interpolation to half the size."""
    widths: list[Width] | None = None
    """Output channels of each convolution, in multiples of base_channels. By default they double: \
1, 2, 4, ...; with strides = 'auto' up to 8."""
    kernel_size: Kernel = 4
    """Kernel size; at stride 1 with padding 'half', an even one loses a row and a column."""
    padding: Literal["half", "same"] = "half"
    """Zero padding: (kernel_size - 1) // 2 on every side, as in PyTorch and Flux, or TensorFlow's \
'same', which puts an odd one at the bottom and right."""
    bias: bool = True
    """Add a bias in the convolutions."""
    norm: Literal["none", "batch", "instance", "layer", "spectral"] = "none"
    """Normalisation of the maps; 'spectral' divides all weights by their largest singular value."""
    first_norm: bool = False
    """Also normalise the first map, which DCGAN advises against; 'spectral' always does."""
    norm_affine: bool = True
    """Let the norm learn a scale and a shift."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the variance in the norm; PyTorch, Flux and Gluon 1e-5, Keras 1e-3."""
    norm_momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Weight of the newest batch in batch norm's running statistics; Keras uses 1 minus this."""
    order: Literal["norm_activation", "activation_norm"] = "norm_activation"
    """Order after a convolution: norm, activation, dropout; or activation, dropout, norm."""
    slope: NonNegativeFloat = 0.2
    """Slope of leaky ReLU below zero; 0 is ReLU, 1 is no activation."""
    dropout: Probability = 0.3
    """Dropout of each map's numbers."""
    dropout_of: Literal["numbers", "maps"] = "numbers"
    """What dropout zeroes: single numbers, or whole maps (PyTorch's Dropout2d)."""
    head: Literal["linear", "convolution"] = "linear"
    """How the last map becomes one number: a linear layer, or a convolution as large as the map."""
    head_bias: bool = True
    """Add a bias in the head."""
    init: Initialiser = "normal"
    """Initial weights of convolutions: N(0, init_std²), Glorot uniform, He normal, orthogonal, or \
PyTorch's own; biases start at 0 except with 'torch'."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of 'normal' initial weights."""
    linear_init: Initialiser = "glorot"
    """Initial weights of the linear head and of a projection, named as in 'init'."""
    gamma_std: NonNegativeFloat = 0.0
    """Standard deviation of the norm's initial scales around 1."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        problems = []
        if self.widths is not None and self.strides == "auto":
            problems.append(
                "'widths' needs 'strides' as a list, to have one width for each convolution"
            )
        elif self.widths is not None and len(self.widths) != len(self.strides):
            problems.append(
                f"'widths' names {len(self.widths)} maps and 'strides' {len(self.strides)} "
                "convolutions; give one width for each convolution"
            )
        has_scales = self.norm in {"batch", "instance", "layer"} and self.norm_affine
        if self.gamma_std > 0 and not has_scales:
            problems.append(
                "'gamma_std' needs norm = 'batch', 'instance' or 'layer' with norm_affine = true"
            )
        if self.embedding_hidden and not self.embedding_size:
            problems.append("'embedding_hidden' needs 'embedding_size' above 0")
        says_more = self.labels in {"classes", "real_fake_classes"} or self.shows_features
        if self.looks > 1 and (says_more or self.embedding_size):
            problems.append(
                "'looks' above 1 has logits only; leave out 'shows_features', 'embedding_size' and "
                "labels that are asked"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels in {"maps", "projection"}

    def refuse_unlabelled(self, image: ImageShape) -> None:
        """Raise GanzooError if classes are asked for and the images have none."""
        refuse_unlabelled(self, self.labels, image)

    @property
    def channels(self) -> list[int]:
        """Channels that each convolution makes, first to last."""
        widths = self.widths or [2**power for power in range(len(self.strides))]
        return [self.base_channels * width for width in widths]

    def for_size(self, image: ImageShape) -> Self:
        """Return the spec with its depth for these images."""
        if self.strides != "auto":
            return self
        strides: list[int] = []
        size = image.height, image.width
        while min(size) > depth.LARGEST:
            stride, pool = (2, 1) if self.downsample == "stride" else (1, 2)
            padding = convolution_padding(self.padding, size, self.kernel_size, stride)
            convolved = convolved_size(size, self.kernel_size, stride, padding)
            size = convolved[0] // pool, convolved[1] // pool
            if min(size) < depth.SMALLEST:
                break
            strides.append(2)
        strides = strides or [1]
        return self.model_copy(update={"strides": strides, "widths": depth.widths(len(strides))})

    def paddings(self, image: ImageShape) -> tuple[list[Padding], tuple[int, int]]:
        """Return zeros around each convolution's input, and height and width of the last map.

        Raises:
            GanzooError: if nothing is left of the image on the way, or of a map to normalise.
        """
        assert self.strides != "auto"
        paddings = []
        size = image.height, image.width
        for number, scale in enumerate(self.strides, start=1):
            stride, pool = (scale, 1) if self.downsample == "stride" else (1, scale)
            padding = convolution_padding(self.padding, size, self.kernel_size, stride)
            paddings.append(padding)
            convolved = convolved_size(size, self.kernel_size, stride, padding)
            before, size = size, (convolved[0] // pool, convolved[1] // pool)
            if min(size) < 1:
                raise GanzooError(
                    f"discriminator.strides: nothing is left of {image.height}×{image.width} "
                    f"images after convolution {number} of {len(self.strides)}, which reads "
                    f"{before[0]}×{before[1]}; use fewer strides of 2 or larger images"
                )
            is_normed = number > 1 or self.first_norm
            if self.norm == "instance" and is_normed and convolved == (1, 1):
                raise GanzooError(
                    f"discriminator.norm: 'instance' makes zeros of the 1×1 maps of convolution "
                    f"{number}; use fewer strides of 2 or another norm"
                )
        return paddings, size
