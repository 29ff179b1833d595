"""A kind of component is one row: everything that knows kinds learns of it there."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, get_args

import pytest
from click.testing import CliRunner
from plugin_shelf import Shelf
from pydantic import Field, create_model

from ganzoo import testing
from ganzoo.cli.app import ganzoo
from ganzoo.plugin import kinds, registry, scaffold
from ganzoo.plugin.kinds import KINDS, Kind
from ganzoo.plugin.specs import Spec
from ganzoo.recipe import check, schema
from ganzoo.recipe.component import ByUse
from ganzoo.recipe.model import Optimizers, Recipe
from ganzoo.recipe.problems import RecipeError
from ganzoo.recipe.source import find_recipe
from ganzoo.testing.findings import Case
from ganzoo.testing.targets import of_names

TEMPLATE = '''"""A prior."""

from typing import ClassVar

from tempkinds import PriorSpec


class $name(PriorSpec):
    """Latents on a sphere."""

    use: ClassVar[str] = "$use"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    radius: float = 1.0
    """Of the sphere."""

    def draw(self):
        """Return the radius."""
        return self.radius
'''
ENTRY = """from ganzoo.api import hookimpl
from $module.$kind import $name

GANZOO_API = 1


@hookimpl
def $hook():
    return [$name]
"""
NAME = "ganzoo-sphere"


class PriorSpec(Spec):
    """Where latents come from."""

    kind: ClassVar[str] = "prior"
    needs: ClassVar[frozenset[str]] = frozenset()

    def draw(self) -> float:
        """Return a number."""
        raise NotImplementedError


def cases(spec: PriorSpec, sure: bool = False) -> list[Case]:
    """Return what a prior promises."""
    claim = f"draws{' surely' if sure else ''}"
    return [Case(f"prior '{spec.use}'", claim, lambda: [] if spec.draw() else ["zero"])]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A kind 'prior' in the table, and an installed package with one."""
    row = Kind(
        "prior",
        "priors",
        "list",
        must_define=("draw",),
        sees_views=True,
        asked=frozenset({"sure"}),
        also=("origins",),
        module="tempkinds",
    )
    monkeypatch.setitem(kinds.KINDS, "prior", row)
    for name, content in {"tempkinds": PriorSpec, row.checks: cases}.items():
        module = ModuleType(name)
        vars(module)[content.__name__] = content
        monkeypatch.setitem(sys.modules, name, module)
    shipped = scaffold.template
    own = {row.template: TEMPLATE, "__init__.py.txt": ENTRY}
    monkeypatch.setattr(scaffold, "template", lambda file: own.get(file) or shipped(file))
    monkeypatch.syspath_prepend(str(tmp_path))
    shelf = Shelf(tmp_path)
    for path, text in scaffold.package(NAME, "prior").items():
        if path.startswith("src/"):
            shelf.put(path.removeprefix("src/"), text)
    shelf.register(NAME, [("sphere", "ganzoo_sphere")], "0.1")
    yield shelf
    shelf.forget()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> type[Recipe]:
    """The recipe with a list of priors."""
    place: Any = (
        list[Annotated[PriorSpec, ByUse()]],
        Field(default_factory=list, max_length=4),
    )
    wider = create_model("Recipe", __base__=Recipe, prior=place)
    monkeypatch.setattr(check, "Recipe", wider)
    monkeypatch.setattr(schema, "Recipe", wider)
    return wider


