"""One run in processes of its own: the same weights, one voice, and stops that all obey."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from small_recipe import small

from ganzoo.runs.folder import RunDir, list_runs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="torch's launcher has no gloo there")
LONG = "train.steps=100000"
PREPARE = ["measure", "prepare"]
PLACE = {False: ["--device", "cpu", "--offline", "-q"], True: ["--offline", "-q"]}


def start(words: Sequence[str], folder: Path, *before: str) -> subprocess.Popen[str]:
    (folder / "small.toml").write_text(small(steps=4))
    return subprocess.Popen(
        [sys.executable, "-m", *before, "ganzoo", *words, *PLACE[list(words[:2]) == PREPARE]],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(words: Sequence[str], folder: Path, *before: str) -> tuple[int, str, str]:
    started = start(words, folder, *before)
    out, err = started.communicate(timeout=300)
    return started.returncode, out, err


def weights(folder: Path, name: str) -> bytes:
    (found,) = (each for each in list_runs(folder / "runs") if each.path.parent.name == name)
    return found.generator.read_bytes()


def sets(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def test_two_processes_end_in_the_weights_of_one_with_one_voice(tmp_path: Path) -> None:
    wanted = ["run", "small.toml", *sets("train.shards=4", "generator.norm='none'")]
    assert run([*wanted, "--name", "one"], tmp_path)[0] == 0
    code, out, err = run([*wanted, "--name", "two", "--processes", "2"], tmp_path)

    assert (code, len(out.splitlines()), err) == (0, 1, "")
    assert weights(tmp_path, "one") == weights(tmp_path, "two")


def outcome(folder: Path, name: str) -> RunDir:
    (found,) = (each for each in list_runs(folder / "runs") if each.path.parent.name == name)
    return found


MEASURED = {
    "dcgan_digits": [
        "generator.base_channels=2",
        "generator.norm='none'",
        "discriminator.base_channels=2",
    ],
    "cdcgan_digits": [
        "generator.base_channels=2",
        "generator.labels='one_hot'",
        "generator.norm='none'",
        "discriminator.base_channels=2",
    ],
    "toy_ring": [],
    "cyclegan_digits": [
        "generator.base_channels=2",
        "discriminator.base_channels=2",
        "dataset.size=32",
        "train.batch_size=4",
        "samples.rows=1",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_two_processes_score_as_one_does_on_the_way_and_afterwards(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody waits so long for another, though measuring takes longer.
    monkeypatch.setenv("GANZOO_WAIT", "10")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    if name != "toy_ring":
        assert run(["measure", "prepare", "digits"], tmp_path)[0] == 0
    few = ("train.steps=4", "train.shards=2", "measure.every=2", "measure.samples=600")
    wanted = ["run", name, *sets(*MEASURED[name], *few)]
    assert run([*wanted, "--name", "one"], tmp_path)[0] == 0
    code, _, err = run([*wanted, "--name", "two", "--processes", "2"], tmp_path)

    one, two = outcome(tmp_path, "one"), outcome(tmp_path, "two")
    assert (code, err) == (0, "")
    metrics = one.read_json("result.json")["metrics"]
    assert metrics
    assert two.read_json("result.json")["metrics"] == metrics
    for mine, others in zip(one.read_log(), two.read_log(), strict=True):
        found = {key: value for key, value in mine.items() if key.startswith("m/")}
        assert found == {key: value for key, value in others.items() if key.startswith("m/")}
    # Any number of processes measures a run, whatever its shards.
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "3", "-m")
    for before, more in (((), []), ((), ["--processes", "3"]), (launcher, [])):
        words = ["measure", str(two.path), "--json", *more]
        code, out, err = run(words, tmp_path, *before)
        assert code == 0, err
        assert json.loads(out)["metrics"] == metrics


@pytest.mark.slow
def test_a_folder_of_images_is_measured_by_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    for number in range(600):
        place = tmp_path / "images" / f"{number}.png"
        Image.frombytes("L", (8, 8), random.Random(number).randbytes(64)).save(place)
    words = ["measure", "images", "--dataset", "digits", "--json"]
    one = run(words, tmp_path)
    two = run([*words, "--processes", "2"], tmp_path)
    assert one[0] == 0, one[2]
    assert two == one


@pytest.mark.slow
@pytest.mark.parametrize("by", ["option", "torchrun"])
def test_the_speed_of_two_processes_is_told_once(by: str, tmp_path: Path) -> None:
    words = ["bench", "small.toml", "--seconds", "1", "--json", *sets("train.shards=2")]
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    started = run([*words, "--processes", "2"], tmp_path) if by == "option" else None
    code, out, err = started or run(words, tmp_path, *launcher)
    assert code == 0, err
    found = json.loads(out)
    assert found["processes"] == 2
    assert found["images_per_second"] > 0
    assert not list_runs(tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["bench", "measure"])
def test_what_is_wrong_with_other_verbs_is_told_once(verb: str, tmp_path: Path) -> None:
    words = {
        "bench": ["bench", "small.toml", *sets("train.shards=3"), "--processes", "2"],
        "measure": ["measure", "nope", "--processes", "2"],
    }[verb]
    told = {"bench": "use a multiple of the shards", "measure": "no run"}[verb]
    code, out, err = run(words, tmp_path)
    assert (code, out) == (2, "")
    assert err.count(told) == 1, err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pix2pix_digits", "cyclegan_digits"])
def test_two_processes_translate_as_one_does(name: str, tmp_path: Path) -> None:
    small = ("generator.base_channels=2", "discriminator.base_channels=2", "dataset.size=32")
    small += ("generator.norm='instance'", "discriminator.norm='instance'")
    more = ("train.steps=4", "train.batch_size=4", "train.shards=2", "metric=[]", "samples.rows=1")
    wanted = ["run", name, *sets(*small, *more)]
    assert run([*wanted, "--name", "one"], tmp_path)[0] == 0
    code, out, err = run([*wanted, "--name", "two", "--processes", "2"], tmp_path)

    assert (code, len(out.splitlines()), err) == (0, 1, "")
    assert weights(tmp_path, "one") == weights(tmp_path, "two")


@pytest.mark.slow
def test_torchrun_starts_the_same_and_another_number_goes_on(tmp_path: Path) -> None:
    wanted = ["run", "small.toml", *sets("train.shards=4", "ema.half_life=3")]
    assert run([*wanted, "--name", "one"], tmp_path)[0] == 0
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "4", "-m")
    half = [*wanted, "--set", "train.steps=2", "--name", "four"]
    assert run(half, tmp_path, *launcher)[0] == 0
    (found,) = (each for each in list_runs(tmp_path / "runs") if each.path.parent.name == "four")
    words = ["resume", str(found.path), "--set", "train.steps=4", "--processes", "2"]
    assert run(words, tmp_path)[0] == 0
    assert weights(tmp_path, "one") == weights(tmp_path, "four")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "processes", "told"),
    [
        (["train.shards=4"], "3", "set train.shards = 3"),
        (["train.shards=3"], "3", "use a multiple of the shards"),
        (["loss.use='nothing'"], "2", "no loss named 'nothing'"),
    ],
)
def test_what_is_wrong_is_told_once(
    wanted: list[str], processes: str, told: str, tmp_path: Path
) -> None:
    words = ["run", "small.toml", *sets(*wanted), "--processes", processes]
    code, out, err = run(words, tmp_path)
    assert (code, out) == (2, "")
    assert err.count(told) == 1
    assert "Traceback" not in err
    assert "process 1" not in err


LATE = """\
import os
import time
from ganzoo.api import hookimpl
from ganzoo.common.errors import GanzooError

