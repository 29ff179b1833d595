"""An interrupted and resumed run equals an uninterrupted one to the last bit."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from children import again, differing, digest, killed_after, run_child, train, write_recipe

from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.training.saving import seconds_so_far

GENERATORS = ["transpose", "upsample"]
LOSSES = {
    "bce": (),
    "wasserstein": ('regularizer=[{use="weight_clip"}]', "step.discriminator_updates=2"),
    "hinge": (
        'discriminator.norm="spectral"',
        'step.first="generator"',
        "step.generator_waits=9",
        "train.count_from=0",
        "train.log_each_epoch=true",
    ),
    "least_squares": ('discriminator.norm="batch"', 'step.batching="joint"'),
    "relativistic": ('regularizer=[{use="r1"},{use="r2",every=3}]',),
}


@pytest.mark.parametrize(
    ("loss", "generator"),
    [
        # Each generator, and three of the losses; the other pairs when asked for.
        pytest.param(*pair, marks=[pytest.mark.slow] if number not in {0, 4, 9} else [])
        for number, pair in enumerate(itertools.product(LOSSES, GENERATORS))
    ],
)
def test_every_loss_and_generator_resumes_bitwise_in_a_fresh_process(
    tmp_path: Path, loss: str, generator: str
) -> None:
    recipe = write_recipe(tmp_path)
    parts = (f"loss.use={loss}", f"generator.use={generator}", *LOSSES[loss])

    assert run_child(train, recipe, tmp_path / "whole", parts) == 0
    assert run_child(train, recipe, tmp_path / "halves", parts, 7) == 143
    assert run_child(train, recipe, tmp_path / "halves", parts) == 0

    whole = digest(tmp_path / "whole")
    assert differing(whole, digest(tmp_path / "halves")) == set()
    assert len(whole) > 40


def test_the_time_of_a_run_is_that_of_all_its_processes(tmp_path: Path) -> None:
    recipe, run = write_recipe(tmp_path), tmp_path / "run"
    assert run_child(train, recipe, run, (), 7) == 143
    log = run / "log.jsonl"
    first = json.loads(log.read_text())
    log.write_text(json.dumps(first | {"seconds": 1000.0}) + "\n")

    assert run_child(train, recipe, run) == 0

    times = [json.loads(line)["seconds"] for line in log.read_text().splitlines()]
    assert 1000 == times[0] < times[1] < times[2] < 1100
    result = json.loads((run / "result.json").read_text())
    assert times[2] <= result["seconds"] < 1100
    assert result["images_per_second"] == pytest.approx(12 * 16 / result["seconds"], abs=0.05)


@pytest.mark.parametrize("last", ["not a table", "[]", '{"seconds": "many"}', "{}"])
def test_a_log_that_tells_no_time_is_no_obstacle(tmp_path: Path, last: str) -> None:
    run = RunDir(tmp_path)
    run.log.write_text(f"{last}\n")

    assert seconds_so_far(run) == 0


@pytest.mark.parametrize(
    "workers", [*(pytest.param(few, marks=pytest.mark.slow) for few in (0, 1)), 2]
)
def test_the_number_of_loader_workers_may_change_between_the_halves(
    tmp_path: Path, workers: int
) -> None:
    recipe = write_recipe(tmp_path)
    assert run_child(train, recipe, tmp_path / "whole") == 0

    assert run_child(train, recipe, tmp_path / "halves", (), 6, 2 - workers, True) == 143
    assert run_child(train, recipe, tmp_path / "halves", (), 0, workers, True) == 0

    assert differing(digest(tmp_path / "whole"), digest(tmp_path / "halves")) == set()


@pytest.mark.parametrize("quiet", ["samples.every=0", "checkpoint.every=0", "samples.mode=train"])
def test_looking_and_saving_do_not_change_the_run(tmp_path: Path, quiet: str) -> None:
    recipe = write_recipe(tmp_path)
    assert run_child(train, recipe, tmp_path / "loud") == 0
    assert run_child(train, recipe, tmp_path / "quiet", (quiet,)) == 0

    changed = differing(digest(tmp_path / "loud"), digest(tmp_path / "quiet"))

    # The weights' file and the checkpoint's numbers hold the recipe, which is another.
    assert {name for name in changed if not name.startswith("sheet/")} == {"generator", "numbers"}


def test_a_corrupt_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    assert run_child(train, recipe, tmp_path / "whole") == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "damaged")
    newest = sorted((tmp_path / "damaged" / "checkpoints").glob("*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-7])

    assert run_child(train, recipe, tmp_path / "damaged") == 0

    assert differing(digest(tmp_path / "whole"), digest(tmp_path / "damaged")) == set()
    assert newest.with_name(newest.name + ".corrupt").exists()


def test_without_a_readable_checkpoint_the_run_is_refused_with_the_reasons(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    assert run_child(train, recipe, tmp_path / "run") == 0
    for path in (tmp_path / "run" / "checkpoints").glob("*"):
        path.write_bytes(b"nothing")

    assert run_child(train, recipe, tmp_path / "run") == 4
    assert (tmp_path / "run" / "error.txt").read_text().count("is damaged") == 3
    log = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert run_child(train, recipe, tmp_path / "run") == 4
    assert "set aside as damaged" in (tmp_path / "run" / "error.txt").read_text()
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == log


def forget_everything_but_the_log(run: Path) -> None:
    (run / "status.json").unlink()
    (run / "generator.safetensors").unlink()


def be_a_file(run: Path) -> None:
    (run / "checkpoints").write_text("")


@pytest.mark.parametrize(
    ("also", "told"),
    [
        (lambda run: None, "'status.json' says done, at step 12"),  # noqa: ARG005
        (forget_everything_but_the_log, "'log.jsonl' goes to step 12; a checkpoint was due at 4"),
        (be_a_file, "checkpoints' is a file, not a folder"),
    ],
)
def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(
    tmp_path: Path, also: Callable[[Path], None], told: str
) -> None:
    recipe, run = write_recipe(tmp_path), tmp_path / "run"
    assert run_child(train, recipe, run) == 0
    shutil.rmtree(run / "checkpoints")
    also(run)
    before = {
        path: path.read_bytes()
        for path in run.rglob("*.*")
        if path.name not in {".lock", ".holder"}
    }

    begin = run_child(again, recipe, run)

    assert begin == 4
    assert told in (run / "error.txt").read_text()
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("hindrance", ["format", "permission"])
def test_a_whole_checkpoint_that_cannot_be_used_is_named_and_left_alone(
    tmp_path: Path, hindrance: str
) -> None:
    recipe, run = write_recipe(tmp_path), tmp_path / "run"
    assert run_child(train, recipe, run, (), 7) == 143
    path = checkpoints(run / "checkpoints")[0]
    if hindrance == "format":
        tensors, state = checkpoint.read_checkpoint(path)
        newer = json.loads(state.model_dump_json()) | {"format": 2, "colour": "red"}
        path.write_bytes(checkpoint.seal(tensors, json.dumps(newer)))
    else:
        path.unlink()
        path.mkdir()  # root may read every file
    names = sorted(os.listdir(run / "checkpoints"))

    code = run_child(train, recipe, run)

    assert code == (2 if hindrance == "format" else 4)
    assert str(path) in (run / "error.txt").read_text()
    assert sorted(os.listdir(run / "checkpoints")) == names
    assert len(RunDir(run).read_log()) == 1


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    late = ("checkpoint.every=8",)
    assert run_child(train, recipe, tmp_path / "whole", late) == 0
    assert run_child(killed_after, recipe, tmp_path / "killed", late, 7) == -9
    assert len(RunDir(tmp_path / "killed").read_log()) == 1

    assert run_child(train, recipe, tmp_path / "killed", late) == 0

    assert differing(digest(tmp_path / "whole"), digest(tmp_path / "killed")) == set()


def test_training_really_happens_between_two_checkpoints(tmp_path: Path) -> None:
    assert run_child(train, write_recipe(tmp_path), tmp_path / "run") == 0
    last, first = (
        checkpoint.read_checkpoint(path)[0]
        for path in checkpoints(tmp_path / "run/checkpoints")[::2]
    )

    moved = {name for name in last if not bool((last[name] == first[name]).all())}
    assert {"generator/stem.linear.weight", "average/stem.linear.weight"} <= moved
    assert "optimizer/discriminator/0/exp_avg" in moved


def test_a_checkpoint_of_another_recipe_is_refused_with_what_differs(tmp_path: Path) -> None:
    recipe, run = write_recipe(tmp_path), tmp_path / "run"
    other = ("loss.use=hinge", "train.seed=3", "optimizer.generator.lr=0.01")
    assert run_child(train, recipe, run, other, 7) == 143

    assert run_child(train, recipe, run) == 2

    told = (run / "error.txt").read_text()
    assert (
        "step-000007.safetensors' does not fit the run: it was written with another recipe" in told
    )
    for part in ("loss.use was 'hinge', is 'bce'", "train.seed was 3, is 0", "lr was 0.01"):
        assert part in told


@pytest.mark.parametrize("keeps_settings", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_run_may_be_longer_than_the_recipe_in_its_checkpoint(
    tmp_path: Path, keeps_settings: bool
) -> None:
    recipe, run = write_recipe(tmp_path), tmp_path / "run"
    assert run_child(train, recipe, run, ("train.steps=9",)) == 0
    path = checkpoints(run / "checkpoints")[0]
    tensors, state = checkpoint.read_checkpoint(path)
    assert state.settings["train"]["steps"] == 9
    if not keeps_settings:  # as earlier versions wrote it
        content = json.loads(state.model_dump_json())
        del content["settings"]
        path.write_bytes(checkpoint.seal(tensors, json.dumps(content)))

    assert run_child(train, recipe, run) == 0

    assert json.loads((run / "result.json").read_text())["step"] == 12
