"""Small networks for points: perceptrons, and the two single numbers of the Dirac GAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol, TypeVar

from pydantic import Field, PositiveFloat, model_validator

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

if TYPE_CHECKING:
    from torch import nn

Widths = Annotated[list[Annotated[int, Field(ge=1, le=65_536)]], Field(max_length=16)]

InitStd = PositiveFloat | None
Share = Annotated[float, Field(ge=0, lt=1)]


class Drawn(Protocol):
    """What says how its initial weights are drawn."""

    init_std: float | None
    init_gain: float | None


Either = TypeVar("Either", bound=Drawn)


def one_init(spec: Either) -> Either:
    """Refuse two ways of drawing the same weights."""
    if spec.init_std is not None and spec.init_gain is not None:
        raise ValueError("init_std and init_gain both draw the initial weights; leave one out")
    return spec


class Mlp(GeneratorSpec):
    """A perceptron from latents to points or small images, without bounds on their values."""

    use: ClassVar[str] = "mlp"

    hidden: Widths = [128, 128]  # noqa: RUF012
    """Width of each hidden layer."""
    activation: Literal["relu", "tanh"] = "relu"
    """What follows each hidden layer."""
    norm: Literal["none", "batch"] = "none"
    """Batch norm after each hidden layer (which then has no bias), or none."""
    init_std: InitStd = None
    """Standard deviation of normal initial weights, with biases of 0; if omitted, PyTorch's \
defaults."""
    init_gain: PositiveFloat | None = None
    """Gain of orthogonal initial weights (Saxe et al. 2014), with biases of 0, instead."""

    _one_init = model_validator(mode="after")(one_init)

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]`` to ``[N, C, H, W]``."""
        from torch import nn

        from ganzoo_toys.modules import drawn

        size = (image.channels, image.height, image.width)
        sizes = [latent_size, *self.hidden]
        layers: list[nn.Module] = []
        has_norm = self.norm == "batch"
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):  # noqa: RUF007
            layers.append(nn.Linear(before, after, bias=not has_norm))
            active = nn.ReLU() if self.activation == "relu" else nn.Tanh()
            layers += [nn.BatchNorm1d(after), active] if has_norm else [active]
        flat = size[0] * size[1] * size[2]
        network = nn.Sequential(*layers, nn.Linear(sizes[-1], flat), nn.Unflatten(1, size))
        return drawn(network, self.init_std, self.init_gain)


class MlpDiscriminator(DiscriminatorSpec):
    """A perceptron from points, or small images, to logits."""

    use: ClassVar[str] = "mlp"

    hidden: Widths = [128, 128]  # noqa: RUF012
    """Width of each hidden layer."""
    activation: Literal["leaky_relu", "tanh"] = "leaky_relu"
    """What follows each hidden layer: leaky ReLU of slope 0.2, or tanh."""
    pieces: Annotated[int, Field(ge=1, le=100)] = 1
    """Pieces of maxout (Goodfellow et al. 2013, arXiv:1302.4389) in its place; 1 for none."""
    input_dropout: Share = 0.0
    """Dropout of the coordinates."""
    dropout: Share = 0.0
    """Dropout of each hidden layer's numbers."""
    init_std: InitStd = None
    """Standard deviation of normal initial weights, with biases of 0; if omitted, PyTorch's \
defaults."""
    init_gain: PositiveFloat | None = None
    """Gain of orthogonal initial weights (Saxe et al. 2014), with biases of 0, instead."""

    _one_init = model_validator(mode="after")(one_init)

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]`` to ``[N]``."""
        from torch import nn

        from ganzoo_toys.modules import Largest, drawn

        sizes = [image.channels * image.height * image.width, *self.hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        if self.input_dropout:
            layers.append(nn.Dropout(self.input_dropout))
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):  # noqa: RUF007
            layers.append(nn.Linear(before, after * self.pieces))
            one = nn.LeakyReLU(0.2) if self.activation == "leaky_relu" else nn.Tanh()
            layers.append(Largest(self.pieces) if self.pieces > 1 else one)
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
        network = nn.Sequential(*layers, nn.Linear(sizes[-1], 1), nn.Flatten(0))
        return drawn(network, self.init_std, self.init_gain)


class Offset(GeneratorSpec):
    """One point for every latent: G(z) = θ, the generator of the Dirac GAN."""

    use: ClassVar[str] = "offset"

    start: float = 1.0
    """Where θ starts, in each coordinate."""

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return a module from ``[N, Z]`` to ``[N, C, 1, 1]``."""
        from ganzoo_toys.modules import OffsetGenerator

        _only_points(image, self.use)
        return OffsetGenerator(image.channels, self.start)


class Linear(DiscriminatorSpec):
    """D(x) = ψ · x, the discriminator of the Dirac GAN."""

    use: ClassVar[str] = "linear"

    start: float = 0.0
    """Where ψ starts, in each coordinate."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, 1, 1]`` to ``[N]``."""
        from ganzoo_toys.modules import LinearDiscriminator

        _only_points(image, self.use)
        return LinearDiscriminator(image.channels, self.start)


def _only_points(image: ImageShape, use: str) -> None:
    if image.height != 1 or image.width != 1:
        raise GanzooError(f"{use!r} is for datasets of points, not for images of {image}")
