"""ACGAN (Odena et al. 2017, arXiv:1610.09585) with feature matching (Salimans et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid

from ganzoo.api import (
    Context,
    DiscriminatorSpec,
    ImageShape,
    LossSpec,
    MovingNonNegative,
    Terms,
    hookimpl,
)


class Discriminator(nn.Module):
    """Says of images: real or not, which class, and by which features."""

    def __init__(self, image: ImageShape, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(image.channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Linear(width, 1)
        self.classes = nn.Linear(width, image.num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return 'logits' ``[N]``, 'classes' ``[N, K]`` and 'features' ``[N, F]``."""
        features = self.body(images).mean((2, 3))
        logits = self.score(features).squeeze(1)
        return {"logits": logits, "classes": self.classes(features), "features": features}


class AuxiliaryDiscriminator(DiscriminatorSpec):
    """A discriminator with a class head, which shows its features."""

    use: ClassVar[str] = "zoo_acgan"

    width: PositiveInt = 8
    """Channels."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Discriminator(image, self.width)


class AuxiliaryClassifier(LossSpec):
    """Both sides also minimise the cross-entropy of the class, equations 2 and 3.

    Feature matching is ‖E f(x) - E f(G(z))‖² (Salimans et al. 2016, arXiv:1606.03498, section 3.1).
    """

    use: ClassVar[str] = "zoo_acgan"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    matching: MovingNonNegative = 1.0
    """Factor on feature matching."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real', 'fake' and 'class'."""
        assert ctx.real_labels is not None
        assert ctx.fake_labels is not None
        return {
            "real": -logsigmoid(ctx.real_logits).mean(),
            "fake": -logsigmoid(-ctx.fake_logits).mean(),
            "class": cross_entropy(ctx.real_out["classes"], ctx.real_labels)
            + cross_entropy(ctx.fake_out["classes"], ctx.fake_labels),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial', 'class' and 'features'."""
        assert ctx.fake_labels is not None
        apart = ctx.real_out["features"].mean(0) - ctx.fake_out["features"].mean(0)
        return {
            "adversarial": -logsigmoid(ctx.fake_logits).mean(),
            "class": cross_entropy(ctx.fake_out["classes"], ctx.fake_labels),
            "features": self.matching * apart.square().sum(),
        }


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminator."""
    return [AuxiliaryDiscriminator]


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss."""
    return [AuxiliaryClassifier]
