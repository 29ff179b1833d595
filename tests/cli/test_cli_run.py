"""Runs from the command line: what they say, what they leave, how they stop and go on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from calling import Call, parsed, shell, start
from PIL import Image

QUICK = ("--device", "cpu", "--threads", "1")


def the_run(out: Path = Path("runs")) -> Path:
    """Return the folder of the only run."""
    (found,) = [path.parent for path in out.glob("*/*/recipe.toml")]
    return found


def weights(run: Path) -> str:
    """Return a digest of a finished run's generator."""
    return hashlib.sha256((run / "generator.safetensors").read_bytes()).hexdigest()


def test_a_run_says_what_it_does_and_leaves_what_it_promises(call: Call, tiny: Path) -> None:
    result = call("run", tiny, *QUICK)

    run = the_run()
    said = result.stderr
    assert result.exit_code == 0, said
    assert result.stdout == f"{run}\n"
    for piece in (
        "digits: 1,498 images 1×28×28",
        "generator 'transpose' 40,956 parameters",
        "cpu (",
        "1 thread, fp32, seed 0",
        f"ganzoo resume {run.name[-4:]}",
        f"{run}/samples every 2 steps",
        "step 2/3",
        "discriminator ",
        "real 0.69",
        "generator loss 0.69",
        "done",
        "samples/step-000003.png",
        "samples.gif",
        "generator.safetensors",
    ):
        assert piece in said
    assert "\x1b" not in said
    for name in ("recipe.toml", "environment.json", "status.json", "result.json", "log.jsonl"):
        assert (run / name).is_file()


def test_the_frozen_recipe_repeats_the_run_bit_for_bit(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK, "--seed", "3", "--out", "a")

    assert call("run", the_run(Path("a")) / "recipe.toml", *QUICK, "--out", "b").exit_code == 0

    assert weights(the_run(Path("a"))) == weights(the_run(Path("b")))


def test_quiet_says_nothing_but_the_folder(call: Call, tiny: Path) -> None:
    result = call("run", tiny, *QUICK, "-q", "--name", "some name")

    assert result.stderr == ""
    assert result.stdout == f"{the_run()}\n"
    assert the_run().parent.name == "some-name"


def test_verbose_tells_of_every_log_line_sheet_and_checkpoint(call: Call, tiny: Path) -> None:
    said = call("-v", "run", tiny, *QUICK).stderr

    assert said.count("step 2/3") == said.count("step 3/3") == 1
    assert said.count("pictures: ") == 2
    assert "saved: " in said


def test_json_on_stdout_is_the_result(call: Call, tiny: Path) -> None:
    result = parsed(call("run", tiny, *QUICK, "--json"))

    assert result["run"] == str(the_run())
    assert result["status"] == "done"
    assert set(result["final"]) >= {"d/real", "d/fake", "g/adversarial"}


def test_a_dry_run_shows_every_layer_and_writes_nothing(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    result = call("run", tiny, *QUICK, "--dry-run")

    assert result.exit_code == 0, result.stderr
    assert re.search(r"layers\.1\.convolution +\w+ +2×14×14 +128\b", result.stdout)
    assert "generator 'transpose': 40,956 parameters" in result.stdout
    assert "the run would take 3 steps on cpu" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_the_layers_of_a_dry_run_add_up(call: Call, tiny: Path) -> None:
    found = parsed(call("run", tiny, *QUICK, "--dry-run", "--json"))

    for role, rows in found["networks"].items():
        assert sum(row["parameters"] for row in rows) == found["parameters"][role]
    assert found["networks"]["generator"][-1]["output"] == [1, 28, 28]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK, "--out", "whole", "--set", "train.steps=6")

    stopped = call("run", tiny, *QUICK, "--minutes", "1e-9", "--set", "train.steps=6")
    shown = call("show", "last")
    resumed = call("resume", "last", *QUICK)

    letters = the_run().name[-4:]
    assert stopped.exit_code == 0
    assert f"ganzoo resume {letters}" in stopped.stderr.splitlines()[-1]
    assert "interrupted  at step 1 of 6" in stopped.stderr
    assert "interrupted" in shown.stdout
    assert resumed.exit_code == 0
    assert "resumed   at step 1 of 6" in resumed.stderr
    assert weights(the_run()) == weights(the_run(Path("whole")))


def test_a_run_elsewhere_is_resumed_by_its_folder(call: Call, tiny: Path) -> None:
    stopped = call("run", tiny, *QUICK, "--minutes", "1e-9", "--out", "other runs")

    assert f"ganzoo resume '{the_run(Path('other runs'))}'" in stopped.stderr


def test_resume_of_a_finished_run_says_so_and_changes_nothing(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK)
    before = {path: path.stat().st_mtime_ns for path in the_run().rglob("*")}

    result = call("resume", "last")

    assert result.exit_code == 0
    assert "is done, at step 3; to train longer: ganzoo resume" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in the_run().rglob("*")} == before


