"""From an ablation's file to its cells: one checked recipe for each variant and seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganzoo.ablate.plan import VARIANT, Plan, Written
from ganzoo.common.errors import printable, suggest
from ganzoo.recipe.check import check
from ganzoo.recipe.layers import Node, over
from ganzoo.recipe.model import Recipe, differences, digest, freeze
from ganzoo.recipe.problems import Problem, RecipeError
from ganzoo.recipe.source import Source

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry

SEPARATOR = " / "
ID_LENGTH = 12
MOST_CELLS = 10_000


@dataclass(frozen=True)
class Variant:
    """One column of the experiment, over all seeds.

    Attributes:
        levels: the level of each axis.
        changes: what its recipe has that the baseline's has not: (key, baseline's, its own).
    """

    name: str
    levels: dict[str, str]
    recipe: Recipe
    changes: tuple[tuple[str, object, object], ...] = ()


@dataclass(frozen=True)
class Cell:
    """One run to be made; named by the hash of its frozen recipe."""

    id: str
    variant: str
    seed: int
    frozen: str


@dataclass(frozen=True)
class Grid:
    """Everything an ablation will run.

    Attributes:
        axes: the levels of each axis; the first of each make the baseline unless it is named.
        variants: the baseline first.
    """

    name: str
    plan: Plan
    axes: dict[str, list[str]]
    variants: tuple[Variant, ...]
    cells: tuple[Cell, ...]

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return self.variants[0].name


@dataclass(frozen=True)
class _Level:
    axis: str
    name: str
    changes: Node


def expand(
    written: Written, registry: Registry, finish: Callable[[Recipe], Recipe] | None = None
) -> Grid:
    """Resolve and check every cell.

    Args:
        finish: adds to a variant's recipe what only a look at the disk can tell.

    Raises:
        RecipeError: with every mistake in any of them, each told once.
    """
    plan, source = written.plan, written.source
    axes = _axes(source)
    combinations = _combinations(plan, source, axes)
    if len(combinations) * len(plan.seeds) > MOST_CELLS:
        message = f"{len(combinations)} variants × {len(plan.seeds)} seeds; {MOST_CELLS} at most"
        raise RecipeError([source.problem((), message)])
    problems: dict[Problem, None] = {}
    variants = []
    for levels in combinations:
        name = SEPARATOR.join(level.name for level in levels)
        try:
            recipe = check(_resolved(written, levels), registry)
        except RecipeError as error:
            problems |= dict.fromkeys(error.problems)
        else:
            problems |= dict.fromkeys(_unscored(recipe, plan, source))
            if finish is not None:
                recipe = finish(recipe)
            variants.append(Variant(name, {level.axis: level.name for level in levels}, recipe))
    if problems:
        raise RecipeError(list(problems))
    compared = tuple(_compared(variants, source))
    return Grid(
        written.name,
        plan,
        {axis: [level.name for level in levels] for axis, levels in axes.items()},
        compared,
        tuple(_cells(compared, plan.seeds)),
    )


def _axes(source: Source) -> dict[str, list[_Level]]:
    axes: dict[str, list[_Level]] = {}
    variants = source.root.inner("variants")
    if variants is not None and variants.value:
        axes[VARIANT] = [_Level(VARIANT, name, node) for name, node in variants.value.items()]
    tables = source.root.inner("axes")
    problems = []
    for axis, table in (tables.value if tables is not None else {}).items():
        if set(table.value) == {"key", "values"}:
            axes[axis], found = _scalars(source, axis, table)
            problems += found
        else:
            axes[axis] = [_Level(axis, name, node) for name, node in table.value.items()]
        problems += [
            source.problem(("axes", axis, level.name), "needs a table of changes to the recipe")
            for level in axes[axis]
            if not isinstance(level.changes.value, dict)
        ]
        problems += [
            source.problem(("axes", axis, level.name), "a level's name cannot contain '/' or '|'")
            for level in axes[axis]
            if {"/", "|", "\n"} & set(level.name)
        ]
        if not axes[axis]:
            problems.append(source.problem(("axes", axis), "has no levels"))
    if problems:
        raise RecipeError(problems)
    return axes


def _scalars(source: Source, axis: str, table: Node) -> tuple[list[_Level], list[Problem]]:
    """Return the levels of ``{ key = "a.b", values = [1, 2] }``, named by their values."""
    key, values = table.value["key"], table.value["values"]
    if not isinstance(key.value, str) or not key.value:
        return [], [source.problem(("axes", axis, "key"), "needs a dotted key of the recipe")]
    if not isinstance(values.value, list) or not values.value:
        return [], [source.problem(("axes", axis, "values"), "needs a list of values")]
    levels = []
    for node in values.value:
        changes = node
        for part in reversed(key.value.split(".")):
            changes = Node(node.place, {part: changes})
        name = str(node.plain()).replace("/", "∕").replace("|", "¦")
        levels.append(_Level(axis, printable(name, 60), changes))
    if len({level.name for level in levels}) != len(levels):
        return levels, [source.problem(("axes", axis, "values"), "lists a value twice")]
    return levels, []


def _combinations(
    plan: Plan, source: Source, axes: dict[str, list[_Level]]
) -> list[tuple[_Level, ...]]:
    """Return the variants, the baseline first."""
    everything = list(itertools.product(*axes.values()))
    names = {SEPARATOR.join(level.name for level in levels): levels for levels in everything}
    base = next(iter(names))
    if plan.baseline is not None:
        wanted = SEPARATOR.join(part.strip() for part in plan.baseline.split("/"))
        if wanted not in names:
            message = f"no variant named '{printable(wanted, 100)}'{suggest(wanted, names)}"
            raise RecipeError([source.problem(("baseline",), message)])
        base = wanted
    others = [levels for name, levels in names.items() if name != base]
    if plan.mode == "one_at_a_time":
        others = [
            levels
            for levels in others
            if sum(a is not b for a, b in zip(levels, names[base], strict=True)) == 1
        ]
    return [names[base], *others]


def _resolved(written: Written, levels: Sequence[_Level]) -> Source:
    """Lay the shared changes, the levels' changes and the budget over the base recipe."""
    source, plan = written.source, written.plan
    problems: list[Problem] = []
    root = written.base.root
    shared = source.root.inner("recipe")
    for changes in [*([] if shared is None else [shared]), *(level.changes for level in levels)]:
        root = over(root, changes, problems)
    if problems:
        raise RecipeError(problems)
    table = dict(root.value)
    train = table.get("train")
    inner = dict(train.value) if train is not None and isinstance(train.value, dict) else {}
    budget = source.root.inner("budget")
    assert budget is not None
    for unit in ("steps", "epochs"):
        if getattr(plan.budget, unit) is not None:
            inner.pop("steps", None)
            inner.pop("epochs", None)
            inner[unit] = budget.value[unit]
    seeds = source.root.inner("seeds")
    assert seeds is not None
    inner["seed"] = seeds.value[0]
    table["train"] = Node(budget.place, inner)
    return Source(source.file, Node(root.place, table))


