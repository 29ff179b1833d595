"""A run that goes wrong is told so, with changes that its recipe takes; a healthy one is not."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import ganzoo
from ganzoo.cli.summaries import judged
from ganzoo.plugin.registry import Registry, load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import freeze
from ganzoo.recipe.source import shipped
from ganzoo.runs.evidence import Evidence
from ganzoo.runs.folder import RunDir
from ganzoo.runs.rules import LAST, RULES, Change
from ganzoo.runs.verdict import command, holding, verdict
from ganzoo.session import Run

SMALL = {
    "train.epochs": 10_000,
    "train.batch_size": 16,
    "train.log_every": 10,
    "generator.base_channels": 4,
    "discriminator.base_channels": 4,
    "samples.rows": 4,
    "samples.columns": 4,
    "samples.every": 50,
    "metric": [],
}
RING = {"train.log_every": 20, "train.batch_size": 64, "measure.every": 0, "measure.samples": 1000}
FEW = '''
"""Sixteen digits to train on."""

from dataclasses import replace
from typing import ClassVar

from ganzoo.api import hookimpl
from ganzoo_datasets.digits import Digits


class FewDigits(Digits):
    """The first sixteen digits."""

    use: ClassVar[str] = "few_digits"

    def build(self, root, split="train"):
        found = super().build(root, split)
        if split == "test":
            return found
        return replace(found, images=found.images[:16], labels=found.labels[:16])


@hookimpl
def ganzoo_datasets():
    return [FewDigits]
'''


def trained(
    out: Path, recipe: str, overrides: Mapping[str, object], plugins: tuple[Path, ...] = ()
) -> Run:
    """Return a finished run."""
    return ganzoo.run(
        recipe, overrides, out=out, device="cpu", threads=1, offline=True, quiet=True,
        plugins=plugins,
    )  # fmt: skip


def keys(run: Run) -> list[str]:
    """Return all that the verdict on a run says to set."""
    return [key for each in run.result["verdict"]["attempts"] for key in each["keys"]]


# Runs that were made to fail


@pytest.mark.filterwarnings("ignore")
def test_rates_that_move_nothing_are_told_with_a_usual_rate(tmp_path: Path) -> None:
    still = {"optimizer.generator.lr": 1e-7, "optimizer.discriminator.lr": 1e-7}

    run = trained(tmp_path, "toy_ring", RING | still | {"train.steps": 100})

    assert run.result["verdict"]["name"] == "stands_still"
    assert "optimizer.generator.lr=0.0002" in keys(run)


@pytest.mark.filterwarnings("ignore")
def test_a_discriminator_at_a_hundred_times_the_rate_wins(tmp_path: Path) -> None:
    fast = {"optimizer.discriminator.lr": 2e-2, "train.steps": 100}

    run = trained(tmp_path, "dcgan_digits", SMALL | fast)

    found = run.result["verdict"]
    assert found["name"] == "discriminator_wins"
    assert found["text"].startswith("The discriminator wins: accuracy 1.00 and loss 0.0")
    assert keys(run)[0] == "optimizer.discriminator.lr=0.0002"


@pytest.mark.filterwarnings("ignore")
def test_a_generator_that_makes_one_thing_has_collapsed(tmp_path: Path) -> None:
    one = {"latent.prior": "truncated", "latent.truncation": 0.01}  # all latents nearly alike

    run = trained(tmp_path, "toy_ring", RING | one | {"train.steps": 510})

    assert run.result["verdict"]["name"] == "collapsed"
    assert keys(run)[:2] == ["loss.use=wasserstein", 'regularizer=[{ use = "gradient_penalty" }]']
    assert run.result["verdict"]["reached"].startswith("high_quality 0.0")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_generator_cut_from_its_gradient_is_told_to_have_it(tmp_path: Path) -> None:
    cut = {"step.generator_noise": "detached", "step.guards": "warn", "train.steps": 60}

    run = trained(tmp_path, "dcgan_digits", SMALL | cut)

    assert run.result["verdict"]["name"] == "stands_still"
    assert keys(run)[0] == "step.generator_noise=same"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_images_that_move_nowhere_are_told(tmp_path: Path) -> None:
    still = {"optimizer.generator.lr": 1e-7, "optimizer.discriminator.lr": 1e-7}

    run = trained(tmp_path, "dcgan_digits", SMALL | still | {"train.steps": 120})

    assert run.result["verdict"]["name"] == "stands_still"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(900)
def test_sixteen_images_learned_by_heart_are_told_to_be_copies(tmp_path: Path) -> None:
    plugin = tmp_path / "few.py"
    plugin.write_text(FEW, encoding="utf-8")
    heart = {
        "dataset": {"use": "few_digits"},
        "train.steps": 2000,
        "generator.base_channels": 16,
        "discriminator.base_channels": 16,
        "discriminator.dropout": 0.0,
        "latent.size": 8,
        "optimizer.generator.lr": 2e-3,
        "optimizer.discriminator.lr": 2e-3,
        "optimizer.generator.schedule": "linear",
        "optimizer.discriminator.schedule": "linear",
        "ema.half_life": 50,
        "samples.every": 500,
        "measure.network": "random",
        "measure.samples": 128,
        "metric": [{"use": "memorisation", "count": 64, "quantile": 0.1}],
    }

    run = trained(tmp_path, "dcgan_digits", SMALL | heart, (plugin,))

    assert run.result["verdict"]["name"] == "memorised"
    assert 'view=[{ use = "diffaugment"' in keys(run)[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(900)
def test_a_healthy_run_is_in_no_trouble(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "cdcgan_digits",
        {
            "train.steps": 600,
            "generator.base_channels": 16,
            "discriminator.base_channels": 16,
            "measure.every": 200,
            "measure.samples": 500,
        },
    )

    found = run.result["verdict"]
    assert not found["is_trouble"], found["text"]
    assert found["more"] == []


# Each rule by itself

LOG = [
    {"step": step, "d/loss": 1.3 - step / 1e4, "d/accuracy": 0.7, "g/loss": 0.8, "g/accuracy": 0.2}
    for step in range(100, 2001, 100)
]
WON = [*LOG[:5], *(one | {"d/loss": 0.01, "d/accuracy": 1.0, "g/accuracy": 0.0} for one in LOG[5:])]


def score(
    last: float, floor: float | None = None, *, lower: bool = False, best: float | None = None,
    at: int = 2000, perfect: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a score as a result has it."""
    return {
        "last": {"value": last, "step": 2000},
        "best": {"value": last if best is None else best, "step": at},
        "floor": {"value": floor, **({} if perfect is None else {"perfect": perfect})},
        "lower_is_better": lower,
    }