def test_a_finished_run_can_be_made_longer_and_equals_one_that_was_long(
    call: Call, tiny: Path
) -> None:
    call("run", tiny, *QUICK)
    call("run", tiny, *QUICK, "--set", "train.steps=5", "--out", "long")

    result = call("resume", "last", *QUICK, "--set", "train.steps=5")

    assert result.exit_code == 0, result.stderr
    assert "the run now ends at step 5" in result.stderr
    assert "steps = 5" in (the_run() / "recipe.toml").read_text()
    assert " 5/5 " in call("list", "runs").stdout
    assert weights(the_run()) == weights(the_run(Path("long")))


def test_resume_refuses_to_change_anything_but_the_length(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK)
    frozen = (the_run() / "recipe.toml").read_text()

    result = call("resume", "last", "--set", "train.seed=1", "--set", "loss.use=hinge")

    assert result.exit_code == 2
    assert "train.seed: was 0, would be 1" in result.stderr
    assert "loss.use: was 'bce', would be 'hinge'" in result.stderr
    assert (the_run() / "recipe.toml").read_text() == frozen


def test_resume_refuses_to_make_a_run_shorter_than_it_is(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK)

    result = call("resume", "last", *QUICK, "--set", "train.steps=2")

    assert result.exit_code == 2
    assert "has already trained 3 steps, more than the 2 requested" in result.stderr


def test_resume_refuses_other_data(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK, "--minutes", "1e-9")
    record = the_run() / "environment.json"
    was = json.loads(record.read_text())
    was["data"] |= {"name": "mnist", "images": 60_000, "fingerprint": "f" * 64}
    record.write_text(json.dumps(was))

    result = call("resume", "last", *QUICK)

    assert result.exit_code == 2
    assert "started on 'mnist' (60000 images, fingerprint ffffffffffff)" in result.stderr


def test_a_run_is_made_longer_only_once_its_checkpoint_fits(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK)
    (kept,) = (the_run() / "checkpoints").glob("*.safetensors")
    kept.write_bytes(b"damaged")
    before = [(the_run() / name).read_text() for name in ("recipe.toml", "environment.json")]

    result = call("resume", "last", *QUICK, "--set", "train.steps=5")

    assert result.exit_code == 4
    assert "has no checkpoint to resume from" in result.stderr
    after = [(the_run() / name).read_text() for name in ("recipe.toml", "environment.json")]
    assert after == before


def squares(folder: Path, shade: int) -> Path:
    """Make a folder of twelve small pictures."""
    folder.mkdir()
    for number in range(12):
        Image.new("L", (8, 8), shade + number).save(folder / f"{number:02d}.png")
    return folder


