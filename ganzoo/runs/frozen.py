"""The recipe in a run's folder: complete by itself, and read from there alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ganzoo.common.errors import GanzooError
from ganzoo.common.inside import open_inside
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.toml import parse

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
from ganzoo.runs.folder import RunDir


def frozen_tables(run: RunDir) -> dict[str, Any]:
    """Return the recipe of ``run`` as it is written, without loading any plugin.

    Raises:
        RefusedError: if it is a link, or no regular file.
        GanzooError: if it extends another, as only recipes outside run folders do.
        RecipeError: if it is no TOML within the limits of a recipe.
    """
    try:
        open_inside(run.path, run.recipe.name).close()
    except OSError as error:
        raise GanzooError(f"'{run.recipe}' cannot be read: {error.strerror}") from error
    root = parse(run.recipe)
    if root.inner("extends") is not None:
        raise GanzooError(
            f"'{run.recipe}' extends another recipe; a run's recipe must be "
            "complete: remove 'extends'"
        )
    tables: dict[str, Any] = root.plain()
    return tables


def frozen_recipe(run: RunDir, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check the recipe of ``run`` with ``key=value`` overrides.

    Raises:
        GanzooError: as ``frozen_tables``.
        RecipeError: with every mistake in it.
    """
    frozen_tables(run)
    return load_recipe(run.recipe, registry, overrides)
