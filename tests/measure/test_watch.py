"""Runs are measured at a cadence and at their end, and are not changed by it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from heard import Heard

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import CheckpointError
from ganzoo.measure import classifier as prepare
from ganzoo.measure.watch import Watch
from ganzoo.plugin.registry import load_plugins as load_registry
from ganzoo.recipe.check import load_recipe
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir
from ganzoo.session import train
from ganzoo.training.loop import new_run
from ganzoo.training.machine import Machine
from ganzoo.training.parts import assemble
from ganzoo_datasets import Digits

RECIPE = Path(__file__).parents[2] / "recipes" / "dcgan_digits.toml"
CPU = Machine(torch.device("cpu"))
REGISTRY = load_registry()
SMALL = [
    "generator.base_channels=2",
    "discriminator.base_channels=2",
    "train.batch_size=8",
    "train.steps=6",
    "train.log_every=4",
    "measure.samples=60",
    "measure.reference=80",
    "checkpoint.every=3",
    "checkpoint.keep=9",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = DataRoot(tmp_path_factory.mktemp("data"), download=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
        patch.setattr("ganzoo.measure.fitting.PASSES", 0)
        # Into the data folder, where classifiers lay once and are still found.
        patch.setenv("GANZOO_CACHE", str(root.path))
        prepare.train_classifier(Digits(), root)
    return root


def run(
    out: Path,
    root: DataRoot,
    *overrides: str,
    into: RunDir | None = None,
    told: Heard | None = None,
) -> RunDir:
    recipe = load_recipe(RECIPE, REGISTRY, [*SMALL, *overrides])
    reporter = told or Heard()
    parts = assemble(recipe, REGISTRY, root, CPU, warn=reporter.warn)
    folder = into or new_run(parts, out, "test")
    train(parts, folder, REGISTRY, reporter, resume=into is not None)
    return folder


def scores(folder: RunDir) -> dict[int, dict[str, float]]:
    return {
        line["step"]: {name: value for name, value in line.items() if name.startswith("m/")}
        for line in folder.read_log()
    }


def without_time(result: dict[str, Any]) -> str:
    other = {"seconds", "images_per_second", "peak_memory_mib"}
    left = {k: v for k, v in result.items() if k not in other}
    return json.dumps(left, sort_keys=True)


def test_measuring_does_not_change_a_run_by_a_bit(tmp_path: Path, root: DataRoot) -> None:
    often = run(tmp_path, root, "measure.every=1", "measure.mode=train")
    never = run(tmp_path, root, "metric=[]")

    for step in (3, 6):
        name = f"step-{step:06d}.safetensors"
        first, _ = checkpoint.read_checkpoint(often.checkpoints / name)
        second, _ = checkpoint.read_checkpoint(never.checkpoints / name)
        trained = [key for key in first if not key.startswith("window/")]
        assert trained
        assert all(torch.equal(first[key], second[key]) for key in trained)
    a, b = (folder.read_log()[-1] for folder in (often, never))
    assert a["d/real"] != 0
    assert never.read_json("result.json")["metrics"] == {}
    assert b["step"] == 6


def test_measures_are_logged_at_the_cadence_and_at_the_end(tmp_path: Path, root: DataRoot) -> None:
    found = scores(run(tmp_path, root, "measure.every=4"))

    assert set(found) == {4, 6}
    assert set(found[4]) == set(found[6]) == {
        f"m/{name}"
        for name in (
            "frechet", "kernel", "precision", "recall", "density", "coverage",
            "class_kl", "modes_1", "modes_5",
        )
    }  # fmt: skip


def test_last_and_best_stand_apart_beside_their_floor(tmp_path: Path, root: DataRoot) -> None:
    folder = run(tmp_path, root, "measure.every=1")
    found, metrics = scores(folder), folder.read_json("result.json")["metrics"]

    course = {step: entry["m/frechet"] for step, entry in found.items()}
    best = min(course, key=course.__getitem__)
    entry = metrics["frechet"]
    assert entry["last"] == {"value": course[6], "step": 6}
    assert entry["best"] == {"value": course[best], "step": best}
    assert entry["floor"]["value"] < entry["best"]["value"]
    assert entry["floor"]["n"] == entry["provenance"]["n_fake"] == 60
    assert entry["lower_is_better"] is True
    assert entry["positive"] is True
    assert metrics["precision"]["lower_is_better"] is False
    assert metrics["class_kl"]["floor"]["perfect"] > 0


def test_a_measure_taken_twice_is_the_same(tmp_path: Path, root: DataRoot) -> None:
    first, second = (run(tmp_path, root).read_json("result.json") for _ in range(2))

    assert first["metrics"]
    assert without_time(first) == without_time(second)


def test_a_resumed_run_has_the_scores_of_an_uninterrupted_one(
    tmp_path: Path, root: DataRoot
) -> None:
    whole = run(tmp_path, root, "measure.every=1")
    again = run(tmp_path, root, "measure.every=1")
    (again.checkpoints / "step-000006.safetensors").unlink()
    run(tmp_path, root, "measure.every=1", into=again)

    assert scores(again) == scores(whole)
    assert without_time(again.read_json("result.json")) == without_time(
        whole.read_json("result.json")
    )


def test_a_finished_run_that_is_resumed_keeps_its_scores(tmp_path: Path, root: DataRoot) -> None:
    folder = run(tmp_path, root, "measure.every=2")
    before = folder.read_json("result.json")["metrics"]

    run(tmp_path, root, "measure.every=2", into=folder)

    assert folder.read_json("result.json")["metrics"] == before


def test_fakes_to_measure_depend_on_no_seed_of_the_run(tmp_path: Path, root: DataRoot) -> None:
    provenances = [
        run(tmp_path, root, f"train.seed={seed}").read_json("result.json")["metrics"]["frechet"]
        for seed in (0, 1)
    ]

    assert provenances[0]["provenance"] == provenances[1]["provenance"]
    assert provenances[0]["last"] != provenances[1]["last"]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Return a data folder of whose classifiers none is anywhere."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
    monkeypatch.setattr("ganzoo.measure.fitting.PASSES", 0)
    return DataRoot(tmp_path / "empty", download=False)


def test_a_missing_classifier_that_takes_long_is_told_before_the_run_which_goes_on(
    tmp_path: Path, empty: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "seconds_to_train", lambda _: 523.0)
    told = Heard()

    folder = run(tmp_path, empty, told=told)

    result = folder.read_json("result.json")
    assert result["status"] == "done"
    assert result["metrics"] == {}
    assert "about 8 min 43 s" in result["unmeasured"]["frechet"]
    assert any("ganzoo measure prepare digits" in text for text in told.warnings)
    with pytest.raises(prepare.NotPrepared):
        run(tmp_path, empty, "measure.every=2")


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (None, "is not a value and a step"),
        ([1.0, 2], "is not a value and a step"),
        ({"value": "x", "step": 2}, "is not a value and a step"),
        ({"value": 1.0, "step": 8}, "'a' of step 8, but only 7 were trained"),
        ({"value": 1.0, "step": -1}, "'a' of step -1"),
    ],
)
@pytest.mark.parametrize("which", ["last", "best"])
def test_forged_scores_are_refused(which: str, score: object, told: str) -> None:
    watched = Watch(None, None, {})  # type: ignore[arg-type]

    with pytest.raises(CheckpointError, match=told):
        watched.restore({which: {"a": score}}, 7)


@pytest.mark.parametrize("overrides", [[], ["measure.every=2"]], ids=["end", "cadence"])
def test_an_unasked_classifier_never_takes_longer_than_the_training_it_judges(
    tmp_path: Path, empty: DataRoot, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    monkeypatch.setattr(prepare, "seconds_to_train", lambda _: 59.0)
    told = Heard()

    folder = run(tmp_path, empty, *overrides, told=told)

    result = folder.read_json("result.json")
    assert result["metrics"] == {}
    assert "longer than the training itself" in result["unmeasured"]["frechet"]
    assert sum("not measured" in text for text in told.warnings) == 1
    assert not any("m/frechet" in line for line in folder.read_log())


def test_a_classifier_that_takes_less_than_the_training_is_trained_unasked(
    tmp_path: Path, empty: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "_training_seconds", lambda *_: 50.0)

    folder = run(tmp_path, empty, "measure.every=4")

    assert set(scores(folder)[4]) == set(scores(folder)[6])
    assert folder.read_json("result.json")["metrics"]["frechet"]["last"]["step"] == 6


def test_checkpoints_remember_what_was_measured(tmp_path: Path, root: DataRoot) -> None:
    folder = run(tmp_path, root, "measure.every=3")
    _, state = checkpoint.read_checkpoint(folder.checkpoints / "step-000003.safetensors")

    assert state.measures["last"]["frechet"]["step"] == 3
