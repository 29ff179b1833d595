"""A registry of toy components, for tests of what surrounds them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.registry import Broken, Plugin, Registry
from ganzoo.plugin.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    OptimizerSpec,
    Pair,
    RegularizerSpec,
    Spec,
)
from ganzoo.plugin.table import Table
from ganzoo_steps import Adversarial


class Noise(Table):
    """A table inside a component's."""

    scale: PositiveFloat = 1.0
    """Standard deviation."""


class Blur(Table):
    """Another table inside a component's."""

    radius: PositiveInt
    """Pixels."""


class Small(GeneratorSpec):
    """A generator."""

    use: ClassVar[str] = "small"
    width: Annotated[int, Field(ge=1, le=1000)] = 8
    """Channels."""
    size: int | Annotated[list[int], Field(min_length=2, max_length=2)] = 28
    """One number or two."""
    activation: Literal["relu", "leaky_relu"] = "relu"
    """After every layer."""
    noise: Noise | None = None
    """Added to the image."""
    change: Noise | Blur | None = None
    """One of two tables."""
    name: str = ""
    """Anything."""


class Large(Small):
    """Another generator, with a key more."""

    use: ClassVar[str] = "large"
    depth: PositiveInt = 3
    """Layers."""


class Conditional(GeneratorSpec):
    """A generator that is told the label."""

    use: ClassVar[str] = "conditional"
    uses_labels: ClassVar[bool] = True


class Critic(DiscriminatorSpec):
    """A discriminator."""

    use: ClassVar[str] = "critic"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of zeros."""


class Plain(LossSpec):
    """A loss."""

    use: ClassVar[str] = "plain"


class Picky(LossSpec):
    """A loss whose own checks go wrong in every way."""

    use: ClassVar[str] = "picky"
    how: Literal["well", "told", "raised", "value"] = "well"
    """What the check does."""

    @field_validator("how")
    @classmethod
    def _fails(cls, how: str) -> str:
        if how == "told":
            raise GanzooError("this loss has moods; write how = 'well'")
        if how == "raised":
            raise ZeroDivisionError("oh")
        return how

    @model_validator(mode="after")
    def _agrees(self) -> Picky:
        if self.how == "value":
            raise ValueError("'how' disagrees with everything")
        return self


class Labelled(LossSpec):
    """A loss that needs labels."""

    use: ClassVar[str] = "labelled"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})


class Penalty(RegularizerSpec):
    """A penalty."""

    use: ClassVar[str] = "penalty"


class Squares(DatasetSpec):
    """Labelled images."""

    use: ClassVar[str] = "squares"


class Blobs(DatasetSpec):
    """Images without labels."""

    use: ClassVar[str] = "blobs"
    labelled: ClassVar[bool] = False


class Momentum(OptimizerSpec):
    """An optimizer."""

    use: ClassVar[str] = "momentum"
    betas: Pair = [0.9, 0.999]  # noqa: RUF012
    """Memory."""


class Descent(OptimizerSpec):
    """Another optimizer."""

    use: ClassVar[str] = "descent"


SPECS: list[type[Spec]] = [
    Small,
    Large,
    Conditional,
    Critic,
    Plain,
    Picky,
    Labelled,
    Penalty,
    Squares,
    Blobs,
    Momentum,
    Descent,
    Adversarial,
]
PLUGIN = Plugin(
    name="toys",
    distribution="ganzoo-toys",
    version="1.0",
    source="entry point",
    path=None,
    sha256="",
    components=tuple((spec.kind, spec.use) for spec in SPECS),
)
REGISTRY = Registry(
    plugins=(PLUGIN,),
    broken=(Broken("bad", "ganzoo-bad 0.1", "ModuleNotFoundError: No module named 'nonsense'"),),
    components={(spec.kind, spec.use): (spec, PLUGIN) for spec in SPECS},
)

RECIPE = """\
[train]
epochs = 2
[dataset]
use = "squares"
[generator]
use = "small"
[discriminator]
use = "critic"
[loss]
use = "plain"
[optimizer.generator]
use = "momentum"
[optimizer.discriminator]
use = "momentum"
"""
"""The smallest whole recipe: 14 lines."""


def written(folder: Path, text: str, name: str = "r.toml") -> Path:
    """Write a recipe and return its file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
