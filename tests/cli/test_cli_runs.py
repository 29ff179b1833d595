"""ganzoo runs: what it lists, what is written beside a run, and what it takes away."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from calling import Call, parsed, start

import ganzoo
from ganzoo.runs.folder import RunDir
from ganzoo.runs.notes import Notes, read_notes, write_notes
from ganzoo.runs.record import Record, summaries

Make = Callable[..., RunDir]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make the folder of a run that nobody trained."""

    def made(
        letters: str,
        recipe: str = "tiny",
        status: str = "done",
        time: str = "2026-01-02T03:04:05+0000",
        score: float | None = None,
        folder: str = "",
    ) -> RunDir:
        run = RunDir(tmp_path / "runs" / recipe / (folder or f"20260101-1200-{letters}"))
        run.samples.mkdir(parents=True)
        run.checkpoints.mkdir()
        run.recipe.write_text("")
        run.write_json("status.json", {"status": status, "step": 4, "time": time})
        run.append_log({"step": 4, "epoch": 1.0, "d/loss": 1.25, "g/loss": 0.75})
        if score is not None:
            best = {"value": score, "step": 2}
            metric = {"last": {"value": score + 1}, "best": best, "lower_is_better": True}
            run.write_json("result.json", {"metrics": {"frechet": metric}})
        (run.path / ".lock").touch()
        return run

    return made


SMALL = {
    "train.batch_size": 8,
    "generator.base_channels": 2,
    "discriminator.base_channels": 2,
    "metric": [],
}


def checkpoint(run: RunDir, *steps: int) -> None:
    for step in steps:
        (run.checkpoints / f"step-{step:06d}.safetensors").write_bytes(b"x" * 1000)


def ablation(make: Make, name: str = "collapse") -> RunDir:
    """Make an ablation of two cells, of which one is done."""
    cells = [
        {"id": letters, "variant": "pack", "seed": n} for n, letters in enumerate(("aa", "bb"))
    ]
    make("aa", name, folder="cell-aa")
    make("bb", name, "interrupted", folder="cell-bb")
    above = RunDir(make("aa", "other").path.parents[1] / name)
    above.write_json("experiment.json", {"cells": cells})
    return above


def ids(found: Any) -> list[str]:
    return [row["id"] for row in found]


def test_runs_alone_lists_them_with_cells_under_their_ablation(call: Call, make: Make) -> None:
    ablation(make)
    make("solo")

    lines = call("runs").stdout.splitlines()

    (first,) = [n for n, line in enumerate(lines) if line.startswith("collapse ")]
    assert lines[first].split()[1:6] == ["ablation", "2", "cells,", "1", "done"]
    assert {lines[first + 1].split()[0], lines[first + 2].split()[0]} == {"aa", "bb"}
    assert lines[first + 1].startswith("  ")
    assert "pack, seed 1" in call("runs").stdout
    assert any(line.startswith("solo ") for line in lines)
    assert call("runs").stdout == call("list", "runs").stdout == call("runs", "list").stdout


def test_runs_are_chosen_by_recipe_status_tag_and_time(call: Call, make: Make) -> None:
    make("aaaa", "dcgan_a", time="2026-01-02T00:00:00+0000")
    make("bbbb", "dcgan_b", "failed", time="2026-01-04T00:00:00+0000")
    write_notes(make("cccc", "wgan", time="nonsense"), Notes(("good",)))

    def listed(*words: str) -> list[str]:
        return sorted(ids(parsed(call("runs", *words, "--json"))))

    assert listed("--recipe", "dcgan_*") == ["aaaa", "bbbb"]
    assert listed("--recipe", "dcgan_a", "--recipe", "wgan") == ["aaaa", "cccc"]
    assert listed("--status", "failed") == ["bbbb"]
    assert listed("--tag", "good") == ["cccc"]
    assert listed("--since", "2026-01-03T00:00:00+00:00") == ["bbbb"]
    assert listed("--since", "9999w") == ["aaaa", "bbbb"]
    assert listed("--recipe", "dcgan_*", "--status", "done") == ["aaaa"]
    assert len(listed("--most", "2")) == 2
    assert "no such run in" in call("runs", "--tag", "none").stderr


@pytest.mark.parametrize(
    "words", [("--since", "soon"), ("--since", "9999999999d"), ("--status", "x")]
)
def test_a_filter_that_means_nothing_is_refused(call: Call, words: tuple[str, ...]) -> None:
    assert call("runs", *words).exit_code == 2