def scores(**found: float) -> dict[str, Any]:
    """Return shares beside floors near 1."""
    return {"metrics": {name: score(value, 0.95) for name, value in found.items()}}


def improving(*values: float) -> list[dict[str, Any]]:
    """Return a log with these scores."""
    return [{"step": 100 * (n + 1), "m/frechet": value} for n, value in enumerate(values)]


GOOD = {"metrics": {"frechet": score(2.0, 0.5, lower=True)}}
SEEN: dict[str, Evidence] = {
    "not_finite": Evidence(status="failed", reason="term 'd/fake' became nan at step 5"),
    "stands_still": Evidence(result={"look": {"moved": 0.001, "moved_over": 1500}}, step=2000),
    "told_by_the_batch": Evidence(log=[one | {"g/accuracy": 1.0} for one in WON], step=2000),
    "discriminator_wins": Evidence(log=WON, step=2000),
    "flat": Evidence(result={"look": {"contrast": 0.01, "distance": 0.01}}, step=2000),
    "collapsed": Evidence(result={"look": {"distance": 0.1, "contrast": 0.9}}, step=2000),
    "few_kinds": Evidence(
        result={"look": {"distance": 0.8, "kinds": 1.5, "real_kinds": 9.9}}, step=2000
    ),
    "few_centres": Evidence(
        result={"metrics": {"modes": score(2, 8), "high_quality": score(0.9, 0.99)}}, step=2000
    ),
    "memorised": Evidence(result={"metrics": {"memorised": score(0.8, lower=True)}}, step=2000),
    "too_short": Evidence(result={"look": {"distance": 0.1}}, step=200),
    "off_centre": Evidence(result={"metrics": {"high_quality": score(0.01, 0.99)}}, step=2000),
    "narrow": Evidence(result=scores(precision=0.9, recall=0.0), step=2000),
    "wide": Evidence(result=scores(precision=0.0, recall=0.9), step=2000),
    "apart": Evidence(result=scores(precision=0.0, recall=0.0), step=2000),
    "few_classes": Evidence(
        result={"metrics": {"modes_5": score(1, perfect=10.0)}}, step=2000
    ),
    "better_before": Evidence(
        result={"metrics": {"frechet": score(8.0, 0.5, lower=True, best=2.0, at=900)}}, step=2000
    ),
    "improves": Evidence(result=GOOD, log=improving(9, 7, 5, 3, 2), step=2000),
    "as_real": Evidence(result={"metrics": {"frechet": score(0.6, 0.5, lower=True)}}, step=2000),
    "learned": Evidence(result=GOOD, log=LOG, step=2000),
    "unmeasured": Evidence(log=LOG, step=2000),
}  # fmt: skip


