"""``ganzoo new recipe``: what it writes checks, and nothing is overwritten or left half made."""

from __future__ import annotations

from pathlib import Path

import pytest
from calling import Call, parsed

import ganzoo
from ganzoo.recipe.source import shipped


def test_a_copy_is_the_same_recipe(call: Call, tmp_path: Path) -> None:
    found = parsed(call("new", "recipe", "mine", "--from", "wgan_mnist", "--json"))

    assert Path(found["file"]) == Path("mine.toml")
    assert ganzoo.load(tmp_path / "mine.toml") == ganzoo.load("wgan_mnist")
    assert "#:schema" not in (tmp_path / "mine.toml").read_text()


def test_chosen_parts_lie_over_the_recipe_they_begin_from(call: Call, tmp_path: Path) -> None:
    done = call("new", "recipe", "mine", "--dataset", "digits", "--loss", "hinge")

    recipe = ganzoo.load(tmp_path / "mine.toml")
    base = ganzoo.load("dcgan_mnist")
    assert done.exit_code == 0, done.output
    assert (recipe.dataset.use, recipe.loss.use) == ("digits", "hinge")
    assert recipe.generator == base.generator.model_copy(update={"scales": "auto"})


def test_a_file_that_is_there_stays_as_it_is(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("mine")

    done = call("new", "recipe", "mine", "--from", "dcgan_mnist")

    assert done.exit_code == 2
    assert "already exists" in done.output
    assert (tmp_path / "mine.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mine", "--loss", "hing"), "hinge"),
        (("mine", "--from", "dcgan_mnits"), "dcgan_mnist"),
        (("../mine", "--from", "dcgan_mnist"), "is not a recipe name"),
        (("mine",), "not a terminal, so cannot ask"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    call: Call, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = call("new", "recipe", *words)

    assert done.exit_code == 2
    assert told in done.output
    assert not list(tmp_path.glob("**/*.toml"))


def test_recipes_are_listed_with_what_to_expect(call: Call) -> None:
    rows = {row["name"]: row for row in parsed(call("list", "recipes", "--json"))}

    assert rows["dcgan_mnist"]["about"].startswith("DCGAN on MNIST")
    assert all(row["about"].endswith((".", "?")) for row in rows.values())
    assert "steps" in rows["dcgan_mnist"]["expect"]
    assert "Expect:" not in rows["dcgan_mnist"]["expect"]


def test_recipes_are_listed_a_line_each_under_what_they_train_on(call: Call) -> None:
    lines = call("list", "recipes").stdout.splitlines()

    titles = [line for line in lines if line and not line.startswith(" ")]
    title, of = "", {}
    for line in lines:
        if line.startswith(" "):
            of[line.split()[0]] = title
        elif line:
            title = line
    assert set(of) == set(shipped())
    assert [titles[0], titles[1], titles[-1]] == [
        "scikit-learn's digits, no download:", "MNIST:", "tutorials:"
    ]  # fmt: skip
    assert of["wgan_mnist"] == "MNIST:"  # it extends dcgan_mnist, which names the dataset
    assert of["cyclegan_folders"] == "pairs and two folders of pictures:"
    assert of["toy_grid_pacgan"] == "points:"
    assert of["seed_keras_mnist"] == "tutorials:"
