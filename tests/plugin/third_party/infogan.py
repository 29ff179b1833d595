"""InfoGAN: codes that can be read off the images (Chen et al. 2016, arXiv:1606.03657)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid

from ganzoo.api import Context, GeneratorSpec, ImageShape, LossSpec, Terms, hookimpl

Codes = Annotated[int, Field(ge=2)]


class CodedGenerator(GeneratorSpec):
    """A perceptron whose first inputs are a one-hot code."""

    use: ClassVar[str] = "zoo_coded"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"code"})

    codes: Codes = 4
    """Values of the code."""
    code: Annotated[int, Field(ge=0)] | None = None
    """The code that is made; left out: every one as often."""

    def latents(self, z: Tensor) -> Tensor:
        """Return ``[N, Z]`` with the first numbers as a code: the largest of them becomes 1."""
        chosen = z[:, : self.codes].argmax(1)
        if self.code is not None:
            chosen = torch.full_like(chosen, self.code)
        code = (chosen[:, None] == torch.arange(self.codes, device=z.device)).to(z.dtype)
        return torch.cat([code, z[:, self.codes :]], 1)

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        shape = (image.channels, image.height, image.width)
        return nn.Sequential(
            nn.Linear(latent_size, 32),
            nn.ReLU(),
            nn.Linear(32, shape[0] * shape[1] * shape[2]),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        )


class Information(LossSpec):
    """The original game with a bound on the information about the code, equation 6.

    Q(c|x) is a network of its own here; the paper lets it share the discriminator's layers.
    """

    use: ClassVar[str] = "zoo_infogan"
    trained_with: ClassVar[Literal["generator", "discriminator"]] = "generator"

    codes: Codes = 4
    """Values of the code, as the generator has them."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Factor λ on the information."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return Q: logits ``[N, K]`` of the code of images."""
        pixels = image.channels * image.height * image.width
        return nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 32), nn.LeakyReLU(0.1), nn.Linear(32, self.codes)
        )

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": -logsigmoid(ctx.real_logits).mean(),
            "fake": -logsigmoid(-ctx.fake_logits).mean(),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial' and 'code', which trains generator and Q."""
        code = ctx.latent[:, : self.codes].argmax(1)
        return {
            "adversarial": -logsigmoid(ctx.fake_logits).mean(),
            "code": self.weight * cross_entropy(ctx.own(ctx.fake), code),
        }


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generator."""
    return [CodedGenerator]


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss."""
    return [Information]
