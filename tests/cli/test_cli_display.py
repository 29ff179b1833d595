"""What a run looks like on a terminal and elsewhere, with a run that is only played."""

from __future__ import annotations

import os
import pty
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganzoo.cli import output as streams
from ganzoo.cli import summaries as screens
from ganzoo.cli import summaries as wording
from ganzoo.cli.output import Steady
from ganzoo.cli.progress import REDRAW_S, Display
from ganzoo.runs.folder import RunDir
from ganzoo.runs.log import terms
from ganzoo.training.signals import stopping

ENTRY = {"step": 50, "epoch": 0.5, "d/real": 0.5, "d/fake": 0.25, "d/loss": 0.75, "g/loss": 2.0,
         "g/adversarial": 2.0, "d/accuracy": 0.875, "m/frechet": 12.5,
         "batch/d/loss": 0.625, "batch/g/loss": 2.0}  # fmt: skip


class Screen:
    """A terminal: what is written to its stream is collected."""

    def __init__(self) -> None:
        self.reader, writer = pty.openpty()
        self.stream = os.fdopen(writer, "w", encoding="utf-8")
        self.content = b""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self.reader, 4096):
                self.content += piece
        except OSError:
            return

    def text(self) -> str:
        """Return all that was written, after closing the terminal."""
        self.stream.close()
        self.thread.join(timeout=5)
        return self.content.decode()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """Return a terminal that can take the place of stderr."""
    made = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield made
    os.close(made.reader)


def played(folder: Path) -> Any:
    """Return what a display asks a run for."""
    run = RunDir(folder / "runs" / "tiny [bold]" / "20260101-1200-abcd")
    run.samples.mkdir(parents=True)
    run.checkpoints.mkdir()
    optimizer = SimpleNamespace(use="adam")
    recipe = SimpleNamespace(
        train=SimpleNamespace(seed=3),
        generator=SimpleNamespace(use="transpose"),
        discriminator=SimpleNamespace(use="conv"),
        step=SimpleNamespace(players={"generator": "generator", "discriminator": "discriminator"}),
        loss=SimpleNamespace(use="wasserstein"),
        regularizer=[SimpleNamespace(use="gradient_penalty")],
        samples=SimpleNamespace(every=250, each_epoch=False),
        optimizer=SimpleNamespace(generator=optimizer, discriminator=optimizer),
    )
    parts = SimpleNamespace(
        recipe=recipe,
        steps=400,
        machine=SimpleNamespace(
            device=SimpleNamespace(type="cpu"),
            state=lambda: {"device_name": "A CPU", "threads": 2, "precision": "fp32"},
        ),
        facts=lambda: {
            "data": {"name": "mnist", "images": 60_000, "shape": "1×28×28", "reason": ""},
            "parameters": {"generator": 1_000, "discriminator": 2_000},
        },
        epoch=lambda step: step / 100,
        images_per_step=lambda: 128,
    )
    return SimpleNamespace(
        parts=parts, run=run, step=50, first_step=0, seconds=5.0, pace="1,280 images/s",
        seconds_left=35.0, peak_memory_mib=1_234.5,
    )  # fmt: skip


def play(display: Display, training: Any) -> None:
    """Start, make a step that is logged, measured and sampled, and warn."""
    display.started(training)
    display.logged(training, ENTRY)
    display.sampled(training, training.run.samples / "step-000050.png", 50)
    display._updated = 0.0
    display.stepped(training)
    display.warn("samples are [red]alike\x1b[2J")


def test_a_terminal_gets_a_bar_with_terms_speed_time_left_and_pictures(
    screen: Screen, tmp_path: Path
) -> None:
    training = played(tmp_path)

    with redirect_stderr(screen.stream), Display() as display:
        play(display, training)
    text = screen.text()

    for piece in (
        "epoch 0.5/4.0",
        "━",
        "50/400",
        "1,280 images/s · 35 s left",
        "discriminator loss 0.750 = real 0.500 + fake 0.250, last batch 0.625, accuracy 0.875",
        "generator loss 2.000",
        "measured at step 50: frechet 12.500",
        "newest pictures:",
    ):
        assert piece in text
    assert re.search(r"╭─\S* WARNING \S*─+╮", text)
    assert "samples are [red]alike[2J" in text
    assert text.endswith("\x1b[2K")


