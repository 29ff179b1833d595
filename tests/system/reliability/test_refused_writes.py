"""Where something cannot be written, scores and pictures are not lost, and what helps is named.

Read-only data, read-only runs, no home and a full disk, each with what people do with a run. Writes
are refused in this process, where the tests may run as root and without a disk of their own; the
slow tests at the end take real ones.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result
from refused import refuse
from tiny_run import TINY

import ganzoo
from ganzoo.cli.app import ganzoo as command
from ganzoo.measure import classifier

RECIPE = TINY | {"measure.samples": 60, "measure.reference": 80, "metric": [{"use": "frechet"}]}
SETS = [word for key, value in RECIPE.items() if key != "metric"
        for word in ("--set", f"{key}={value}")]  # fmt: skip


class Does(NamedTuple):
    """What people do with a run, and what comes of it where the run's folder takes nothing."""

    words: str
    """After 'ganzoo'; RUN, OUT and ELSEWHERE are folders."""
    product: str
    """What is there afterwards: a file, or text on stdout after '='."""
    refused: int
    """Exit code where the run's folder takes nothing."""
    remedy: str
    """What is said then."""


VERBS = {
    "run": Does(f"run dcgan_digits {' '.join(SETS)} --out OUT", "OUT/dcgan_digits/*/result.json", 4,
                "choose another folder with --out"),
    "resume": Does("resume RUN --set train.steps=6", "RUN/checkpoints/step-000006.safetensors", 4,
                   "cannot write"),
    "sample": Does("sample RUN -n 4", "RUN/made/*.png", 4, "--file"),
    "sample elsewhere": Does("sample RUN -n 4 --file ELSEWHERE/a.png", "ELSEWHERE/a.png", 0, ""),
    "measure": Does("measure RUN", "=frechet", 0, "the result is complete, but a file"),
    "export": Does("export RUN --to safetensors", "RUN/exported/generator.safetensors", 4,
                   "--file"),
    "export elsewhere": Does("export RUN --to safetensors --file ELSEWHERE/g.safetensors",
                             "ELSEWHERE/g.safetensors", 0, ""),
    "report": Does("report RUN", "RUN/report.html", 4, "--watch"),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run."""
    out = tmp_path_factory.mktemp("runs")
    options: Any = {"out": out, "device": "cpu", "offline": True, "quiet": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "seconds_to_train", lambda _: 59.0)
        patch.setenv("GANZOO_DATA", str(out / "data"))
        # No classifier that a test before has kept.
        patch.setenv("GANZOO_CACHE", str(out / "cache"))
        patch.setattr(classifier, "_unkept", {})
        with pytest.warns(UserWarning, match="not measured"):
            found = ganzoo.run("dcgan_digits", RECIPE, **options)
    return found.path


class Place(NamedTuple):
    """Where a test works."""

    runs: Path
    run: Path
    elsewhere: Path
    data: Path

    def call(self, does: Does) -> Result:
        """Call the command line in this process."""
        words = [self.put(word) for word in does.words.split()]
        return CliRunner().invoke(command, words)

    def put(self, word: str) -> str:
        """Return a word with its folders in place."""
        for name, path in (("RUN", self.run), ("OUT", self.runs), ("ELSEWHERE", self.elsewhere)):
            if word.startswith(name):
                return str(path) + word.removeprefix(name)
        return word

    def has(self, result: Result, product: str) -> bool:
        """Return whether a product is there."""
        if product.startswith("="):
            return product[1:] in result.stdout
        found = self.put(product)
        return any(Path("/").glob(found.removeprefix("/")))


@pytest.fixture
def place(tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return folders of one's own with a copy of the run in them."""
    made = Place(tmp_path / "runs", tmp_path / "runs" / "mine" / trained.name, tmp_path / "other",
                 tmp_path / "data")  # fmt: skip
    for folder in (made.elsewhere, made.data):
        folder.mkdir()
    shutil.copytree(trained, made.run)
    (made.run / "report.html").unlink()
    monkeypatch.chdir(made.elsewhere)
    monkeypatch.setenv("GANZOO_DATA", str(made.data))
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    monkeypatch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
    monkeypatch.setattr("ganzoo.measure.fitting.PASSES", 0)
    monkeypatch.setattr(classifier, "_unkept", {})
    # Whatever the machine: no run takes that long, so that only who asks has one trained.
    monkeypatch.setattr(classifier, "seconds_to_train", lambda _: 59.0)
    return made


@pytest.mark.parametrize(
    "number",
    [errno.EROFS, errno.ENOSPC, pytest.param(errno.EACCES, marks=pytest.mark.slow)],
    ids=os.strerror,
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_run_folder_that_takes_nothing_loses_no_score_and_no_picture(
    place: Place, monkeypatch: pytest.MonkeyPatch, verb: str, number: int
) -> None:
    does = VERBS[verb]
    with monkeypatch.context() as patch:
        refuse(patch, number, place.runs)
        done = place.call(does)

    assert done.exit_code == does.refused, done.output
    assert does.remedy in done.stderr
    assert "Traceback" not in done.output
    assert "bug" not in done.stderr
    assert place.has(done, does.product) == (does.refused == 0)


def test_a_refused_measure_prints_json_without_the_sheet(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        refuse(patch, errno.EROFS, place.runs)
        done = place.call(VERBS["measure"]._replace(words="measure RUN --json"))

    found = json.loads(done.stdout)
    assert found["metrics"]["frechet"]["last"]["value"] > 0
    assert found["sheet"] is None


@pytest.mark.parametrize("where", ["data and cache", pytest.param("data", marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", VERBS)
def test_a_read_only_data_folder_stops_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, verb: str, where: str
) -> None:
    folders = [place.data, place.data.parent / "cache"][: 1 + (where != "data")]
    with monkeypatch.context() as patch:
        refuse(patch, errno.EROFS, *folders)
        done = place.call(VERBS[verb])

    assert done.exit_code == 0, done.output
    assert place.has(done, VERBS[verb].product)
    is_kept = (place.data.parent / "cache" / "measure").exists()
    assert is_kept == (verb == "measure" and where == "data")
    if verb == "measure":
        assert ("is used but not saved" in done.stderr) == (where != "data")


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the home folder away, and who could know of one."""

    def unknown(_: object) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME", "GANZOO_CACHE", "GANZOO_DATA", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


@pytest.mark.parametrize("verb", VERBS)
def test_who_has_no_home_loses_nothing(
    place: Place, request: pytest.FixtureRequest, verb: str
) -> None:
    request.getfixturevalue("homeless")

    done = place.call(VERBS[verb])

    assert done.exit_code == 0, done.output
    assert place.has(done, VERBS[verb].product)
    assert not (place.elsewhere / "~").exists()
    if verb == "measure":
        assert "there is no home folder to keep it in" in done.stderr


def test_a_film_or_curves_that_do_not_fit_leave_the_run_done_with_its_result(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        real = os.open

        def full(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if Path(path).name.startswith(("samples.gif", "curves.png", "report.html")):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return real(path, flags, *rest, **named)

        patch.setattr(os, "open", full)
        done = place.call(VERBS["run"])

    assert done.exit_code == 0, done.output
    assert done.stderr.count("the result is complete, but a file beside it is missing") == 2
    (run,) = (place.runs / "dcgan_digits").iterdir()
    assert json.loads((run / "status.json").read_text())["status"] == "done"
    assert (run / "result.json").is_file()
    assert (run / "generator.safetensors").is_file()


# The same on real file systems, in processes of their own.


@pytest.fixture(params=["read-only", "full"])
def mounted(place: Place, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return the place with the runs on a file system that takes nothing; needs to be root."""
    disk = place.runs.parent / "disk"
    disk.mkdir()
    size = "size=64m"
    if os.name != "posix" or shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("needs to mount")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]).returncode:
        pytest.skip("may not mount")
    try:
        shutil.copytree(place.runs, disk / "runs")
        if request.param == "full":
            with (disk / "filler").open("wb") as file:
                try:
                    while file.write(b"0" * 65536):
                        file.flush()
                except OSError:
                    pass
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield place._replace(runs=disk / "runs", run=disk / "runs" / "mine" / place.run.name)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_real_disk_that_takes_nothing_loses_no_score_and_no_picture(
    mounted: Place, verb: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganzoo", *map(mounted.put, VERBS[verb].words.split())],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == VERBS[verb].refused, done.stderr
    assert VERBS[verb].remedy in done.stderr
    assert "Traceback" not in done.stderr
    if verb == "measure":
        assert "frechet" in done.stdout