if os.environ.get("RANK") == "{rank}":
    {what}


@hookimpl
def ganzoo_losses():
    return []
"""


@pytest.mark.slow
def test_a_mistake_is_told_though_the_second_process_is_the_first_to_find_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "late.py").write_text(LATE.format(rank=0, what="time.sleep(4)"))
    words = ["run", "small.toml", "--plugin", "late.py", "--processes", "2"]
    code, out, err = run([*words, *sets("loss.use='nothing'")], tmp_path)
    assert (code, out) == (2, "")
    assert err.count("no loss named 'nothing'") == 1
    assert "process 1" not in err


@pytest.mark.slow
def test_a_mistake_of_the_second_process_alone_is_told_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_WAIT", "2")
    (tmp_path / "late.py").write_text(LATE.format(rank=1, what="raise GanzooError('not here')"))
    words = ["run", "small.toml", "--plugin", "late.py", "--processes", "2"]
    code, out, err = run([*words, *sets("train.steps=100000")], tmp_path)
    assert (code, out) == (2, ""), err
    assert err.count("process 1: ") == err.count("not here") == 1, err


def begun(folder: Path, out: str = "runs") -> RunDir:
    """Wait for a run's first checkpoint."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        for found in list_runs(folder / out):
            if any(name.endswith(".safetensors") for name in found.names("checkpoints")):
                return found
        time.sleep(0.05)
    raise AssertionError("no checkpoint")