def test_every_rule_is_shown_here() -> None:
    assert list(SEEN) == [rule.name for rule in RULES]
    assert set(LAST) <= set(SEEN)


@pytest.mark.parametrize("name", SEEN)
def test_what_is_seen_is_told_by_its_rule_and_by_no_other(name: str) -> None:
    held = holding(SEEN[name])

    assert [rule.name for rule, _ in held] == [name]
    assert not held[0][1].endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_nothing_is_told_of_a_run_that_has_just_begun(rule: Any) -> None:
    assert rule.words(Evidence(status="running")) == ""


@pytest.mark.parametrize("wrong", [None, 3, "x", [], [1], {"last": 1}, {"value": "x"}])
def test_forged_files_are_nothing_to_judge(wrong: Any) -> None:
    log = [{"step": 5, "d/loss": wrong, "d/accuracy": wrong, "g/accuracy": wrong}] * 20
    result = {"metrics": {"precision": wrong, "x": wrong}, "health": wrong, "look": wrong,
              "data": wrong}  # fmt: skip
    found = Evidence({"loss": wrong, "train": wrong, "view": wrong}, result, log, step=2000)

    held = holding(found)

    assert [rule.name for rule, _ in held] in (["unmeasured"], ["stands_still"])
    for rule in RULES:
        for change in rule.changes:
            change.keys(found)


def test_what_real_images_reach_stands_beside_a_score() -> None:
    found = Evidence(result={"metrics": {"frechet": score(2.1, 0.4, lower=True),
                                         "kernel": score(0.5, -0.002, lower=True),
                                         "recall": score(0.39, 0.968)}})  # fmt: skip

    assert [each.in_words() for each in found.scores] == [
        "frechet 2.100, 5.2 times the floor of 0.400",
        "kernel 0.500, floor -0.002",
        "recall 0.390 of 0.968",
    ]


def test_a_score_that_shall_be_high_is_followed_as_well() -> None:
    """Of what real images reach, it is what is missing that shall shrink."""

    def told(last: float, best: float, *course: float) -> list[str]:
        log = [{"step": 100 * n, "m/x": value} for n, value in enumerate(course, 1)]
        found = {"metrics": {"x": score(last, 0.95, best=best, at=900)}}
        return [rule.name for rule, _ in holding(Evidence(result=found, log=log, step=2000))]

    assert told(0.8, 0.8, 0.2, 0.5, 0.6, 0.8) == ["improves"]
    assert told(0.4, 0.8) == ["better_before"]
    assert told(0.93, 0.94, 0.2, 0.9, 0.94, 0.93) == ["learned"]


# What is to be tried


@cache
def registry() -> Registry:
    """Return what is installed."""
    return load_plugins([])


def changes() -> dict[str, Change]:
    """Return every change once."""
    return {change.why: change for rule in RULES for change in rule.changes}


