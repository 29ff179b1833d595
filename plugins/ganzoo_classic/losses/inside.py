"""A loss within a loss: which may stand there, and a context that shows it something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import model_validator

from ganzoo.api import ByUse, Context, LossSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor


def unfit(inside: LossSpec | None) -> str:
    """Return why a loss cannot stand within another; empty where it can."""
    if inside is None:
        return ""
    if "labels" in inside.needs:
        return f"loss '{inside.use}' needs labels of its own; use it by itself"
    if isinstance(inside, Around) and inside.asks_anew:
        return f"loss '{inside.use}' asks a discriminator of its own; put the other loss inside it"
    if type(inside).module is not LossSpec.module:
        return f"loss '{inside.use}' keeps state between steps; use it by itself"
    return ""


class Shown:
    """A context in which the discriminator says something else of the same images.

    Attributes:
        real_out: what it says of the real images; the context's own unless given.
        fake_out: the same of the fakes.
    """

    def __init__(
        self,
        ctx: Context,
        outputs: Callable[..., Mapping[str, Tensor]] | None = None,
        real_out: Mapping[str, Tensor] | None = None,
        fake_out: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._ctx = ctx
        self._outputs = outputs
        self._real_out = real_out
        self._fake_out = fake_out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    @property
    def real_out(self) -> Mapping[str, Tensor]:
        """What is said of the real images."""
        return self._ctx.real_out if self._real_out is None else self._real_out

    @property
    def fake_out(self) -> Mapping[str, Tensor]:
        """What is said of the fakes."""
        return self._ctx.fake_out if self._fake_out is None else self._fake_out

    @property
    def real_logits(self) -> Tensor:
        """Scores of the real images, ``[N]``."""
        return self.real_out["logits"]

    @property
    def fake_logits(self) -> Tensor:
        """Scores of the fakes, ``[N]``."""
        return self.fake_out["logits"]

    def outputs(self, images: Tensor, labels: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return everything that is said of other images."""
        return (self._outputs or self._ctx.outputs)(images, labels)

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score other images."""
        return self.outputs(images, labels)["logits"]


def discriminator_terms(inside: LossSpec | None, ctx: Any) -> Terms:
    """Return what the discriminator minimises in a game, the original one unless given."""
    if inside is not None:
        return inside.discriminator_terms(ctx)
    from torch.nn.functional import logsigmoid

    return {
        "real": -logsigmoid(ctx.real_logits).mean(),
        "fake": -logsigmoid(-ctx.fake_logits).mean(),
    }


def generator_terms(inside: LossSpec | None, ctx: Any) -> Terms:
    """Return what the generator minimises in a game, the original one unless given."""
    if inside is not None:
        return inside.generator_terms(ctx)
    from torch.nn.functional import logsigmoid

    return {"adversarial": -logsigmoid(ctx.fake_logits).mean()}


class Around(LossSpec):
    """A loss around another: the discriminator's half is that one's."""

    asks_anew: ClassVar[bool] = False
    """Whether it asks another discriminator than the one it is shown."""

    inside: Annotated[LossSpec, ByUse()] | None = None
    """The loss inside, a table with 'use'; by default the original, non-saturating loss."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if problem := unfit(self.inside):
            raise ValueError(f"inside: {problem}")
        return self

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return the terms of the loss inside."""
        return discriminator_terms(self.inside, ctx)