def members(launcher: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(launcher)], capture_output=True, text=True)
    return sorted(map(int, found.stdout.split()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "number", "code"),
    [
        ("launcher", signal.SIGINT, 130),
        ("launcher", signal.SIGTERM, 143),
        ("first", signal.SIGTERM, 143),
        ("second", signal.SIGTERM, 143),
        ("second", signal.SIGKILL, 4),
        ("first", signal.SIGKILL, 4),
    ],
)
def test_all_stop_together_and_leave_a_checkpoint(
    who: str, number: int, code: int, tmp_path: Path
) -> None:
    wanted = sets("train.shards=2", "train.epochs=100000", LONG, "checkpoint.every=5")
    words = ["run", "small.toml", *wanted, "--processes", "2"]
    started = start(words, tmp_path)
    found = begun(tmp_path)
    children = members(started.pid)
    pid = {"launcher": started.pid, "first": children[0], "second": children[1]}[who]
    os.kill(pid, number)
    stopped = time.monotonic()
    _, err = started.communicate(timeout=60)
    assert time.monotonic() - stopped < 60
    assert started.returncode == code, err
    assert "Traceback" not in err
    assert not any(map(is_alive, children))
    kept = found.names("checkpoints")
    assert kept
    status = json.loads((found.path / "status.json").read_text())
    if number != signal.SIGKILL:
        assert status["status"] == "interrupted"
        assert f"step-{status['step']:06d}.safetensors" in kept


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", [0, 1])
def test_torchrun_restarts_a_killed_run_and_it_ends_in_the_same_weights(
    who: int, tmp_path: Path
) -> None:
    longer = ("train.steps=60", "train.epochs=1000", "checkpoint.every=10")
    wanted = ["run", "small.toml", *sets(*longer, "train.shards=2", "generator.norm='none'")]
    assert run([*wanted, "--name", "one"], tmp_path)[0] == 0
    number = ("--standalone", "--nproc-per-node", "2", "--max-restarts", "2")
    launcher = ("torch.distributed.run", *number, "-m")
    started = start([*wanted, "--out", "others", "--name", "two"], tmp_path, *launcher)
    found = begun(tmp_path, "others")
    killed = members(started.pid)
    os.kill(killed[who], signal.SIGKILL)
    _, err = started.communicate(timeout=500)

    assert started.returncode == 0, err
    assert "Traceback" not in err
    assert found.read_json("status.json")["status"] == "done"
    assert len(list_runs(tmp_path / "others")) == 1
    assert found.generator.read_bytes() == weights(tmp_path, "one")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_launches_meet_as_two_machines_do(tmp_path: Path) -> None:
    wanted = ["run", "small.toml", *sets("train.shards=2", "generator.norm='none'")]
    assert run([*wanted, "--name", "one"], tmp_path)[0] == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = (
        *("torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}", "--rdzv-id", "any"),
        "-m",
    )
    both = [start([*wanted, "--name", "two"], tmp_path, *launcher) for _ in range(2)]
    try:
        ends = [each.communicate(timeout=400) for each in both]
    finally:
        for each in both:
            each.kill()

    assert [each.returncode for each in both] == [0, 0], ends
    assert sorted(len(out.splitlines()) for out, _ in ends) == [0, 1]
    assert weights(tmp_path, "one") == weights(tmp_path, "two")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_the_minutes_are_over_for_all(tmp_path: Path) -> None:
    words = ["run", "small.toml", *sets("train.shards=2", "train.epochs=100000", LONG)]
    code, _, err = run([*words, "--processes", "2", "--minutes", "0.05"], tmp_path)
    assert code == 0, err
    (found,) = list_runs(tmp_path / "runs")
    assert json.loads((found.path / "status.json").read_text())["status"] == "interrupted"


@pytest.mark.slow
def test_a_script_under_torchrun_makes_one_run(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(small(steps=2))
    (tmp_path / "script.py").write_text(
        "import ganzoo\n"
        "done = ganzoo.run('small.toml', {'train.shards': 2}, device='cpu', quiet=True)\n"
        "print(done.status, flush=True)\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "script.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert len(list_runs(tmp_path / "runs")) == 1
