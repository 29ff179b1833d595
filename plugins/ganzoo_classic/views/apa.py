"""Adaptive pseudo augmentation: fakes among the real images (Jiang et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ganzoo.api import Context, GanzooError, ImageShape, OrRamp, ViewSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


class Apa(ViewSpec):
    """Show fakes as real images: the more the discriminator overfits, the more often.

    Jiang et al. 2021, arXiv:2111.06849, section 3.2: each real image is replaced by a fake with
    probability p, which changes as in 'ada'. The fakes are the newest from an earlier half-step;
    they are saved with p in every checkpoint. Replaced images do not have their own label.
    """

    use: ClassVar[str] = "apa"
    keeps_labels: ClassVar[bool] = False
    logged: ClassVar[tuple[str, ...]] = ("p",)
    reduced: ClassVar[Mapping[str, Literal["mean", "sum", "max", "first"]]] = {
        "fakes": "first",
        "filled": "first",
    }

    target: Annotated[float, Field(ge=-1, le=1), OrRamp] = 0.6
    """Target of the mean sign of real logits."""
    images: PositiveFloat = 500_000
    """Number of real images in which p can move from 0 to 1."""
    interval: PositiveInt = 4
    """Discriminator updates between changes of p."""
    kept: PositiveInt = 64
    """Number of fakes to keep."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return p, from 0, and a place for fakes."""
        from ganzoo_classic.views.pool import Pool

        return Pool(self.kept, image)

    def apply(self, images: Tensor, which: Literal["real", "fake"], own: Any) -> Tensor:  # type: ignore[override]
        """Return the images, real ones with fakes among them.

        Raises:
            GanzooError: if another view changes the shape of the images.
        """
        if images.shape[1:] != own.fakes.shape[1:]:
            raise GanzooError(
                f"{self.use}: it is given images of {list(images.shape[1:])} and keeps some of "
                f"{list(own.fakes.shape[1:])}; no other view may change their shape"
            )
        if which == "fake":
            own.keep(images)
            return images
        seen: Tensor = own.mixed(images)
        return seen

    def observe(self, ctx: Context) -> None:
        """Move p."""
        ctx.own.observe(ctx, self.target, self.images, self.interval)