def _unscored(recipe: Recipe, plan: Plan, source: Source) -> Iterator[Problem]:
    """Yield the metrics that a recipe does not take; terms of the log have a '/' in their names."""
    scores = {f"{spec.label}_{name}" if spec.label else name: spec
              for spec in recipe.metric for name in spec.scores}  # fmt: skip
    terms = False
    for at, metric in enumerate(plan.metrics):
        if "/" in metric:
            terms = True
        elif metric not in scores:
            known = f"; it has {', '.join(map(repr, scores))}" if scores else ""
            message = (
                f"the recipe has no such score{suggest(metric, scores) or known}; add a metric "
                "that gives it: [[recipe.metric]] with use = ..."
            )
            yield source.problem(("metrics", at), message)
    if plan.budget.minutes is not None and not terms and not recipe.measure.every:
        message = "cells with a time limit are scored during training; add recipe.measure.every"
        yield source.problem(("budget", "minutes"), message)


def _compared(variants: Sequence[Variant], source: Source) -> Iterator[Variant]:
    """Yield the variants with what sets them apart; two equal ones are a mistake."""
    seen: dict[str, str] = {}
    problems = []
    for variant in variants:
        name = digest(variant.recipe)
        if name in seen:
            message = f"'{seen[name]}' and '{variant.name}' are the same recipe"
            problems.append(source.problem((), printable(message, 300)))
        seen[name] = variant.name
        changes = tuple(differences(variants[0].recipe, variant.recipe))
        yield Variant(variant.name, variant.levels, variant.recipe, changes)
    if problems:
        raise RecipeError(problems)


def _cells(variants: Sequence[Variant], seeds: Sequence[int]) -> Iterator[Cell]:
    """Yield seed by seed, so that an interrupted experiment has whole pairs."""
    for seed in seeds:
        for variant in variants:
            recipe = with_seed(variant.recipe, seed)
            yield Cell(digest(recipe)[:ID_LENGTH], variant.name, seed, freeze(recipe))


def with_seed(recipe: Recipe, seed: Any) -> Recipe:
    """Return the recipe with another seed."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