def test_the_best_run_is_first_and_one_still_running_counts_by_its_log(
    call: Call, make: Make
) -> None:
    make("aaaa", score=5.0)
    make("bbbb", score=3.0)
    make("none")
    young = make("cccc", status="interrupted")
    for step, value in ((8, 4.0), (9, 4.5)):
        young.append_log({"step": step, "m/frechet": value})

    rows = parsed(call("runs", "--best", "frechet", "--json"))
    table = call("runs", "--best", "frechet").stdout
    other = call("runs", "--best", "frechte")

    assert [(row["id"], row["best"]["value"], row["best"]["step"]) for row in rows] == [
        ("bbbb", 3.0, 2),
        ("cccc", 4.0, 8),
        ("aaaa", 5.0, 2),
    ]
    assert "best frechet" in table
    assert (other.exit_code, "did you mean 'frechet'" in other.stderr) == (2, True)


def test_tags_and_a_note_are_kept_beside_the_run(call: Call, make: Make) -> None:
    run = make("abcd")

    call("runs", "tag", "abcd", "v2", "good")
    call("runs", "note", "abcd", "sharp, few kinds")
    read = parsed(call("runs", "note", "abcd", "--json"))
    call("runs", "tag", "abcd", "v2", "--remove")
    strange = call("runs", "tag", "abcd", "goood", "--remove")

    assert read == {"id": "abcd", "tags": ["good", "v2"], "note": "sharp, few kinds"}
    assert read_notes(run) == Notes(("good",), "sharp, few kinds")
    assert (strange.exit_code, "did you mean 'good'" in strange.stderr) == (2, True)
    assert call("runs").stdout.splitlines()[1].endswith("good")
    assert not list(run.path.glob("*.tmp-*"))


@pytest.mark.parametrize("tag", ["two words", "", "-x", "a" * 41, "\x1b[2J", "a/b"])
def test_what_is_no_tag_is_refused_and_nothing_written(call: Call, make: Make, tag: str) -> None:
    run = make("abcd")

    result = call("runs", "tag", "abcd", "--", "fine", tag)

    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert not (run.path / "notes.json").exists()


@pytest.mark.parametrize(
    "content", ['{"tags": "x", "note": 3}', "[1]", '{"tags": [1, "ok", "\\u001b["]}', "{"]
)
def test_forged_notes_are_read_as_far_as_they_make_sense(
    call: Call, make: Make, content: str
) -> None:
    run = make("abcd")
    (run.path / "notes.json").write_text(content)

    (row,) = parsed(call("runs", "--json"))

    assert row["tags"] in ([], ["ok"])
    assert "\x1b" not in call("runs").stdout


def test_notes_are_not_written_through_a_link(call: Call, make: Make, tmp_path: Path) -> None:
    run, victim = make("abcd"), tmp_path / "victim"
    victim.write_text("mine")
    (run.path / "notes.json").symlink_to(victim)

    result = call("runs", "tag", "abcd", "x")

    assert result.exit_code == 4
    assert victim.read_text() == "mine"


def test_a_run_is_removed_with_its_files_and_the_others_stay(call: Call, make: Make) -> None:
    gone, kept = make("abcd"), make("efgh")

    result = call("runs", "remove", "abcd", "--yes")

    assert result.exit_code == 0, result.output
    assert "removed run abcd" in result.stdout
    assert (gone.path.exists(), kept.recipe.exists()) == (False, True)
    call("runs", "remove", "efgh", "--yes")
    assert not kept.path.parent.exists()
    assert kept.path.parents[1].exists()


def test_without_a_terminal_nothing_is_removed_unasked(call: Call, make: Make) -> None:
    run = make("abcd")

    result = call("runs", "remove", "abcd")

    assert (result.exit_code, run.recipe.exists()) == (2, True)
    assert "--yes" in result.stderr
    assert str(run.path.name) in result.stderr


@pytest.mark.parametrize(("answer", "is_gone"), [("y\n", True), ("\n", False), ("no\n", False)])
def test_on_a_terminal_it_asks_and_does_nothing_unless_told_yes(
    make: Make, monkeypatch: pytest.MonkeyPatch, answer: str, is_gone: bool
) -> None:
    from click.testing import CliRunner

    from ganzoo.cli.app import ganzoo as program

    run = make("abcd")
    monkeypatch.setattr("ganzoo.cli.commands.runs.is_terminal", lambda: True)

    result = CliRunner().invoke(program, ["runs", "remove", "abcd"], input=answer)

    assert run.path.exists() != is_gone
    assert (result.exit_code == 0) == is_gone


