"""The ablation file: a base recipe, variants and axes, seeds, metrics and a budget."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from ganzoo.common.errors import GanzooError, printable, there_are
from ganzoo.plugin.table import Table
from ganzoo.recipe.check import problems_of
from ganzoo.recipe.model import Count
from ganzoo.recipe.problems import RecipeError
from ganzoo.recipe.source import Source, find_recipe, read_source, shipped_ablations
from ganzoo.recipe.toml import parse

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^/|\s][^/|\n]*$")]

VARIANT = "variant"
"""The axis that the named variants are levels of."""


class Budget(Table):
    """How long each cell trains: set one of these."""

    steps: Count | None = None
    """Number of steps, each an update of both networks."""
    epochs: Count | None = None
    """Passes over the data."""
    minutes: PositiveFloat | None = None
    """Training time; the recipe's own end applies too. Such cells are not reproducible bit for \
bit."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len([1 for value in (self.steps, self.epochs, self.minutes) if value]) != 1:
            raise ValueError("needs exactly one of steps, epochs and minutes")
        return self

    def __str__(self) -> str:
        if self.steps is not None:
            return f"{self.steps:,} steps"
        if self.epochs is not None:
            return f"{self.epochs:,} epoch{'s' * (self.epochs != 1)}"
        return f"{self.minutes:g} minutes"


class Plan(Table):
    """An ablation as its file says it."""

    question: str = ""
    """The question the ablation answers, in one sentence."""
    base: str = Field(examples=["dcgan_mnist"])
    """The recipe that all cells start from: a file next to this one, or a shipped recipe."""
    seeds: list[Seed] = Field(min_length=1, max_length=1000, examples=[[0, 1, 2]])
    """Shared by all variants: data order and fixed latents of a seed are the same, so they pair."""
    metrics: list[str] = Field(min_length=1, max_length=32, examples=[["frechet"]])
    """Scores to compare, the primary one first."""
    baseline: str | None = None
    """The variant that all others are compared with; join levels of several axes with ' / '."""
    mode: Literal["grid", "one_at_a_time"] = "grid"
    """Every combination of levels, or the baseline and each single change to it."""
    budget: Budget = Field(examples=[{"steps": 1000}])
    """How long each cell trains: steps, epochs or minutes."""
    recipe: dict[str, Any] = Field(default_factory=dict)
    """Changes to the base that all cells share."""
    variants: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Named sets of changes to the recipe."""
    axes: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """For each axis, named sets of changes, or a ``key`` of the recipe and its ``values``."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        problems = []
        if not self.variants and not self.axes:
            problems.append("has neither [variants.NAME] nor [axes.NAME], so nothing to compare")
        if self.variants and VARIANT in self.axes:
            problems.append(f"has [variants] and an axis named '{VARIANT}'; rename the axis")
        for name in ("seeds", "metrics"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                problems.append(f"{name} lists a value twice")
        if problems:
            raise ValueError("; ".join(problems))
        return self


@dataclass(frozen=True)
class Written:
    """A plan with the trees it was written in.

    Attributes:
        name: of the experiment: the file's stem.
        source: the file's own tree.
        base: the base recipe's tree.
    """

    name: str
    path: Path
    plan: Plan
    source: Source
    base: Source


def read_plan(name: str, registry: Registry) -> Written:
    """Read an ablation file, or the shipped one of that name, and its base recipe.

    Raises:
        RecipeError: with every mistake in the file, apart from what its cells are made of.
    """
    path = find_ablation(name)
    root = parse(path)
    source = Source(root.place.file, root)
    plan, problems, count = problems_of(source, registry, Plan)
    if plan is None or problems:
        raise RecipeError(problems, count)
    return Written(path.stem, path, plan, source, _base(source, plan, path))


def _base(source: Source, plan: Plan, path: Path) -> Source:
    for near in (path.parent / plan.base, path.parent / f"{plan.base}.toml"):
        if near.is_file() and not near.samefile(path):
            return read_source(near)
    try:
        return read_source(find_recipe(plan.base))
    except RecipeError:
        raise
    except GanzooError as error:
        raise RecipeError([source.problem(("base",), printable(str(error)))]) from None


def find_ablation(name: str) -> Path:
    """Return the file of that name, or the ablation ganzoo ships under it.

    Raises:
        GanzooError: if there is neither.
    """
    known = shipped_ablations()
    stem = name.removesuffix(".toml")
    if os.path.isfile(name) or (stem not in known and name and os.path.lexists(name)):
        return Path(name)
    if stem in known:
        return known[stem]
    raise GanzooError(
        f"no ablation named '{printable(name, 100)}'{there_are(stem, known, '')}; or give the path "
        "of a .toml file"
    )
