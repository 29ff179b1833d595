"""A run folder has one owner, a true status and a log of whole lines."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.common.files import TEMPORARY
from ganzoo.runs import folder as rundir


def make(root: Path, name: str = "demo") -> rundir.RunDir:
    run = rundir.create(root, name)
    run.recipe.write_text("")
    return run


def test_a_run_is_found_by_letters_folder_name_path_and_last(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path, "other")
    # Made within one tick of the file system's clock, neither would be the last.
    os.utime(first.recipe, (1, 1))

    assert rundir.find(first.id, tmp_path).path == first.path
    assert rundir.find(first.path.name, tmp_path).path == first.path
    assert rundir.find(str(second.path), Path("elsewhere")).path == second.path
    assert rundir.find("last", tmp_path).path == second.path


def test_the_last_run_is_no_cell_of_an_ablation(tmp_path: Path) -> None:
    own = rundir.create(tmp_path, "mine")
    own.recipe.write_text("")
    cell = rundir.RunDir(tmp_path / "study" / "cell-0123456789ab")
    cell.path.mkdir(parents=True)
    cell.recipe.write_text("")
    (cell.path.parent / rundir.EXPERIMENT).write_text("{}")

    assert rundir.find("last", tmp_path).path == own.path
    own.recipe.unlink()
    assert rundir.find("last", tmp_path).path == cell.path


def test_an_unknown_run_is_named_with_the_nearest(tmp_path: Path) -> None:
    run = make(tmp_path)

    with pytest.raises(GanzooError, match=f"no run named.*did you mean '{run.id}'"):
        rundir.find(run.id[:3] + "!", tmp_path)


def test_a_name_that_is_no_run_is_answered_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(
        GanzooError, match=r"there are none yet\. Train one: ganzoo run fast_digits"
    ):
        rundir.find("last", tmp_path)
    with pytest.raises(GanzooError, match=r"trained model of that name is zoo:fast_digits$"):
        rundir.find("fast_digits", tmp_path)
    run = make(tmp_path)
    with pytest.raises(GanzooError, match=rf"newest run of that recipe is {run.id}$"):
        rundir.find(run.path.parent.name, tmp_path)


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "-rf", "x" * 300, "a\x00b\n", "..."])
def test_a_hostile_name_stays_inside_the_root(tmp_path: Path, name: str) -> None:
    run = rundir.create(tmp_path, name)

    assert run.path.resolve().parent.parent == tmp_path.resolve()


def test_a_second_owner_is_refused_and_told_who_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rundir, "LOCK_SECONDS", 0.2)
    run = make(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom ganzoo.runs.folder import RunDir\n"
        "with RunDir(Path(sys.argv[1])).locked():\n print('held', flush=True)\n sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    with pytest.raises(MachineError, match=f"in use by pid {holder.pid}"), run.locked():
        pass
    holder.kill()
    holder.communicate()
    with run.locked():
        pass


def test_leftovers_of_a_killed_writer_are_swept_under_the_lock(tmp_path: Path) -> None:
    run = make(tmp_path)
    leftover = run.checkpoints / f"step-000001.safetensors{TEMPORARY}99"
    leftover.write_text("torn")

    with run.locked():
        assert not leftover.exists()


def test_the_log_is_cut_to_whole_lines(tmp_path: Path) -> None:
    run = make(tmp_path)
    for step in range(4):
        run.append_log({"step": step})
    with run.log.open("a") as log:
        log.write('{"step": 4, "d/re')

    assert [entry["step"] for entry in run.read_log()] == [0, 1, 2, 3]
    run.cut_log(2)
    assert run.log.read_text() == '{"step": 0}\n{"step": 1}\n'


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.write_json("result.json", {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": -math.inf}})

    assert json.loads((run.path / "result.json").read_text()) == {
        "a": None,
        "b": [None, 1.5],
        "c": {"d": None},
    }