def test_a_link_in_a_run_is_removed_and_not_what_it_leads_to(
    call: Call, make: Make, tmp_path: Path
) -> None:
    run, victim = make("abcd"), tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("mine")
    (run.path / "more").symlink_to(victim)
    (run.samples / "x.png").symlink_to(victim / "precious")
    run.recipe.unlink()
    run.recipe.symlink_to(victim / "precious")

    assert call("runs", "remove", "abcd", "--yes").exit_code == 0

    assert not run.path.exists()
    assert (victim / "precious").read_text() == "mine"


def test_nothing_outside_of_the_runs_folder_is_removed(
    call: Call, make: Make, tmp_path: Path
) -> None:
    inside = make("abcd")
    outside = tmp_path / "elsewhere" / "tiny" / "20260101-1200-wxyz"
    outside.mkdir(parents=True)
    (outside / "recipe.toml").touch()
    linked = inside.path.parent / "20260101-1200-wxyz"
    linked.symlink_to(outside)
    (tmp_path / "runs" / "group").symlink_to(outside.parent)
    (tmp_path / "runs" / "deep" / "er").mkdir(parents=True)
    deep = tmp_path / "runs" / "deep" / "er" / "20260101-1200-deep"
    deep.mkdir()
    (deep / "recipe.toml").touch()
    (tmp_path / "runs" / "recipe.toml").touch()

    for name in (outside, linked, f"runs/group/{outside.name}", deep, "runs", "runs/../runs/tiny"):
        result = call("runs", "remove", name, "--yes")
        assert result.exit_code in {2, 4}, (name, result.output)

    assert (outside / "recipe.toml").exists()
    assert (deep / "recipe.toml").exists()
    assert inside.recipe.exists()


def test_a_run_in_use_is_not_removed_and_all_mistakes_are_told_at_once(
    call: Call, make: Make
) -> None:
    run = make("abcd")

    with run.locked():
        busy = call("runs", "remove", "abcd", "--yes")
    wrong = call("runs", "remove", "nope", "nada", "abcd", "--yes")

    assert (busy.exit_code, run.recipe.exists()) == (4, True)
    assert "ganzoo runs stop abcd" in busy.stderr
    assert ("'nope'" in wrong.stderr, "'nada'" in wrong.stderr) == (True, True)
    assert run.recipe.exists()


def test_an_ablation_is_removed_by_its_name(call: Call, make: Make) -> None:
    above = ablation(make)
    cell = RunDir(above.path / "cell-aa")

    with cell.locked():
        assert call("runs", "remove", "collapse", "--yes").exit_code == 4
    assert cell.recipe.exists()
    result = call("runs", "remove", "collapse", "--yes")

    assert "with 2 cells" in result.stdout
    assert not above.path.exists()


def test_pruning_leaves_the_newest_and_the_best(call: Call, make: Make) -> None:
    run = make("abcd", score=5.0)
    checkpoint(run, 1, 2, 3, 4)
    (run.checkpoints / "mine.safetensors").touch()

    result = parsed(call("runs", "prune", "abcd", "--yes", "--json"))

    left = sorted(path.name for path in run.checkpoints.iterdir())
    assert result == [{"id": "abcd", "removed": 2, "bytes": 2000}]
    assert left == ["mine.safetensors", "step-000002.safetensors", "step-000004.safetensors"]
    assert "nothing to remove" in call("runs", "prune", "abcd").stdout


def test_pruning_a_run_that_is_not_done_spares_whatever_was_best_or_worst(
    call: Call, make: Make
) -> None:
    run = make("abcd", status="interrupted")
    checkpoint(run, 1, 2, 3, 4)
    for step, value in ((1, 5.0), (2, 4.0), (3, 4.5)):
        run.append_log({"step": step, "m/frechet": value})

    call("runs", "prune", "abcd", "--yes")
    none = call("runs", "prune", "abcd", "--keep", "0", "--yes")

    steps = sorted(path.stem for path in run.checkpoints.iterdir())
    assert steps == ["step-000001", "step-000002", "step-000004"]
    assert (none.exit_code, "could not be resumed" in none.stderr) == (2, True)


def test_a_link_among_checkpoints_is_not_pruned_through(
    call: Call, make: Make, tmp_path: Path
) -> None:
    run, victim = make("abcd"), tmp_path / "victim"
    victim.mkdir()
    for step in (1, 2):
        (victim / f"step-{step:06d}.safetensors").touch()
    run.checkpoints.rmdir()
    run.checkpoints.symlink_to(victim)

    call("runs", "prune", "abcd", "--yes")

    assert len(list(victim.iterdir())) == 2


