"""Time to quality: what may enter a track, what counts as a record, and that a file repeats it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from small_recipe import small

from ganzoo.ablate import speedrun as rules
from ganzoo.ablate.speedrun import Track, Try, report, track_named, tracks
from ganzoo.cli.app import ganzoo as command
from ganzoo.cli.commands.speedrun import shown
from ganzoo.common.errors import GanzooError
from ganzoo.plugin.registry import Registry, load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe
from ganzoo.recipe.source import find_recipe

MACHINE = {"device": "cpu", "device_name": "this one", "threads": 1, "precision": "fp32"}
PLUGIN = '''
from ganzoo.api import LossSpec, hookimpl

class Stranger(LossSpec):
    """Least squares."""

    use = "strangers"

    def discriminator_terms(self, ctx):
        real, fake = ctx.real_logits - 1, ctx.fake_logits
        return {"real": real.square().mean(), "fake": fake.square().mean()}

    def generator_terms(self, ctx):
        return {"adversarial": (ctx.fake_logits - 1).square().mean()}

@hookimpl
def ganzoo_losses():
    return [Stranger]
'''


@pytest.fixture(scope="module")
def own() -> Registry:
    return load_plugins(block={"*"})


@pytest.fixture(scope="module")
def recipe(own: Registry) -> Recipe:
    return load_recipe(find_recipe("fast_digits"), own)


def times(*seconds: float | None) -> list[Try]:
    return [
        Try(seed, each, 100, 1.4, 0.0, [(100, each or 9.0, 1.4)], "" if each else "not there")
        for seed, each in enumerate(seconds)
    ]


def told(track: Track, recipe: Recipe, tries: list[Try], **changes: Any) -> dict[str, Any]:
    found = {"machine": MACHINE, "network": track.network, "counted": "processor", **changes}
    return report(track, "mine", recipe, tries, found)


@pytest.fixture
def held() -> Track:
    record = {"recipe": "fast_digits", "seconds": 90.0, "low": 80.0, "high": 101.0, "seeds": 3,
              "machine": MACHINE}  # fmt: skip
    return replace(track_named("digits"), record=record)


def test_the_mean_is_geometric_with_the_t_interval_of_logarithms(
    recipe: Recipe, held: Track
) -> None:
    found = told(held, recipe, times(10.0, 20.0, 40.0))

    assert found["seconds"] == pytest.approx(20.0)
    # log 2 · t(0.975, 2) / √3 on either side
    assert found["high"] / found["seconds"] == pytest.approx(2 ** (4.3026527 / 3**0.5), rel=1e-6)
    assert found["low"] * found["high"] == pytest.approx(400.0)


@pytest.mark.parametrize(
    ("seconds", "changes", "reason"),
    [
        ((50.0, 51.0, 52.0), {}, None),
        ((50.0, 51.0), {}, "2 of at least 3 seeds"),
        ((50.0, None, 52.0), {}, "seed 1: not there"),
        ((50.0, 51.0, 52.0), {"network": "0" * 64}, "features of 000000000000"),
        ((89.0, 90.0, 88.0), {}, "the record is 90.0 s"),
        ((50.0, 51.0, 52.0), {"machine": MACHINE | {"threads": 2}}, "set on another machine"),
    ],
)
def test_only_what_is_surely_quicker_on_equal_terms_is_a_record(
    recipe: Recipe,
    held: Track,
    seconds: tuple[float | None, ...],
    changes: dict[str, Any],
    reason: str | None,
) -> None:
    found = told(held, recipe, times(*seconds), **changes)

    assert found["is_record"] == (reason is None)
    if reason is not None:
        assert any(reason in each for each in found["why_no_record"])


def test_beside_the_records_recipe_the_machine_does_not_matter(recipe: Recipe, held: Track) -> None:
    found = {"machine": MACHINE | {"threads": 7}, "network": held.network, "counted": "processor"}
    mine, others = times(10.0, 11.0, 12.0), times(20.0, 21.5, 24.0)

    assert report(held, "mine", recipe, mine, found, others)["is_record"]
    assert not report(held, "mine", recipe, others, found, mine)["is_record"]
    # Both were scored in what this machine has.
    assert report(held, "mine", recipe, mine, found | {"network": "0" * 64}, others)["is_record"]


def test_other_data_and_given_weights_may_not_enter(own: Registry) -> None:
    track = track_named("mnist")
    entering = load_recipe(
        find_recipe("fast_mnist"), own, ["dataset.classes=[1]", "init.from=zoo:fast_digits"]
    )

    with pytest.raises(GanzooError) as refused:
        rules.entered(track, entering, own)

    assert "is of all of 'mnist'" in str(refused.value)
    assert "starts without given weights" in str(refused.value)


def test_every_track_has_a_recipe_that_may_enter_it(own: Registry) -> None:
    for track in tracks().values():
        rules.entered(track, load_recipe(find_recipe(track.recipe), own), own)

    with pytest.raises(GanzooError, match="did you mean 'digits'"):
        track_named("digit")


def test_the_plain_loop_is_printed_beside_the_record(
    recipe: Recipe, held: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    track = replace(held, plain="not there after 1,610 steps, 240 s")

    shown(track, told(track, recipe, times(50.0, 51.0, 52.0)))

    assert "pytorch/examples: not there after 1,610 steps, 240 s" in capsys.readouterr().err
    assert "plain" not in track.fixed()


def test_a_file_that_no_speedrun_wrote_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"speedrun": 1}')

    done = CliRunner().invoke(command, ["speedrun", str(file)])

    assert done.exit_code == 2
    assert "is not a file that a speedrun wrote" in done.stderr


@pytest.mark.slow
def test_a_strangers_recipe_runs_and_its_file_repeats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("strangers.py").write_text(PLUGIN)
    Path("mine.toml").write_text(small(steps=3, loss="strangers"))

    def call(*words: str) -> dict[str, Any]:
        place = ("--plugin", "strangers.py", "--device", "cpu", "--threads", "1", "--json")
        done = CliRunner().invoke(command, ["speedrun", *words, *place])
        assert done.exit_code == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    first = call("digits", "--recipe", "mine.toml", "--seeds", "2", "--set", "train.seed=4")
    again = call("speedrun-digits.json", "--file", "again.json")

    assert (first["recipe"], first["seeds"], first["is_record"]) == ("mine", [4, 5], False)
    assert [each["steps"] for each in first["tries"]] == [3, 3]
    assert first["tries"][0]["looks"][0][1] > 0
    assert [each["frechet"] for each in first["tries"]] == [
        each["frechet"] for each in again["tries"]
    ]
    assert (first["frozen"], again["seeds"]) == (again["frozen"], [4, 5])
    assert first["network"]
