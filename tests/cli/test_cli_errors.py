"""Mistakes, crashes and signals: one message each, and the exit code that was promised."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from calling import Call, shell

from ganzoo.cli import exit as boundary
from ganzoo.common.errors import DataError, GanzooError, MachineError, TrainingError

TEN_MISTAKES = """\
[train]
epochs = "many"
batch = 3
[latent]
size = -1
[dataset]
use = "digits"
[generator]
use = "transpoze"
[discriminator]
use = "conv"
dropuot = 0.3
[loss]
use = "bce"
[optimizer.generator]
use = "adam"
lr = -2e-4
[optimizer.discriminator]
use = "adam"
betas = [0.5]
[samples]
every = "never"
[checkpoint]
keep = 0
[stepp]
x = 1
"""


def test_ten_mistakes_are_ten_lines_with_their_places(call: Call, tmp_path: Path) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text(TEN_MISTAKES)

    result = call("check", recipe)

    places = re.findall(r"bad\.toml:(\d+): ", result.stderr)
    assert places == ["2", "3", "5", "9", "12", "17", "20", "22", "24", "25"]
    assert "10 errors, nothing was started." in result.stderr
    assert result.exit_code == 2


def test_run_tells_the_same_mistakes_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text(TEN_MISTAKES)

    result = call("run", recipe)

    assert result.exit_code == 2
    assert result.stderr == call("check", recipe).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nope"], "no recipe named 'nope'"),
        (["run", "."], "a folder"),
        (["run", "dcgan_digits", "--set", "train.epochz=3"], "did you mean 'epochs'"),
        (["run", "dcgan_digits", "--set", "seed"], "needs key=value"),
        (["run", "dcgan_digits", "--sed", "3"], "--se"),
        (["run", "dcgan_digits", "--threads", "0"], "0 is not in the range"),
        (["run", "dcgan_digits", "--minutes", "0"], "0"),
        (["run", "dcgan_digits", "--device", "tpu"], "choose auto, cpu, cuda"),
        (["run", "dcgan_digits", "--plugin", "nope.py"], "no such file"),
        (["resume", "nope"], "no run named 'nope'"),
        (["show", "bcee"], "did you mean 'bce'?"),
        (["show", "generator/bce"], "no component, recipe or run named 'generator/bce'"),
        (["list", "lozzes"], "did you mean 'losses'?"),
        (["data", "get", "mnits"], "did you mean 'mnist'?"),
        (["data", "get", "mnist", "--set", "x=1"], "unknown key"),
        (["data", "got"], "did you mean 'get'?"),
        (["check"], "Missing argument"),
        (["completion", "tcsh"], "tcsh"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_without_a_traceback_and_ends_with_2(
    call: Call, words: list[str], said: str
) -> None:
    result = call(*words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GanzooError("said"), 2),
        (DataError("said"), 2),
        (TrainingError("said"), 3),
        (MachineError("said"), 4),
        (PermissionError(13, "said", "/x"), 4),
        (KeyboardInterrupt(), 130),
        (boundary.Stopped(signal.SIGTERM), 143),
        (boundary.Stopped(signal.SIGHUP), 129),
        (BrokenPipeError(), 141),
        (MemoryError(), 4),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 4),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 4),
        (ZeroDivisionError("said"), 1),
        (SystemExit(0), 1),
    ],
    ids=repr,
)
def test_each_kind_of_end_has_its_exit_code(
    error: BaseException, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def body() -> int:
        raise error

    assert boundary.ending(body, lambda: False) == code
    assert "Traceback" not in capfd.readouterr().err


def test_the_last_line_after_an_abort_says_how_to_go_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def body() -> int:
        stop = KeyboardInterrupt()
        stop.add_note("go on: ganzoo resume abcd")
        raise stop

    boundary.ending(body, lambda: False)

    assert capfd.readouterr().err == "stopped\ngo on: ganzoo resume abcd\n"


def test_a_bug_is_one_line_and_a_file_with_the_whole_story(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def body() -> int:
        return 1 // 0

    boundary.ending(body, lambda: False)

    said = capfd.readouterr().err
    found = re.search(r"this is a bug .*ZeroDivisionError.*\n.*'(.*ganzoo-crash-.*)'", said)
    assert found
    report = Path(found[1])
    assert "1 // 0" in report.read_text()
    report.unlink()


def test_debug_shows_the_traceback_wherever_it_stands(call: Call) -> None:
    for words in (["--debug", "check", "nope"], ["check", "nope", "--debug"]):
        assert call(*words).exit_code == 2

    assert "Traceback" in call("show", "nope", "--debug").stderr


def test_sigterm_before_a_run_begins_lets_files_be_cleared_away(tmp_path: Path) -> None:
    half = tmp_path / "half.tmp"

    def body() -> int:
        half.touch()
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            half.unlink()
        return 0

    assert boundary.ending(body, lambda: False) == 143
    assert not half.exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_hangup_that_the_caller_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def body() -> int:
            signal.raise_signal(signal.SIGHUP)
            return 0

        assert boundary.ending(body, lambda: False) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_no_handlers_are_set() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(boundary.ending(lambda: 0, bool)))

    thread.start()
    thread.join()

    assert codes == [0]


def test_control_characters_of_strangers_do_not_reach_the_terminal(call: Call) -> None:
    result = call("show", "\x1b]0;owned\x07[/x]\u202e")

    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr
    assert "[/x]" in result.stderr


def test_pipes_full_disks_and_closed_streams_end_without_noise() -> None:
    done = shell(
        "ganzoo list losses | head -1; echo ${PIPESTATUS[0]} >&2\n"
        "ganzoo list all | true; echo ${PIPESTATUS[0]} >&2\n"
        "ganzoo list losses > /dev/full; echo $? >&2\n"
        "ganzoo list losses >&-; echo $? >&2\n"
        "ganzoo check nope 2>&-; echo $? >&2\n"
    )

    assert done.stdout.split()[:2] == ["loss", "from"]
    assert [line for line in done.stderr.splitlines() if line.isdigit()][-3:] == ["4", "0", "2"]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"NO_COLOR": "1", "TERM": "dumb"},
        {"COLUMNS": "20"},
    ],
    ids=str,
)
def test_any_terminal_gets_plain_text(environment: dict[str, str]) -> None:
    done = shell("ganzoo show conv && ganzoo check nope", **environment)

    assert done.returncode == 2
    assert "base_channels" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "no recipe named 'nope'" in done.stderr


COMMANDS = [
    "-h",
    "--version",
    "run -h",
    "list",
    "list runs",
    "list recipes --json",
    "show adam",
    "show dcgan_digits",
    "show last",
    "check dcgan_digits",
    "schema",
    "plugins",
    "doctor",
    "data path",
    "data get digits",
    "completion bash",
    "sample last -n 1",
    "measure last --set measure.network=random",
    "report last",
    "export last --to safetensors",
    "run tiny.toml --device cpu",
]


ENDS = """
import json, os, sys
from ganzoo.cli.app import ganzoo

def end(words, descriptor):
    os.dup2(descriptor, 1)
    sys.stdout = open(1, "w", closefd=False)
    try:
        ganzoo.main(words)
    except SystemExit as stop:
        return stop.code

ends = {}
for words in json.loads(sys.argv[1]):
    reader, closed = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    ends[" ".join(words)] = [end(words, closed), end(words, full)]
print(json.dumps(ends), file=open("ends.json", "w"))
"""
"""Calls each command with nobody who reads, then with a full disk; in one process, to be quick."""


def test_no_command_takes_a_closed_pipe_or_a_full_disk_for_a_bug(call: Call, tiny: Path) -> None:
    assert call("run", tiny, "--device", "cpu").exit_code == 0
    words = json.dumps([each.split() for each in COMMANDS])

    done = subprocess.run(
        [sys.executable, "-c", ENDS, words],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    ends = json.loads(Path("ends.json").read_text())
    # A run's result is in its folder as well: nobody has to wait for its name.
    wanted = {words: [0 if words.startswith("run tiny") else 141, 4] for words in COMMANDS}
    assert ends == wanted, done.stderr
    assert "this is a bug" not in done.stderr
    assert "Traceback" not in done.stderr