def test_data_that_lies_elsewhere_is_taken_if_it_is_the_same(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    pictures = squares(tmp_path / "pictures", 0)
    own = (f'dataset={{use="folder",path="{pictures}",size=8,channels=1}}',)
    recipe = call("run", tiny, *QUICK, "--set", own[0])
    assert recipe.exit_code == 0, recipe.stderr
    frozen = (the_run() / "recipe.toml").read_text()
    pictures.rename(tmp_path / "moved")
    squares(tmp_path / "others", 100)
    longer = ("resume", "last", *QUICK, "--set", "train.steps=5")

    lost = call(*longer)
    other = call(*longer, "--data-path", tmp_path / "others")
    (the_run() / "environment.json").rename(tmp_path / "environment.json")
    unknown = call(*longer, "--data-path", tmp_path / "moved")
    (tmp_path / "environment.json").rename(the_run() / "environment.json")
    unchanged = (the_run() / "recipe.toml").read_text()
    found = call(*longer, "--data-path", tmp_path / "moved")
    measured = call("measure", "last", "--data-path", tmp_path / "others")

    assert (lost.exit_code, other.exit_code, unknown.exit_code) == (2, 2, 2)
    assert "--data-path FOLDER" in lost.stderr
    assert "started on 'folder' (12 images" in other.stderr
    assert "does not record its data" in unknown.stderr
    assert unchanged == frozen
    assert found.exit_code == 0, found.stderr
    assert (the_run() / "recipe.toml").read_text() == frozen.replace("steps = 3", "steps = 5")
    assert measured.exit_code == 2
    assert "started on 'folder' (12 images" in measured.stderr


def test_a_data_set_without_a_path_has_none_to_replace(call: Call, tiny: Path) -> None:
    call("run", tiny, *QUICK, "--minutes", "1e-9")

    result = call("resume", "last", *QUICK, "--data-path", "elsewhere")

    assert result.exit_code == 2
    assert "dataset 'digits' has no path that --data-path could replace" in result.stderr


def test_run_with_resume_begins_once_and_then_goes_on(call: Call, tiny: Path) -> None:
    first = call("run", tiny, *QUICK, "--resume", "--minutes", "1e-9")
    second = call("run", tiny, *QUICK, "--resume")
    third = call("run", tiny, *QUICK, "--resume")
    other = call("run", tiny, *QUICK, "--resume", "--seed", "1", "--out", "other")

    assert [each.exit_code for each in (first, second, third, other)] == [0, 0, 0, 0]
    assert "resumed   at step 1 of 3" in second.stderr
    assert "is done" in third.stderr
    assert the_run() != the_run(Path("other"))


def test_plugin_files_are_kept_but_not_run_from_the_folder(
    call: Call, tiny: Path, my_loss: Path
) -> None:
    begun = call(
        "run", tiny, *QUICK, "--plugin", my_loss, "--set", "loss.use=mine", "--minutes", "1e-9"
    )
    copy = the_run() / "plugins" / my_loss.name

    without = call("resume", "last", *QUICK)
    my_loss.write_text(copy.read_text() + "# changed\n")
    resumed = call("resume", "last", *QUICK, "--plugin", my_loss)

    assert begun.exit_code == 0, begun.stderr
    assert begun.stderr.endswith(f"--plugin {my_loss.name}\n")
    assert without.exit_code == 2
    assert f"--plugin {my_loss.name}" in without.stderr
    assert f"'{copy}'" in without.stderr
    assert resumed.exit_code == 0, resumed.stderr
    assert "has changed since the run started" in resumed.stderr


def test_a_fallback_is_told_so_that_nobody_misses_it(call: Call, tiny: Path) -> None:
    dataset = ("--set", "dataset.use=mnist", "--set", "dataset.fallback=digits")

    result = call("run", tiny, *QUICK, *dataset, "--offline", "-q")

    data = json.loads((the_run() / "environment.json").read_text())["data"]
    assert result.exit_code == 0
    assert "WARNING DATA: 'mnist' is not available, training on 'digits' instead" in result.stderr
    assert (data["wanted"], data["name"]) == ("mnist", "digits")


def test_a_run_that_fails_ends_with_3_and_says_what_is_left(
    call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganzoo.common.errors import TrainingError
    from ganzoo.training.health import Health

    def fail(self: Health, step: int, terms: object) -> None:  # noqa: ARG001
        raise TrainingError(f"term 'd/real' became nan at step {step}")

    monkeypatch.setattr(Health, "watch_terms", fail)

    result = call("run", tiny, *QUICK)

    assert result.exit_code == 3
    assert "became nan at step 1; no checkpoint was written yet" in result.stderr
    assert json.loads((the_run() / "status.json").read_text())["status"] == "failed"


def test_a_run_survives_the_end_of_its_readers(tiny: Path) -> None:
    done = shell(f"ganzoo run {tiny} --device cpu 2>&1 | head -1; echo ${{PIPESTATUS[0]}}")

    assert done.stdout.splitlines()[-1] == "0"
    assert json.loads((the_run() / "status.json").read_text())["status"] == "done"


def test_a_run_survives_closed_streams(tiny: Path) -> None:
    done = shell(f"ganzoo run {tiny} --device cpu >&- 2>&-; echo $?")

    assert done.stdout == "0\n"
    assert json.loads((the_run() / "status.json").read_text())["status"] == "done"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(
    tiny: Path, number: signal.Signals, code: int
) -> None:
    words = ("--device", "cpu", "--set", "train.steps=100000", "--set", "samples.every=0")
    process = start("run", str(tiny), *words)
    wait_for_log(process)

    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=30)

    status: dict[str, Any] = json.loads((the_run() / "status.json").read_text())
    assert process.returncode == code, said
    assert "stopping after this step" in said
    assert "Traceback" not in said
    assert said.splitlines()[-1].endswith(f"ganzoo resume {the_run().name[-4:]}")
    assert (status["status"], status["reason"]) == ("interrupted", number.name)
    assert list((the_run() / "checkpoints").glob(f"step-{status['step']:06d}.safetensors"))


def wait_for_log(process: Any) -> None:
    """Wait until the run has written a line of its log."""
    deadline = time.monotonic() + 60
    while not list(Path("runs").glob("*/*/log.jsonl")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_done_to_the_images_is_told_before_the_first_step(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "my pictures"
    mine.mkdir()
    for number in range(9):
        Image.new("RGB", (28, 28), (number, 0, 255)).save(mine / f"{number}.png")
        (mine / f"{number}.heic").touch()
    dataset = ("dataset.use=folder", f"dataset.path={mine}", "dataset.size=32")
    grey = ("dataset.channels=1", "train.batch_size=4")
    sets = [word for each in (*dataset, *grey) for word in ("--set", each)]

    result = call("run", tiny, *QUICK, *sets)

    assert result.exit_code == 0, result.output
    told = result.stderr.partition("step 1/")[0]
    assert "data: left out, not readable images: 9 .heic; PNG, JPEG, WEBP" in told
    assert "data: colour, converted to grey: 9 of 9 images, as '0.png'" in told
