"""The least-squares game on logits."""

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms


class LeastSquares(LossSpec):
    """Pull logits of real images to a target and of fakes to 0 (equation 9 with a = 0, b = c)."""

    use: ClassVar[str] = "lsgan_example"

    real_target: float = 1.0
    """Logit of a real image."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": (ctx.real_logits - self.real_target).square().mean() / 2,
            "fake": ctx.fake_logits.square().mean() / 2,
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": (ctx.fake_logits - self.real_target).square().mean() / 2}