def test_the_log_is_printed_and_followed_to_its_end(
    call: Call, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make("abcd", status="running")
    run.append_log({"step": 5, "d/loss": 1.5, "m/frechet": 2.0, "d/\x1b[2J": 1.0})

    short = call("runs", "logs", "abcd", "-n", "1")
    whole = call("runs", "logs", "abcd", "--json").stdout.splitlines()

    assert short.stdout.startswith("step 5 · ")
    assert "measured: frechet 2.000" in short.stdout
    assert "\x1b" not in short.stdout
    assert [json.loads(line)["step"] for line in whole] == [4, 5]

    def train(_: RunDir) -> bool:
        """Make a step when it is first looked at, and end at the second."""
        is_first = Record(run).last_entry["step"] == 5
        run.append_log({"step": 6 if is_first else 7, "d/loss": 1.0})
        run.set_status("interrupted", 7, "Ctrl-C")
        return is_first

    monkeypatch.setattr("ganzoo.runs.record.is_held", train)
    followed = call("runs", "logs", "abcd", "-f", "-n", "0")
    assert [line.split(" ·")[0] for line in followed.stdout.splitlines()] == ["step 6", "step 7"]
    assert "interrupted at step 7: Ctrl-C" in followed.stderr


def test_a_log_that_is_cut_is_followed_from_the_cut(make: Make) -> None:
    from ganzoo.runs.following import Tail

    run = make("abcd")
    run.append_log({"step": 5})
    tail = Tail(run)

    assert [entry["step"] for entry in tail.last(10)] == [4, 5]
    run.cut_log(1)
    assert tail.news() == []
    run.append_log({"step": 5, "again": 1})
    with run.log.open("a") as file:
        file.write('{"step": 6')
    assert tail.news() == [{"step": 5, "again": 1}]
    with run.log.open("a") as file:
        file.write("}\nnonsense\n[1]\n")
    assert tail.news() == [{"step": 6}]


def test_a_run_is_stopped_from_another_terminal_and_can_be_resumed(call: Call) -> None:
    told: list[tuple[str, str]] = []

    def stop() -> None:
        while not (found := summaries(Path("runs"))) or found[0]["status"] != "running":
            time.sleep(0.02)
        told.append(start("runs", "stop", "last").communicate(timeout=60))

    other = Thread(target=stop)
    other.start()
    run = ganzoo.run("dcgan_digits", {**SMALL, "train.steps": 10**6}, device="cpu", quiet=True)
    other.join(60)

    ((said, _),) = told
    assert "interrupted at step" in said
    assert "ganzoo resume" in said
    reason = run.folder.read_json("status.json")["reason"]
    assert (run.status, reason) == ("interrupted", "stopped by 'ganzoo runs stop'")
    assert list(run.folder.checkpoints.iterdir())
    assert not (run.path / "stop.json").exists()
    again = call("runs", "stop", "last")
    assert (again.exit_code, "it is interrupted" in again.stderr) == (2, True)
    (run.path / "stop.json").write_text("{}")  # a question from before, which stops nobody
    assert call("resume", "last", "--minutes", "0.002", "-q").exit_code == 0
    assert run.folder.read_json("status.json")["reason"].endswith("--minutes are over")
    assert not (run.path / "stop.json").exists()


def test_a_run_that_does_not_stop_in_time_is_told(call: Call, make: Make) -> None:
    run = make("abcd", status="running")

    with run.locked():
        result = call("runs", "stop", "abcd", "--wait", "0")

    assert (result.exit_code, "still runs" in result.stderr) == (4, True)
    assert (run.path / "stop.json").exists()


def test_an_ablation_that_is_asked_stops_as_by_a_signal(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganzoo.ablate import driver
    from ganzoo.ablate.experiment import Experiment
    from ganzoo.runs.asking import ask_to_stop
    from ganzoo.training.signals import Stop

    above = ablation(make)
    stop, noted = Stop(), []

    class Watcher:
        note = staticmethod(noted.append)

        def tick(self) -> None:
            pass

    class Engine:
        def run(self, *given: Any) -> None:
            is_stopped = given[-1]
            assert not is_stopped()
            ask_to_stop(above)
            monkeypatch.setattr("ganzoo.runs.asking.LOOK_EVERY_S", 0.0)
            assert is_stopped()

    monkeypatch.setattr(driver, "missing", lambda *_, **__: [])
    driver.conduct(Experiment(above.path, {}), None, Engine(), Watcher(), stop)  # type: ignore[arg-type]

    assert (stop.exit_code, noted) == (143, ["stopped by 'ganzoo runs stop'"])
    assert not os.path.lexists(above.path / "stop.json")
