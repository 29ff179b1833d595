"""Text, recipe and header of every seed agree: each statement of 'facts.toml' is held by something.

A statement that the recipe does not follow stands in the header, under what it is: literal,
corrected, inferred or different. What the recipe or its header says beyond the statements is
noticed too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from seed_parts import assembled, seed

from ganzoo.recipe.model import plain
from ganzoo.recipe.source import find_recipe

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
FACTS: dict[str, dict[str, dict[str, list[list[Any]]]]] = tomllib.loads(
    (HERE / "facts.toml").read_text("utf-8")
)
STARTS = {
    "As its text": "Text",
    "Literal": "Literal",
    "Corrected": "Corrected",
    "Inferred": "Inferred",
    "Differs": "Differs",
    "A fault to see": "Fault",
    "Expect": "Expect",
    "Your own": "Yours",
    "Other slopes": "Yours",
    "One key": "Yours",
}
DECLARED = ("Literal", "Corrected", "Inferred", "Differs")
"""Sections of a header whose every sentence a statement stands behind."""
STATEMENTS = 192
"""Found in the five texts and their programs, at least."""


def rows(number: str, name: str) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yield the statements of a recipe with their holders."""
    for group in FACTS[number][name].values():
        for statement, *holders in group:
            yield statement, list(zip(holders[::2], holders[1::2], strict=True))


def sections(header: list[str]) -> dict[str, str]:
    """Return the header's text by section."""
    found: dict[str, list[str]] = {}
    now = ""
    for line in (line.removeprefix("#").strip() for line in header):
        start = next((name for words, name in STARTS.items() if line.startswith(words)), None)
        now = start or (now if line else "")
        found.setdefault(now, []).append(line)
    return {name: " ".join(lines) for name, lines in found.items()}


def header_of(name: str) -> list[str]:
    return find_recipe(name).read_text("utf-8").split("\n\n")[0].splitlines()


def set_keys(name: str) -> set[str]:
    """Return the keys that a recipe's own file sets."""

    def flat(table: dict[str, Any], above: str = "") -> Iterator[str]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from flat(value, f"{above}{key}.")
            else:
                yield f"{above}{key}"

    return set(flat(tomllib.loads(find_recipe(name).read_text("utf-8")))) - {"extends"}


@cache
def all_tests() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(TESTS.rglob("test_*.py")))


@cache
def troubleshooting() -> str:
    page = TESTS.parent / "docs" / "troubleshooting.md"
    return " ".join(page.read_text("utf-8").split())


def complaints(number: str, name: str, header: list[str], *overrides: str) -> list[str]:
    """Return what does not agree about a recipe."""
    recipe = plain(seed(name, *overrides))
    told = sections(header)
    parts = assembled(name, *overrides)
    shapes = {
        f"{letter} {key}": list(value.shape)
        for letter, side in (("G", parts.generator), ("D", parts.discriminator))
        for key, value in side.network.named_parameters()
    }

    def holds(holder: str, value: Any) -> bool:
        if holder == "test":
            return f"def {value}(" in all_tests()
        if holder == "docs":
            return value in troubleshooting()
        if holder in STARTS.values():
            return value in told.get(holder, "")
        if holder[:2] in {"G ", "D "}:
            return bool(shapes.get(holder, False) == value)
        found: Any = recipe
        for key in holder.split("."):
            found = found[key]
        return bool(found == value and type(found) is type(value))

    found, cited, keys = [], dict[str, list[str]](), set[str]()
    for statement, holders in rows(number, name):
        if not holders:
            found.append(f"{statement}: nothing holds it")
        for holder, value in holders:
            if not holds(holder, value):
                found.append(f"{statement}: {holder} is not {value!r}")
            cited.setdefault(holder, []).append(str(value))
            keys.add(holder)
    found += [f"{key}: no statement says so" for key in sorted(set_keys(name) - keys)]
    for section in DECLARED:
        for sentence in re.split(r"(?<=\.)\s+(?=[A-Z`])", told.get(section, "")):
            is_pointer = sentence.startswith("Everything else is ")
            if (
                sentence
                and not is_pointer
                and not any(words in sentence for words in cited.get(section, []))
            ):
                found.append(f"{section}: no statement stands behind {sentence!r}")
    return found


@pytest.mark.parametrize("number", FACTS)
def test_text_recipe_and_header_of_a_seed_agree(number: str) -> None:
    for name in FACTS[number]:
        assert complaints(number, name, header_of(name)) == [], name


def test_there_is_a_statement_for_each_that_was_found() -> None:
    counts = {
        number: sum(1 for name in recipes for _ in rows(number, name))
        for number, recipes in FACTS.items()
    }

    assert sum(counts.values()) >= STATEMENTS, counts
    assert sorted(counts) == ["000", "001", "002", "003", "004"]


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("samples.noise=fresh", "16 latents, drawn once before the loop: samples.noise"),
        ("optimizer.generator.eps=1e-7", "Keras 2.0's epsilon 1e-8: optimizer.generator.eps"),
        ("discriminator.base_channels=32", "5×5 to 64, 128, 256 and 512"),
    ],
)
def test_a_setting_that_leaves_the_text_is_noticed(override: str, complaint: str) -> None:
    found = complaints("003", "seed_keras_mnist", header_of("seed_keras_mnist"), override)

    assert any(complaint in each for each in found), found


def test_a_header_that_says_less_or_more_than_the_statements_is_noticed() -> None:
    header = header_of("seed_keras_mnist")
    less = [line for line in header if "55,000" not in line and "5,000" not in line]
    more = [*header[:-1], "#", "# Differs: it rains.", header[-1]]

    assert any("55,000" in each for each in complaints("003", "seed_keras_mnist", less))
    assert complaints("003", "seed_keras_mnist", more) == [
        "Differs: no statement stands behind 'Differs: it rains.'"
    ]
