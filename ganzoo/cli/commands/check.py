"""``ganzoo check`` and ``ganzoo schema``: recipes without running them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import PluginFiles, json_option, plugin_options, recipe_names, set_option
from ganzoo.common.errors import GanzooError
from ganzoo.training.place import OUT

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe


@click.command(
    cls=Command,
    examples=["ganzoo check mine.toml", "ganzoo check recipes/*.toml --set train.epochs=3"],
)
@click.argument(
    "recipes", nargs=-1, required=True, metavar="RECIPE...", shell_complete=recipe_names
)
@set_option
@plugin_options
@json_option
def check(
    *,
    recipes: tuple[str, ...],
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    as_json: bool,
) -> int:
    """Check recipes; report every mistake with file and line."""
    registry = plugin_files.load(streams.warn)
    reports = [examined(name, registry, overrides) for name in recipes]
    if as_json:
        streams.result(
            [{key: report[key] for key in ("recipe", "ok", "problems")} for report in reports]
        )
    else:
        for report in reports:
            if report["ok"]:
                streams.say(f"{report['recipe']}: ok")
                for text in report["begins"]:
                    streams.tell(f"{report['recipe']}: {text}")
                if report["fallback"]:
                    streams.tell(f"{report['recipe']}: {report['fallback']}")
            else:
                streams.tell(report["text"])
    return 0 if all(report["ok"] for report in reports) else GanzooError.exit_code


def examined(name: str, registry: Registry, overrides: tuple[str, ...]) -> dict[str, Any]:
    """Return what there is to say of one recipe."""
    from ganzoo.cli.hints import recipe_file
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.problems import RecipeError

    recipe, problems, text, begins, fallback = name, [], "", list[str](), ""
    try:
        path = recipe_file(name)
        recipe = str(path)
        checked = load_recipe(path, registry, overrides)
        begins = beginning(checked)
        if checked.fallback is not None:
            used = checked.dataset.use
            fallback = f"if {used!r} is not available, {checked.fallback!r} is run instead"
    except RecipeError as error:
        text = str(error)
        problems = [vars(problem) for problem in error.problems]
    except GanzooError as error:
        text = f"{name}: {error}"
        problems = [{"file": name, "line": 0, "key": "", "message": str(error), "text": ""}]
    return {"recipe": recipe, "ok": not problems, "problems": problems, "text": text,
            "begins": begins, "fallback": fallback}  # fmt: skip


def beginning(recipe: Recipe) -> list[str]:
    """Return what weights a recipe would begin with here; where they are not, that is told."""
    if recipe.init is None or recipe.init.source is None:
        return []
    from ganzoo.runs.given import given_to

    told: list[str] = []
    try:
        found = given_to(recipe, Path(OUT), told.append)
    except GanzooError as error:
        return [*told, f"cannot start here: {error}"]
    there = ", ".join(f"{len(each)} tensors of the {name}" for name, each in found.networks.items())
    step = "" if found.step is None else f", step {found.step:,}"
    return [
        *told,
        f"starts from '{found.path}'{step}: {there}; see what fits: ganzoo run --dry-run",
    ]


@click.command(
    cls=Command,
    examples=["ganzoo schema > recipe.schema.json", "ganzoo schema --plugin my_loss.py"],
)
@plugin_options
def schema(*, plugin_files: PluginFiles) -> None:
    """Print the JSON schema of recipes, for editors.

    An editor applies it to a recipe that starts with: #:schema ./recipe.schema.json
    """
    from ganzoo.recipe.schema import schema as schema_of

    streams.result(schema_of(plugin_files.load(streams.warn)))