def test_the_terminal_is_given_back_whatever_happens(screen: Screen, tmp_path: Path) -> None:
    def fail() -> None:
        with redirect_stderr(screen.stream), Display() as display:
            display.started(played(tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    text = screen.text()
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_without_a_terminal_there_are_lines_and_no_escapes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Display() as display:
        play(display, played(tmp_path))

    text = capsys.readouterr().err
    assert "\x1b" not in text
    assert "step 50/400, epoch 0.50 · 1,280 images/s · 35 s left · peak memory 1,234 MiB" in text
    assert "WARNING samples are [red]alike[2J" in text
    assert "wasserstein + gradient_penalty" in text


@pytest.mark.parametrize("first_step", [0, 40])
def test_memory_is_told_once_after_the_first_step_that_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, first_step: int
) -> None:
    training = played(tmp_path)
    training.first_step = training.step = first_step

    with Display() as display:
        display.started(training)
        assert "MiB" not in capsys.readouterr().err
        for training.step in (first_step + 1, first_step + 2):
            display.stepped(training)

    told = [line for line in capsys.readouterr().err.splitlines() if "MiB" in line]
    assert told == ["first step  peak memory 1,234 MiB"]


def test_lines_come_every_ten_seconds_and_not_with_every_step(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    training = played(tmp_path)

    with Display() as display:
        display.started(training)
        for _ in range(100):
            display.logged(training, {"d/loss": 1.0})
            display.stepped(training)

    assert capsys.readouterr().err.count("step 50/400") == 1


def test_the_time_it_will_take_is_told_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    training = played(tmp_path)

    with Display() as display:
        display.started(training)
        display.stepped(training)
        display.stepped(training)

    assert capsys.readouterr().err.count("about 35 s left") == 1


def test_quiet_leaves_warnings_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with Display(-1) as display:
        play(display, played(tmp_path))

    assert capsys.readouterr().err == "WARNING samples are [red]alike[2J\n"


def test_a_dumb_terminal_gets_lines(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")

    with redirect_stderr(screen.stream), Display() as display:
        play(display, played(tmp_path))

    assert "step 50/400" in screen.text()


def test_no_color_means_no_color(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    with redirect_stderr(screen.stream), Display() as display:
        play(display, played(tmp_path))

    assert "\x1b[3" not in screen.text()


def test_a_screen_narrower_than_any_word_breaks_nothing(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "5")

    with redirect_stderr(screen.stream), Display() as display:
        play(display, played(tmp_path))

    assert "0" in screen.text()


@pytest.mark.slow
def test_drawing_takes_less_than_a_twentieth_of_the_time(screen: Screen, tmp_path: Path) -> None:
    training = played(tmp_path)
    with redirect_stderr(screen.stream), Display() as display:
        display.started(training)
        began = time.process_time()
        for _ in range(20):
            display._updated = 0.0
            display.stepped(training)
        spent = (time.process_time() - began) / 20

    assert "50/400" in screen.text()
    assert spent < 0.05 * REDRAW_S


def test_a_download_is_a_bar_on_a_terminal(screen: Screen) -> None:
    with redirect_stderr(screen.stream), Display() as display:
        for done in range(0, 101, 10):
            display.transfers("downloading [x]", done, 100)

    text = screen.text()
    assert "downloading [x]" in text
    assert "100%" in text
    assert text.endswith("\x1b[2K")


def test_what_takes_long_while_a_run_is_shown_is_told_in_lines(
    screen: Screen, tmp_path: Path
) -> None:
    with redirect_stderr(screen.stream), Display() as display:
        display.started(played(tmp_path))
        display.transfers("classifier of digits", 1, 4)
        display.close()
        display.transfers("mnist", 1, 2)
    text = screen.text()

    assert "classifier of digits: 25%" in text
    assert "mnist: 50%" not in text


def test_a_download_is_a_line_now_and_then_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for done in range(100):
            display.transfers("downloading x", done, 0)

    assert capsys.readouterr().err == "downloading x: 0\n"


def test_a_line_on_a_terminal_ends_between_words_and_its_rest_stands_under_its_text() -> None:
    plugins = "plugins    " + ", ".join(["ganzoo-losses"] * 4)
    path = "report  runs/" + "x" * 60

    narrow = "\n".join(streams.hanging(*streams.label_and_text(each), 40) for each in (
        plugins, "  an indented sentence that is longer than a line", path, ""
    ))  # fmt: skip

    assert narrow.splitlines() == [
        "plugins    ganzoo-losses, ganzoo-losses,",
        "           ganzoo-losses, ganzoo-losses",
        "  an indented sentence that is longer",
        "  than a line",
        path,
    ]


def test_a_pipe_gets_every_line_whole(capsys: pytest.CaptureFixture[str]) -> None:
    streams.say("word " * 100)

    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_stream_whose_reader_left_swallows_the_rest() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = Steady(os.fdopen(writer, "w", encoding="utf-8"))

    stream.write("x" * 100_000)
    stream.flush()

    assert stream.write("more") == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.2, "12 s"), (59.7, "1 min 00 s"), (123, "2 min 03 s"),
     (3_900, "1 h 05 min"), (360_000, "100 h 00 min")],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (0.0, "0.000"), (1e-4, "1.00e-04"), (-2.5e6, "-2.50e+06"), (7, "7"),
     (12_345, "12,345"), (None, "not finite"), ("x", "x")],
)  # fmt: skip
def test_figures_are_short(value: object, text: str) -> None:
    assert wording.number(value) == text


def test_a_single_sum_is_shown_where_there_are_no_terms() -> None:
    assert terms({"d/loss": 1.0, "step": 3}) == "discriminator loss 1.000"


def test_a_side_is_told_by_its_sum_its_terms_and_its_last_batch() -> None:
    entry = {"d/real": 0.3, "d/fake": 0.256, "d/loss": 0.556, "batch/d/loss": 0.571,
             "g/adversarial": 5.449, "g/loss": 5.449, "batch/g/loss": 5.449}  # fmt: skip

    assert terms(entry) == (
        "discriminator loss 0.556 = real 0.300 + fake 0.256, last batch 0.571 · "
        "generator loss 5.449"
    )


def test_the_best_measure_is_shown_apart_where_it_was_earlier() -> None:
    metrics = {
        "frechet": {"last": {"value": 12.0, "step": 900}, "best": {"value": 9.5, "step": 600},
                    "floor": {"value": 0.5}},
        "kernel": {"last": {"value": 1.0, "step": 900}, "best": {"value": 1.0, "step": 900}},
    }  # fmt: skip

    assert screens.measured(metrics) == [
        ("measured", "frechet 12.000 (floor 0.500), kernel 1.000"),
        ("best", "frechet 9.500 at 600"),
    ]


def test_a_run_under_nohup_is_not_stopped_by_a_hangup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping(lambda: None) as stop:
            signal.raise_signal(signal.SIGHUP)

            assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)
