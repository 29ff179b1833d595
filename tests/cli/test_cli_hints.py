"""Words of other tools, and things in each other's place: one line says what to type."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from calling import Call

from ganzoo.cli.app import ALIASES, VERBS, ganzoo
from ganzoo.cli.hints import KEYS, OPTIONS
from ganzoo.cli.hints import VERBS as MEANT
from ganzoo.common.errors import there_are
from ganzoo.plugin.registry import load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe

ABLATION = 'base = "dcgan_digits"\nseeds = [0]\nmetrics = ["d/loss"]\n[variants.a]\n'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "dcgan_digits"], "no command 'train'; did you mean 'run'?"),
        (["evaluate"], "did you mean 'measure'?"),
        (["delete", "abcd"], "no command 'delete'; did you mean 'runs remove'?"),
        (["runs", "rm", "abcd"], "no command 'rm'; did you mean 'remove'?"),
        (["runs", "show", "abcd"], "no command 'show'; did you mean 'ganzoo show'?"),
        (["runs", "remov", "abcd"], "no command 'remov'; did you mean 'remove'?"),
        (["sample", "last", "--seed", "x"], "'--seed': 'x' is not a whole number."),
        (["run"], "Begin with: ganzoo run fast_digits"),
        (["play"], "ganzoo play last; all runs: ganzoo runs; a shipped model: zoo:fast_digits"),
        (["sample", "dcgan_digits"], "no run named 'dcgan_digits' under 'runs'; there are none"),
        (["data", "look", "digits"], "'digits' is a dataset"),
        (["new", "recipe", "--from-folder", "photos"],
         "Missing argument 'NAME'. For example: ganzoo new recipe photos --from-folder ~/photos"),
        (["completion"], "'{bash|zsh|fish}'. Choose from: bash, zsh, fish"),
        (["export", "last"], "'--to'. Choose from: safetensors, pt2, onnx, hub, zoo"),
        (["ablate"], "Begin with: ganzoo ablate"),
        (["sample"], "ganzoo sample last"),
        (["run", "dcgan_digits", "--epochs", "3"], "--set train.epochs=3"),
        (["run", "dcgan_digits", "--epochs=3", "--batch-size", "8"],
         "--set train.epochs=3 --set train.batch_size=8"),
        (["run", "dcgan_digits", "--lr", "1e-4"],
         "--set optimizer.generator.lr=1e-4 --set optimizer.discriminator.lr=1e-4"),
        (["run", "dcgan_digits", "--steps"], "--set train.steps=VALUE"),
        (["resume", "abcd", "--epochs", "9"], "--set train.epochs=9"),
        (["ablate", "x.toml", "--epochs", "3"], "under [budget]"),
        (["run", "dcgan_digits", "--gpu"], "Use --device cuda"),
        (["run", "--config", "x.toml"], "ganzoo run x.toml"),
        (["run", "dcgan_digits", "--device", "gpu"], "did you mean 'cuda'?"),
        (["run", "dcgan_digits", "--device", "1"], "did you mean 'cuda:1'?"),
        (["sample", "last", "--device", "GPU"], "did you mean 'cuda'?"),
        (["run", "transpose_vs_upsample"], "ganzoo ablate transpose_vs_upsample"),
        (["run", "mine.toml"], "ganzoo ablate mine.toml"),
        (["check", "mine.toml"], "ganzoo ablate mine.toml"),
        (["ablate", "dcgan_digits"], "ganzoo run dcgan_digits"),
        (["ablate", "recipe.toml"], "ganzoo run recipe.toml"),
        (["run", "last"], "ganzoo resume last"),
        (["run", "mnist"], "dcgan_mnist"),
        (["run", "dcgan"], "no recipe named 'dcgan'; there are dcgan_digits, dcgan_mnist"),
        (["ablate", "mnist"], "there are speedrun_mnist, transfer_mnist,"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_was_meant_is_told_in_one_line(call: Call, words: list[str], said: str) -> None:
    Path("mine.toml").write_text(ABLATION)
    Path("recipe.toml").write_text('extends = "dcgan_digits"\n')

    result = call(*words)

    (line,) = [each for each in result.stderr.splitlines() if said in each]
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) <= 2
    assert len(line) < 420
    assert [path.name for path in Path().iterdir()] == ["mine.toml", "recipe.toml"]


def test_a_hint_names_what_there_is() -> None:
    context = click.Context(ganzoo)
    verbs = {name: ganzoo.get_command(context, name) for name in VERBS}
    flags = {flag for verb in verbs.values() if verb for each in verb.params for flag in each.opts}
    keys = {key for found in KEYS.values() for key in found}
    recipe = load_recipe(find_recipe("dcgan_digits"), load_plugins([])).model_dump()

    assert {each.split()[0] for each in MEANT.values()} <= {*VERBS, "-h", "--version"}
    assert not {*MEANT} & {*VERBS, *ALIASES} - {"validate"}
    assert {each.split()[0] for each in OPTIONS.values()} <= flags
    for key in keys - {"train.steps"}:
        table = recipe
        for part in key.split("."):
            assert part in table, key
            table = table[part]


def test_a_name_that_is_none_is_answered_with_the_likely_ones_first() -> None:
    names = ["acgan_mnist", "dcgan_digits", "dcgan_mnist", "long_dcgan_x_y"]

    assert there_are("dcgan", names, "list") == (
        "; there are dcgan_digits, dcgan_mnist, long_dcgan_x_y and 1 more: list"
    )
    assert there_are("acgan_mnits", names, "list").startswith(
        "; did you mean 'acgan_mnist'? There are acgan_mnist"
    )
    assert there_are("zzz", names, "list") == "; there are 4: list"
    assert there_are("zzz", names, "") == f"; there are {', '.join(names)}"
    assert there_are("zzz", [], "list") == "; there are none"
