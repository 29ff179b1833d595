"""The JSON schema for editors: what it accepts, what it refuses, what it says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from toys import RECIPE, REGISTRY

from ganzoo.plugin import registry
from ganzoo.recipe.schema import schema
from ganzoo.recipe.source import shipped

jsonschema = pytest.importorskip("jsonschema", reason="pip install jsonschema")

COMMITTED = Path(__file__).parents[2] / "recipes" / "recipe.schema.json"


def mistakes(text: str, whole: dict[str, Any] | None = None) -> list[str]:
    whole = whole or schema(REGISTRY)
    validator = jsonschema.validators.validator_for(whole)
    return [error.message for error in validator(whole).iter_errors(tomllib.loads(text))]


def test_it_is_a_valid_schema() -> None:
    whole = schema(REGISTRY)

    jsonschema.validators.validator_for(whole).check_schema(whole)

    assert "x-ganzoo-kind" not in json.dumps(whole)


def test_every_shipped_recipe_fits_it() -> None:
    whole = schema(registry.load_plugins(block={"*"}))

    for path in shipped().values():
        assert mistakes(path.read_text(encoding="utf-8"), whole) == []


@pytest.mark.parametrize(
    "text",
    [
        RECIPE,
        RECIPE.replace('"small"', '"large"\ndepth = 3'),
        RECIPE + "[generator.noise]\nscale = 2.0\n",
        RECIPE + '[[regularizer]]\nuse = "penalty"\nweight = 2\n',
        RECIPE.replace("[train]", 'requires = ["toys"]\n[train]'),
        'extends = "dcgan_mnist"\n',
        'extends = "dcgan_mnist"\n[generator]\nwidth = 3\n[optimizer.generator]\nlr = 1e-3\n',
        'extends = "dcgan_mnist"\n[generator]\nuse = "large"\ndepth = 3\n',
    ],
)
def test_it_accepts_good_recipes(text: str) -> None:
    assert mistakes(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        RECIPE + "[zoo]\n",
        RECIPE.replace("epochs", "epoch"),
        RECIPE.replace("epochs = 2", "epochs = 0"),
        RECIPE.replace("epochs = 2", 'epochs = "2"'),
        RECIPE.replace('"small"', '"smal"'),
        RECIPE.replace('"small"', '"plain"'),
        RECIPE.replace('use = "small"', "width = 3"),
        RECIPE.replace('"small"', '"small"\ndepth = 3'),
        RECIPE.replace('"small"', '"small"\nwidth = 2000'),
        RECIPE.replace('[optimizer.generator]\nuse = "momentum"\n', ""),
        RECIPE + "[generator.noise]\nscale = 0.0\n",
        RECIPE + "[generator.noise]\nscael = 1.0\n",
        RECIPE + "[[regularizer]]\nweight = 2\n",
        RECIPE + '[regularizer]\nuse = "penalty"\n',
        'extends = "dcgan_mnist"\n[generator]\nchanels = 3\n',
        "extends = 3\n",
    ],
)
def test_it_refuses_bad_recipes(text: str) -> None:
    assert mistakes(text) != []


def test_it_says_what_the_docstrings_say() -> None:
    whole = schema(REGISTRY)

    large = whole["$defs"]["generator.large"]
    assert large["description"] == "Another generator, with a key more."
    assert large["properties"]["depth"]["description"] == "Layers."
    assert large["properties"]["use"] == {"const": "large"}
    assert large["required"] == ["use"]
    assert whole["$defs"]["Train"]["properties"]["seed"]["description"] == (
        "Seed of all random numbers."
    )


def test_the_committed_copy_is_current() -> None:
    current = schema(registry.load_plugins(block={"*"}))

    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == current, (
        "write it anew: ganzoo schema --block '*' > recipes/recipe.schema.json"
    )