def call(*words: str) -> str:
    result = CliRunner().invoke(ganzoo, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("shelf")
def test_a_new_kind_is_loaded_and_looked_up() -> None:
    found = registry.load_plugins()

    assert found.broken == ()
    assert list(found.specs("prior")) == ["sphere"]
    assert found.owner("prior", "sphere").distribution == NAME


def test_the_contract_of_a_new_kind_is_checked(shelf: Shelf) -> None:
    shelf.put(
        "lazy.py",
        TEMPLATE.split("    def draw")[0].replace("$name", "Lazy").replace("$use", "lazy")
        + "\n\nfrom ganzoo.api import hookimpl\n\n\n"
        "@hookimpl\ndef ganzoo_priors():\n    return [Lazy]\n",
    )
    shelf.register("ganzoo-lazy", [("lazy", "lazy")], "0.1")

    (broken,) = registry.load_plugins().broken

    assert "Lazy: it does not define draw()" in str(broken)


@pytest.mark.usefixtures("shelf")
def test_a_new_kind_is_listed_and_shown() -> None:
    for word in ("prior", "priors", "origins"):
        assert [row["use"] for row in json.loads(call("list", word, "--json"))] == ["sphere"]
        assert "Latents on a sphere" in call("show", f"{word}/sphere")
    assert "prior" in json.loads(call("list", "all", "--json"))


@pytest.mark.usefixtures("shelf")
def test_a_new_kind_is_checked_by_its_own_module() -> None:
    found = registry.load_plugins()

    report = testing.Report.of(of_names(found, NAME, {"sure": True, "root": None}))

    report.raise_for_problems()
    assert "draws surely" in [finding.claim for finding in report.findings]


@pytest.mark.usefixtures("shelf")
def test_a_new_kind_is_begun_with_a_line_that_tries_it(tmp_path: Path) -> None:
    written = scaffold.write("ganzoo-cube", "prior", tmp_path / "new")

    readme = written[tmp_path / "new/ganzoo-cube/README.md"]
    assert "--set 'prior=[{use=\"cube\"}]'" in readme


@pytest.mark.usefixtures("model", "shelf")
def test_a_new_kind_is_chosen_and_checked_in_recipes() -> None:
    found = registry.load_plugins()
    path = find_recipe("dcgan_digits")

    recipe = check.load_recipe(path, found, ["prior=[{use='sphere', radius=2.0}]"])
    with pytest.raises(RecipeError) as caught:
        check.load_recipe(path, found, ["prior=[{use='sphere', radios=2.0}, {use='cube'}]"])

    assert recipe.model_dump()["prior"] == [{"use": "sphere", "radius": 2.0}]
    assert "did you mean 'radius'" in str(caught.value)
    assert "no prior named 'cube'" in str(caught.value)


@pytest.mark.usefixtures("model", "shelf")
def test_labels_and_views_are_asked_after_for_a_new_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    found, prior = registry.load_plugins(), "prior=[{use='sphere'}]"
    path = find_recipe("dcgan_digits")
    check.load_recipe(path, found, [prior])

    with pytest.raises(RecipeError, match=r"prior(\.0)?\.use: needs a label for each image"):
        check.load_recipe(path, found, [prior, "view=[{use='pack'}]"])
    monkeypatch.setattr(found.find("dataset", "digits"), "labelled", False)
    with pytest.raises(RecipeError, match=r"prior(\.0)?\.use: needs labels, and the dataset"):
        check.load_recipe(path, found, [prior])


@pytest.mark.usefixtures("model", "shelf")
def test_the_schema_has_a_new_kind() -> None:
    whole = schema.schema(registry.load_plugins())

    assert whole["properties"]["prior"]["items"] == {"$ref": "#/$defs/prior"}
    assert whole["$defs"]["prior.sphere"]["properties"]["radius"]["type"] == "number"
    assert whole["else"]["properties"]["prior"] == {"items": {"required": ["use"]}}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_has_its_place_in_a_recipe(kind: Kind) -> None:
    field = Recipe.model_fields[kind.name]

    if kind.place == "list":
        assert get_args(get_args(field.annotation)[0])[0] is kind.spec
    elif kind.place == "table":
        assert field.annotation is kind.spec
    else:
        assert field.annotation is Optimizers
        assert {one.annotation for one in Optimizers.model_fields.values()} == {kind.spec}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_words_that_try_a_component_choose_it(kind: Kind) -> None:
    words = kind.choosing("mine").removeprefix("--set ").strip("'")

    key, _, value = words.partition("=")
    text = f"{key} = {value if kind.place == 'list' else repr(value)}"
    chosen = [table["use"] for _, table in kind.tables(tomllib.loads(text)) if "use" in table]
    assert chosen == ["mine"]


@pytest.mark.parametrize("words", [("list",), ("new", "plugin")])
def test_help_names_every_kind(words: tuple[str, ...]) -> None:
    told = " ".join(call(*words, "--help").split())

    for kind in KINDS.values():
        assert any(word in told for word in (kind.name, *kind.also))
