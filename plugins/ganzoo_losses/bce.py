"""The original game: binary cross-entropy on logits (Goodfellow et al. 2014, arXiv:1406.2661)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import Context, LossSpec, Terms


class Bce(LossSpec):
    """Classify real and fake images by binary cross-entropy.

    Goodfellow et al. 2014, arXiv:1406.2661, equation 1. With σ(D) the probability of being real,
    the discriminator minimises -E log σ(D(x)) - E log(1 - σ(D(G(z)))). The generator minimises
    -E log σ(D(G(z))) (section 3, 'non_saturating') or E log(1 - σ(D(G(z)))) ('saturating').

    Everything is computed from logits through log σ, so large logits neither overflow nor lose a
    gradient that the formula has. Smoothing is one-sided: the target of real images becomes 1 -
    smoothing, that of fakes stays 0 (Salimans et al. 2016, arXiv:1606.03498, section 3.4), and the
    generator's target stays 1.
    """

    use: ClassVar[str] = "bce"

    generator_objective: Literal["non_saturating", "saturating"] = "non_saturating"
    """Maximise log σ(D(G(z))), or minimise log(1 - σ(D(G(z)))), whose gradient vanishes where D \
is sure."""
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Target of real images is 1 - smoothing."""
    halved: bool = False
    """Whether the discriminator minimises (real + fake) / 2 instead of the sum."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'; both 0.693 (halved: 0.347) where D cannot tell."""
        from torch.nn.functional import logsigmoid

        real, fake = ctx.real_logits, ctx.fake_logits
        share = 0.5 if self.halved else 1.0
        on_real = logsigmoid(real)
        if self.smoothing:
            on_real = (1 - self.smoothing) * on_real + self.smoothing * logsigmoid(-real)
        return {"real": -share * on_real.mean(), "fake": -share * logsigmoid(-fake).mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        from torch.nn.functional import logsigmoid

        if self.generator_objective == "saturating":
            return {"adversarial": logsigmoid(-ctx.fake_logits).mean()}
        return {"adversarial": -logsigmoid(ctx.fake_logits).mean()}
