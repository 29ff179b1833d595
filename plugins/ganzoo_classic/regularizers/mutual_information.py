"""Codes that can be read off the images: InfoGAN (Chen et al. 2016, arXiv:1606.03657)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ganzoo.api import (
    Context,
    GanzooError,
    ImageShape,
    MovingNonNegative,
    RegularizerSpec,
    Role,
    Terms,
)
from ganzoo_classic.shown import NotShownError, shown, sized

if TYPE_CHECKING:
    from torch import Tensor, nn

Values = Annotated[int, Field(ge=2, le=1000)]


class MutualInformation(RegularizerSpec):
    """InfoGAN: train the generator and a network Q(c | x) so that Q predicts an image's codes.

    Chen et al. 2016, arXiv:1606.03657, equations 5 and 6: -λ L_I with L_I = E log Q(c | G(z, c)) +
    H(c), without the constant H(c). For a categorical code -log Q is the cross-entropy of Q's
    logits; for a continuous one that of a normal distribution, of variance 1 or learned. The codes
    are the first numbers of the latent: one-hot for each categorical code (``generator.codes``),
    then the continuous ones as the prior draws them (``latent.prior = "uniform"`` in the paper).

    Q is a separate perceptron, trained with the generator, or it shares the discriminator, as in
    the paper: then it is what the discriminator returns as 'embedding', and both sides minimise the
    term.
    """

    use: ClassVar[str] = "mutual_information"
    trained_with: ClassVar[Role] = "generator"

    codes: Annotated[list[Values], Field(max_length=64)] = [10]  # noqa: RUF012
    """Number of values of each categorical code, the same as generator.codes."""
    continuous: NonNegativeInt = 0
    """Number of continuous codes, after the categorical ones."""
    continuous_weight: MovingNonNegative = 0.1
    """Factor of the continuous codes' part, in addition to 'weight'."""
    q: Literal["own", "discriminator"] = "own"
    """A separate network, or the discriminator's 'embedding'."""
    deviation: Literal["fixed", "learned"] = "fixed"
    """Standard deviation of continuous codes: 1, or predicted by Q."""
    hidden: PositiveInt = 128
    """Width of the hidden layer of a separate Q."""

    @property
    def size(self) -> int:
        """Numbers that Q says: a logit for each value, a mean or two numbers for each code."""
        return sum(self.codes) + self.continuous * (1 if self.deviation == "fixed" else 2)

    def module(self, latent_size: int, image: ImageShape) -> nn.Module | None:
        """Return Q where it is one of its own: from images to ``[N, size]``.

        Raises:
            GanzooError: if the latent has fewer numbers than the codes.
        """
        needed = sum(self.codes) + self.continuous
        if not needed:
            raise GanzooError(f"{self.use}: there is no code; name some in 'codes' or 'continuous'")
        if latent_size < needed:
            raise GanzooError(
                f"{self.use}: the codes take {needed} numbers of the latent, which has "
                f"{latent_size}; raise latent.size or ask for fewer"
            )
        if self.q == "discriminator":
            return None
        from torch import nn

        pixels = image.channels * image.height * image.width
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, self.hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(self.hidden, self.size),
        )

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return the same as for the generator where Q shares the discriminator."""
        return self._surprise(ctx) if self.q == "discriminator" else {}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'code' and 'continuous_code', as far as there are such codes."""
        return self._surprise(ctx)

    def _surprise(self, ctx: Context) -> Terms:
        said = self._said(ctx)
        terms: dict[str, Tensor] = {}
        if self.codes:
            terms["code"] = self.weight * self._categorical(said, ctx.latent)
        if self.continuous:
            share = self.weight * self.continuous_weight
            terms["continuous_code"] = share * self._normal(said, ctx.latent)
        return terms

    def _said(self, ctx: Context) -> Tensor:
        if self.q == "own":
            found: Tensor = ctx.own(ctx.fake)
        else:
            found = shown(ctx.fake_out, "embedding", self.use)
            found = sized(found, self.size, self.use, "Q")
        if len(found) != len(ctx.latent):
            raise GanzooError(
                f"{self.use}: {len(ctx.latent)} latents made {len(found)} things to read codes "
                "from; it cannot be used with a view that packs images"
            )
        return found

    def _categorical(self, said: Tensor, latent: Tensor) -> Tensor:
        """Return the sum over codes of -log Q, in nats."""
        from torch.nn.functional import cross_entropy

        at, found = 0, said.new_zeros(())
        for count in self.codes:
            code = latent[:, at : at + count]
            _refuse_other(code, self.use, at, count)
            found = found + cross_entropy(said[:, at : at + count], code.argmax(1))
            at += count
        return found

    def _normal(self, said: Tensor, latent: Tensor) -> Tensor:
        """Return the sum over codes of -log Q, in nats."""
        at = sum(self.codes)
        code = latent[:, at : at + self.continuous]
        mean = said[:, at : at + self.continuous]
        squares = (code - mean).square()
        constant = math.log(2 * math.pi)
        if self.deviation == "fixed":
            return 0.5 * (squares + constant).sum(1).mean()
        # Bounded: a deviation that shrinks to 0 would make the likelihood infinite.
        log_variance = 5 * (said[:, at + self.continuous :] / 5).tanh()
        return 0.5 * (squares * (-log_variance).exp() + log_variance + constant).sum(1).mean()


def _refuse_other(code: Tensor, use: str, at: int, count: int) -> None:
    """Raise NotShownError if the numbers are no 0s and a 1; a captured step was tried before."""
    import torch

    if code.is_meta or (code.is_cuda and torch.cuda.is_current_stream_capturing()):
        return
    if not bool((((code == 0) | (code == 1)).all(1) & (code.sum(1) == 1)).all()):
        raise NotShownError(
            f"{use}: numbers {at} to {at + count - 1} of the latent are not a code of {count} "
            "values; give the generator the same codes (generator.codes with 'transpose' and "
            "'upsample')"
        )