def refused(name: str) -> list[str]:
    """Return the changes that the recipe of that name does not take, and why."""
    path = shipped()[name]
    frozen = tomllib.loads(freeze(load_recipe(path, registry())))
    found = Evidence(frozen, {"metrics": {"frechet": score(8.0, 0.5, lower=True, best=2.0, at=9)}},
                     step=2000)  # fmt: skip
    wrong = []
    for why, change in changes().items():
        if change.verb == "measure" or not (own := change.keys(found)):
            continue
        try:
            load_recipe(path, registry(), own)
        except ganzoo.GanzooError as error:
            wrong.append(f"{name}: {why}: {error}")
    return wrong


FEW_RECIPES = ("dcgan_digits", "toy_ring", "seed_d2l_ab_classic", "fastgan_64", "acgan_mnist")


@pytest.mark.parametrize("name", FEW_RECIPES)
def test_a_recipe_takes_every_change_that_is_suggested_for_it(name: str) -> None:
    assert refused(name) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(shipped()) - set(FEW_RECIPES)))
def test_every_shipped_recipe_does(name: str) -> None:
    assert refused(name) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["dcgan_digits", "cdcgan_digits", "toy_ring"])
def test_a_run_with_a_change_begins(tmp_path: Path, name: str) -> None:
    own = RING if name == "toy_ring" else {**SMALL, "discriminator.norm": "batch"}
    base = load_recipe(
        shipped()[name], registry(), [f"{k}={json.dumps(v)}" for k, v in own.items()]
    )
    found = Evidence(tomllib.loads(freeze(base)), step=2000)

    for change in changes().values():
        if change.verb == "run" and (sets := change.keys(found)):
            written = dict(each.split("=", 1) for each in sets)
            values = {key: _value(text) for key, text in written.items()}
            trained(tmp_path, name, {**own, "metric": [], **values, "train.steps": 2})


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def folder(tmp_path: Path, **origin: Any) -> RunDir:
    """Return a run's folder with an origin."""
    run = RunDir(tmp_path / "mine" / "20261122-0530-abcd")
    run.path.mkdir(parents=True)
    run.write_json("origin.json", origin)
    return run


LR = Change(lambda _: [], "", "")


def test_a_command_keeps_what_was_set_and_drops_what_it_replaces(tmp_path: Path) -> None:
    earlier = [
        "train.steps=60",
        "loss.halved=true",
        "regularizer.0.weight=2",
        "optimizer.generator.lr=1",
    ]
    run = folder(tmp_path, file=str(shipped()["dcgan_digits"]), set=earlier)

    typed = command(run, LR, ["loss.use=wasserstein", "regularizer=[]", "train.epochs=3"])

    assert typed == (
        "ganzoo run dcgan_digits --set optimizer.generator.lr=1 --set loss.use=wasserstein "
        "--set 'regularizer=[]' --set train.epochs=3"
    )


@pytest.mark.parametrize("origin", [{}, {"file": 3}, {"file": "/x/dcgan_digits.toml", "set": []},
                                    {"file": "dcgan_digits.toml; rm -rf /"}])  # fmt: skip
def test_a_recipe_of_ones_own_is_taken_from_the_run(tmp_path: Path, origin: Any) -> None:
    run = folder(tmp_path, **origin)

    assert command(run, LR, ["a.b=1"]) == f"ganzoo run {run.recipe} --name mine --set a.b=1"


def test_a_run_that_is_done_has_its_verdict_in_its_result_and_on_the_console(run: Run) -> None:
    found = verdict(run.folder)

    assert found is not None
    assert json.loads(json.dumps(found.kept())) == run.result["verdict"]
    assert str(run.path) not in json.dumps(run.result["verdict"])
    rows = judged(found)
    assert rows[0] == (
        "verdict",
        "Too early to tell after 4 steps: the images are still much alike",
    )
    assert ("", f"ganzoo resume {run.path} --set train.steps=1000") in rows


def test_a_changed_log_changes_the_verdict(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = RunDir(tmp_path / "copy" / run.path.name)
    shutil.copytree(run.path, copy.path)
    copy.log.write_text("".join(json.dumps(one) + "\n" for one in WON), encoding="utf-8")

    found = verdict(copy)

    assert found is not None
    assert found.name == "discriminator_wins"
    assert "since step 600" in found.text
