"""A recipe whose data is not to be had: another that suits what there is runs in its place."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from calling import Call

import ganzoo
from ganzoo.plugin.registry import load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.runs.folder import list_runs

BRIEF = ("--device", "cpu", "--threads", "1", "--offline", "--minutes", "0.00001")
"""One step, and a save."""


def test_it_runs_and_says_so_and_the_folder_has_what_was_run(call: Call) -> None:
    done = call("run", "dcgan_mnist", *BRIEF, "--data", "none", "--seed", "5")
    own = call("run", "fast_digits", *BRIEF, "--seed", "5", "--out", "own")

    (made,), (same,) = list_runs(Path("runs")), list_runs(Path("own"))
    data = made.read_json("environment.json")["data"]
    assert (done.exit_code, own.exit_code) == (0, 0), done.stderr + own.stderr
    assert "'fast_digits' is run instead, on 'digits'" in done.stderr
    assert "ganzoo data get mnist" in done.stderr
    assert "digits: 1,498 images 1×28×28, for 'mnist' is not available" in done.stderr
    assert made.path.parent.name == "fast_digits"
    assert made.recipe.read_bytes() == same.recipe.read_bytes()
    assert tomllib.loads(made.recipe.read_text())["train"]["seed"] == 5
    assert (data["name"], data["wanted"]) == ("digits", "mnist")
    assert Path(made.read_json("origin.json")["in_place_of"]).stem == "dcgan_mnist"
    checkpoint, other = (next(run.checkpoints.iterdir()) for run in (made, same))
    assert checkpoint.read_bytes() == other.read_bytes()


def test_the_same_command_goes_on_with_it_and_resume_does(call: Call) -> None:
    call("run", "dcgan_mnist", *BRIEF, "--data", "none")
    again = call("run", "dcgan_mnist", *BRIEF, "--data", "none", "--resume")
    resumed = call("resume", "last", *BRIEF[:4], "--minutes", "0.00001", "--data", "none")

    (made,) = list_runs(Path("runs"))
    assert (again.exit_code, resumed.exit_code) == (0, 0), again.stderr + resumed.stderr
    assert made.read_json("status.json")["step"] == 3


def test_a_changed_recipe_trains_as_it_says_on_the_other_data(call: Call) -> None:
    call("run", "dcgan_mnist", *BRIEF, "--data", "none", "--set", "train.steps=1")

    (made,) = list_runs(Path("runs"))
    tables = tomllib.loads(made.recipe.read_text())
    assert (tables["generator"]["use"], tables["train"]["steps"]) == ("transpose", 1)
    assert made.read_json("environment.json")["data"]["name"] == "digits"


def test_from_python_it_is_the_same(tmp_path: Path) -> None:
    run = ganzoo.run(
        "dcgan_mnist", out=tmp_path, data=str(tmp_path / "none"), offline=True, minutes=1e-5,
        device="cpu", threads=1, quiet=True,
    )  # fmt: skip

    assert (run.path.parent.name, run.recipe.dataset.use) == ("fast_digits", "digits")


def test_check_shows_it_and_refuses_what_is_not_shipped(call: Call) -> None:
    shown = call("check", "dcgan_mnist")
    wrong = call("check", "dcgan_mnist", "--set", 'fallback="fst_digits"')

    assert "if 'mnist' is not available, 'fast_digits' is run instead" in shown.stderr
    assert (wrong.exit_code, "did you mean 'fast_digits'?" in wrong.stderr) == (2, True)


def test_it_is_neither_inherited_nor_kept_by_a_run_nor_by_a_changed_recipe(tmp_path: Path) -> None:
    own, path = load_plugins(block={"*"}), find_recipe("dcgan_mnist")
    (tmp_path / "other.toml").write_text('extends = "dcgan_mnist"\n')

    assert load_recipe(path, own).fallback == "fast_digits"
    assert load_recipe(path, own, ["train.seed=3"]).fallback == "fast_digits"
    assert load_recipe(path, own, ["train.epochs=3"]).fallback is None
    assert load_recipe(path, own, ["train.epochs=3", 'fallback="fast_digits"']).fallback
    assert load_recipe(tmp_path / "other.toml", own).fallback is None
    assert "fallback" not in json.loads(load_recipe(path, own).model_dump_json())
