"""Specs in words."""

from __future__ import annotations

import enum
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, NonNegativeFloat, PositiveInt

from ganzoo.plugin.describe import documentation, fields, summary, written
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.specs import OptimizerSpec, Pair
from ganzoo.plugin.table import Table
from ganzoo.recipe.model import Train


class Colour(enum.Enum):
    """Either."""

    GREY = "grey"
    RGB = "rgb"


class Inner(Table):
    """A table."""

    depth: int = 1
    """Depth."""


class Everything(Table):
    """A key of every sort.

    The second paragraph.
    """

    choice: Literal["nearest", "bilinear"] = "nearest"
    """How to
    enlarge."""
    one: Literal["only"] = "only"
    count: PositiveInt
    rate: NonNegativeFloat | None = None
    fraction: Annotated[float, Field(ge=0, lt=1)] = 0.5
    between: Annotated[int, Field(gt=0, le=900_000)] = 1
    fourth: Annotated[int, Field(gt=0, multiple_of=4)] = 4
    below: Annotated[float, Field(le=0)] = -1.0
    switch: bool = False
    betas: Pair = [0.5, 0.999]  # noqa: RUF012
    sizes: list[PositiveInt] = Field(default_factory=lambda: [1, 2])
    some: Annotated[list[Literal["a", "b"]], Field(min_length=1)] = ["a"]  # noqa: RUF012
    several: Annotated[list[bool], Field(min_length=1, max_length=3)] = [True]  # noqa: RUF012
    grid: list[list[int]] = [[1]]  # noqa: RUF012
    mixed: tuple[int, str] = (1, "x")
    auto: int | Literal["auto"] = "auto"
    colour: Colour = Colour.GREY
    text: str = "it's"
    word: Annotated[str, Field(max_length=8, pattern="^[a-z]+$")] = "a"
    file: Path = Path("a/b")
    table: Inner = Inner()
    tables: list[Inner] = Field(default_factory=list)
    weights: dict[str, float] = {"a": 1.0}  # noqa: RUF012
    anything: Any = None


EXPECTED = {
    "choice": ("'nearest' | 'bilinear'", "'nearest'"),
    "one": ("'only'", "'only'"),
    "count": ("integer > 0", "required"),
    "rate": ("number >= 0, or left out", "left out"),
    "fraction": ("number in [0, 1)", "0.5"),
    "between": ("integer in (0, 900000]", "1"),
    "fourth": ("integer > 0, a multiple of 4", "4"),
    "below": ("number <= 0", "-1.0"),
    "switch": ("true | false", "false"),
    "betas": ("list of 2 numbers", "[0.5, 0.999]"),
    "sizes": ("list of integers > 0", "[1, 2]"),
    "some": ("list of at least 1 ('a' | 'b')", "['a']"),
    "several": ("list of 1 to 3 (true | false)", "[true]"),
    "grid": ("list of lists of integers", "[[1]]"),
    "mixed": ("list [integer, text]", "[1, 'x']"),
    "auto": ("integer | 'auto'", "'auto'"),
    "colour": ("'grey' | 'rgb'", "'grey'"),
    "text": ("text", '"it\'s"'),
    "word": ("text of at most 8 characters matching ^[a-z]+$", "'a'"),
    "file": ("path", "'a/b'"),
    "table": ("table with depth", "{depth = 1}"),
    "tables": ("list of tables with depth", "[]"),
    "weights": ("table of numbers", "{a = 1.0}"),
    "anything": ("anything", "left out"),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_key_is_described_in_words_with_its_default_as_a_recipe_writes_it(name: str) -> None:
    [field] = [field for field in fields(Everything) if field.name == name]

    assert (field.type, field.default) == EXPECTED[name]


def test_keys_come_in_the_order_of_their_definition() -> None:
    assert [field.name for field in fields(Everything)] == list(EXPECTED)


def test_help_is_the_docstring_under_the_field_on_one_line() -> None:
    assert fields(Everything)[0].help == "How to enlarge."
    assert fields(OptimizerSpec)[0].help == "Learning rate."
    assert fields(Everything)[1].help == ""


def test_the_summary_is_the_first_line_of_the_documentation() -> None:
    assert summary(Everything) == "A key of every sort."
    assert documentation(Everything) == "A key of every sort.\n\nThe second paragraph."


@pytest.mark.parametrize(
    "value",
    [
        True,
        0,
        10**9,
        1e-8,
        float("inf"),
        "plain",
        "it's",
        'a "quoted" word',
        "two\nlines\tand \\ \x7f",
        [1, [2.5, "x"]],
        {"a": 1, "b": {"c": [True]}, "two words": "x"},
    ],
)
def test_a_written_value_reads_back_equal_as_toml(value: Any) -> None:
    assert tomllib.loads(f"value = {written(value)}")["value"] == value


def test_every_key_of_every_built_in_component_is_described() -> None:
    registry = load_plugins(block={"*"})
    tables = [Train, *(spec for kind in KINDS for spec in registry.specs(kind).values())]

    described = [field for table in tables for field in fields(table)]

    assert len(described) > 100
    assert [field.name for field in described if not field.help or field.type == "anything"] == []
