"""What builds on what is there: a built-in generator with a knob, Adam with two rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim import Adam, Optimizer

from ganzoo.api import GeneratorSpec, ImageShape, OptimizerSpec, hookimpl
from ganzoo_dcgan import Transpose


class SpectralTranspose(Transpose):
    """The built-in 'transpose' with spectral norm (Zhang et al. 2019, arXiv:1805.08318), truncated.

    Latents are shrunk towards 0 when images are made (Brock et al. 2019, arXiv:1809.11096, draw
    large ones anew instead): fewer kinds of images, better ones.
    """

    use: ClassVar[str] = "zoo_spectral"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"truncation"})

    truncation: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the latents."""

    def latents(self, z: Tensor) -> Tensor:
        """Return ``[N, Z]``."""
        return self.truncation * z

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the built-in network, each of its layers with spectral norm."""
        network = super().build(latent_size, image)
        for layer in list(network.modules()):
            if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
                spectral_norm(layer)
        return network


class TwoRates(OptimizerSpec):
    """Adam with another rate for biases and norms than for the weights of layers."""

    use: ClassVar[str] = "zoo_two_rates"

    vectors: PositiveFloat = 0.1
    """Rate of parameters with one dimension, as a share of 'lr'."""

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return Adam over two groups; schedules and ramps of 'lr' move both from their own."""
        layers, vectors = [], []
        for each in parameters:
            (layers if each.ndim > 1 else vectors).append(each)
        return Adam(
            [
                {"params": layers, "lr": self.lr},
                {"params": vectors, "lr": self.vectors * self.lr},
            ],
            betas=(0.5, 0.999),
        )


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generator."""
    return [SpectralTranspose]


@hookimpl
def ganzoo_optimizers() -> list[type[OptimizerSpec]]:
    """Supply the optimizer."""
    return [TwoRates]
