"""Run folders that somebody else wrote, and every command that reads one.

A finished run, or one that was stopped, is laid out; one thing in it is exchanged for a link, a
pipe, a folder, JSON nested 200,000 deep, 20 GB of nothing or a forgery; one command is called in a
process of its own. It holds if it ends within ten seconds with an exit code of its own, and neither
reads nor changes a file outside: bytes, names, the system's times, and a mark in every file tell.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

MARK = "CANARY7f3a9c"
"""Stands in every file outside; nothing a command says or writes may hold it."""
SECONDS = 10.0
"""Of processor time, which other programs on the machine do not lengthen."""
PATIENCE = 60.0
"""Seconds on the clock: who waits for a pipe needs no processor."""
HANGS = -1000
DEEP = 200_000
HUGE = 20_000_000_000
RUN, OTHER = "mine/20260101-0000-abcd", "mine/20260102-0000-efgh"
STUDY, CELL = "study", "study/cell-000000000000"
CHECKPOINT = "checkpoints/step-000004.safetensors"
RECIPE = """\
extends = "dcgan_digits"
[[metric]]
use = "frechet"
[measure]
network = "random"
samples = 100
[train]
steps = 8
batch_size = 8
log_every = 2
[generator]
base_channels = 2
[discriminator]
base_channels = 2
[samples]
rows = 2
columns = 2
every = 4
[checkpoint]
every = 4
"""
TABLES = ("status.json", "result.json", "environment.json", "origin.json")
PICTURES = ("real.png", "samples/step-000004.png")
WEIGHTS = (CHECKPOINT, "generator.safetensors")
FILES = (
    *TABLES, *PICTURES, *WEIGHTS, "log.jsonl", "recipe.toml", ".lock", "samples.gif", "curves.png",
    "report.html", "plugins/loss.py",
)  # fmt: skip
FOLDERS = ("samples", "checkpoints", "plugins", "made", "exported")
NASTY: tuple[Any, ...] = (
    -1, 10**30, 10**4000, 1e308, 0.5, "x", "", None, [], {}, True, [[[]]], {"a": {"a": 1}}, "1e999",
    "\x1b[2J\u202e", "../../outside", "x" * 100_000, [None] * 1000,
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """One thing exchanged in a run's folder: ``lay(run, outside)``."""

    kind: str
    target: str
    lay: Callable[[Path, Path], None]
    study: bool = False
    """Whether it is an experiment's folder that is attacked."""


@dataclass(frozen=True)
class Attempt:
    """What became of one command on one attacked folder; no fault where it held."""

    command: str
    attack: Attack
    code: int
    fault: str
    seconds: float


# What is laid


def attacks(forgeries: int, huge: int = HUGE, deep: int = DEEP) -> Iterator[Attack]:
    """Yield every attack; ``forgeries`` are made of each file that can be forged."""
    for name in FILES:
        yield from _in_place_of(name, is_folder=False)
        yield Attack("huge", name, lambda run, _, name=name: _huge(run / name, huge))  # type: ignore[misc]
    for name in FOLDERS:
        yield from _in_place_of(name, is_folder=True)
    for name in (*TABLES, "log.jsonl"):
        for text in ("[" * deep, '{"a":' * deep + "1" + "}" * deep + "\n", "[" * deep + "]" * deep):
            yield Attack("deep JSON", name, lambda run, _, n=name, t=text: _write(run / n, t))  # type: ignore[misc]
    for name in WEIGHTS:
        yield Attack("huge", name, lambda run, _, name=name: _huge_weights(run / name, huge))  # type: ignore[misc]
    for name in (*TABLES, "log.jsonl", "recipe.toml", CHECKPOINT):
        for seed in range(forgeries):
            yield Attack("forged", name, lambda run, _, n=name, s=seed: _forge(run / n, s))  # type: ignore[misc]
    yield Attack("forged", "recipe.toml", _extend)
    for each in _in_place_of("experiment.json", is_folder=False):
        yield Attack(each.kind, each.target, each.lay, study=True)
    for each in _in_place_of(Path(CELL).name, is_folder=True):
        yield Attack(each.kind, each.target, each.lay, study=True)
    for seed in range(forgeries):
        yield Attack(
            "forged", "experiment.json",
            lambda run, _, s=seed: _forge(run / "experiment.json", s), study=True,  # type: ignore[misc]
        )  # fmt: skip
    yield Attack("forged", "experiment.json", _lead_out, study=True)


def _in_place_of(name: str, *, is_folder: bool) -> Iterator[Attack]:
    def laid(make: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def lay(run: Path, outside: Path) -> None:
            path = run / name
            path.parent.mkdir(exist_ok=True)
            _remove(path)
            make(path, outside / name)

        return lay

    yield Attack("link out", name, laid(lambda path, victim: path.symlink_to(victim)))
    yield Attack("dangling link", name, laid(lambda path, victim: path.symlink_to(f"{victim}.new")))
    yield Attack("link in", name, lambda run, _: _kept_elsewhere(run / name))
    yield Attack("pipe", name, laid(lambda path, _: os.mkfifo(path)))
    if is_folder:
        yield Attack("file", name, laid(lambda path, _: path.write_text("x")))
    else:
        yield Attack("folder", name, laid(lambda path, _: path.mkdir()))


def _kept_elsewhere(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.rename(f"{path}.kept")
    path.symlink_to(f"{path.name}.kept")


def _extend(run: Path, outside: Path) -> None:
    (run / "stolen.toml").symlink_to(outside / "recipe.toml")
    _write(run / "recipe.toml", 'extends = "stolen"\n')


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _huge(path: Path, size: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, size)


def _huge_weights(path: Path, size: int) -> None:
    header = {"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + size)


def _forge(path: Path, seed: int) -> None:
    """Exchange one to three values of a file for nasty ones."""
    chance = random.Random(f"{path.name} {seed}")
    if path.suffix == ".safetensors":
        return _forge_checkpoint(path, chance)
    if path.suffix == ".toml":
        lines = path.read_text().split("\n")
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(lines))
            key = lines[place].partition("=")[0]
            lines[place] = f"{key}= {json.dumps(chance.choice(NASTY))}"
        return _write(path, "\n".join(lines))
    whole = path.read_text()
    if path.suffix == ".jsonl":
        entries = [json.loads(line) for line in whole.splitlines()]
        _spoil(entries, chance)
        return _write(path, "".join(json.dumps(entry) + "\n" for entry in entries))
    content = json.loads(whole)
    _spoil(content, chance)
    return _write(path, json.dumps(content))


def _forge_checkpoint(path: Path, chance: random.Random) -> None:
    import torch

    from ganzoo.runs import checkpoint

    torch.set_num_threads(1)
    tensors, state = checkpoint.read_checkpoint(path)
    numbers = json.loads(state.model_dump_json())
    if chance.random() < 0.5:
        _spoil(numbers, chance)
    else:
        name = chance.choice(list(tensors))
        tensors[name] = chance.choice(
            [torch.zeros(0), torch.full(tensors[name].shape, float("nan")), torch.zeros(3, 3)]
        )
    path.write_bytes(checkpoint.seal(tensors, json.dumps(numbers)))


def _spoil(content: Any, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 3)):
        at = content
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = chance.choice(keys)
            if chance.random() < 0.5 or not isinstance(at[key], dict | list):
                at[key] = chance.choice(NASTY)
                break
            at = at[key]


def _lead_out(study: Path, outside: Path) -> None:
    plan = json.loads((study / "experiment.json").read_text())
    plan["cells"][0]["id"] = f"x/../../../{outside.name}"
    (study / "cell-x").mkdir()
    _write(study / "experiment.json", json.dumps(plan))


# What lies there before


def lay_out(folder: Path) -> None:
    """Train the run that all are copies of; lay out 'done', 'stopped' and 'outside'."""
    from ganzoo import session

    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    run = session.run(
        recipe, out=folder / "made", device="cpu", threads=1, offline=True, quiet=True
    )
    done = folder / "done"
    for name in (RUN, OTHER, CELL, "study/cell-111111111111"):
        shutil.copytree(run.path, done / name)
        _more(done / name, "")
    text = (done / OTHER / "recipe.toml").read_text()
    for name in (OTHER, "study/cell-111111111111"):
        _write(done / name / "recipe.toml", text.replace("seed = 0", "seed = 1"))
    cells = ("000000000000", "111111111111")
    plan = {
        "format": 1, "name": "study", "question": "?", "metrics": ["frechet"], "seeds": [0],
        "baseline": "a", "mode": "grid", "budget": {"steps": 8}, "axes": {"x": ["a", "b"]},
        "variants": [{"name": each, "levels": {"x": each}, "changes": []} for each in "ab"],
        "cells": [{"id": cells[n], "variant": "ab"[n], "seed": 0} for n in range(2)],
        "command": ["ganzoo", "ablate", "study"], "file": "",
    }  # fmt: skip
    _write(done / STUDY / "experiment.json", json.dumps(plan))
    shutil.copytree(done, folder / "stopped")
    stopped = folder / "stopped" / RUN
    newest = max((stopped / "checkpoints").iterdir())
    newest.unlink()
    status = json.loads((stopped / "status.json").read_text())
    _write(stopped / "status.json", json.dumps({**status, "status": "interrupted", "step": 4}))
    outside = folder / "outside"
    shutil.copytree(run.path, outside)
    _more(outside, MARK)
    _write(outside / "experiment.json", json.dumps({**plan, "question": MARK}))
    for name in (Path(CELL).name, "made", "exported"):
        (outside / name).mkdir()
        _write(outside / name / "recipe.toml", f"# {MARK}\n{text}")
    _mark(outside)


def _more(run: Path, mark: str) -> None:
    (run / "plugins").mkdir()
    # No plugin is loaded from there; a file that lay there would have to be named to resume.
    if mark:
        _write(run / "plugins" / "loss.py", f"# {mark}\n")
    _write(run / "origin.json", json.dumps({"parent": "dcgan_digits", "differences": []}))


def _mark(outside: Path) -> None:
    for name in TABLES:
        content = json.loads((outside / name).read_text())
        content |= {"reason": MARK, "time": MARK, "parent": MARK, "device_name": MARK}
        content["health"] = [{"event": "collapsed", "step": 1, "text": MARK}]
        _write(outside / name, json.dumps(content))
    log = [json.loads(line) for line in (outside / "log.jsonl").read_text().splitlines()]
    _write(outside / "log.jsonl", "".join(json.dumps({**e, f"d/{MARK}": 1}) + "\n" for e in log))
    _write(outside / "recipe.toml", f"# {MARK}\n{(outside / 'recipe.toml').read_text()}")
    _write(outside / ".lock", MARK)
    _write(outside / "report.html", MARK)
    for path in [*outside.rglob("*.png"), *outside.rglob("*.gif")]:
        with Image.open(path) as picture:
            noted = PngInfo()
            noted.add_text("note", MARK)
            picture.convert("RGB").save(path, "PNG", pnginfo=noted)


# What is called


def arguments(command: str, root: Path, run: Path) -> list[str]:
    """Return the words of a command of the command line."""
    place = ["--device", "cpu", "--threads", "1", "--offline"]
    return {
        "list": ["list", "runs", "--out", str(root), "--json"],
        "show": ["show", str(run), "--json"],
        "report": ["report", str(run)],
        "compare": ["compare", str(run), str(root / OTHER), "--json"],
        "resume": ["resume", str(run), *place],
        "sample": ["sample", str(run), "-n", "4"],
        "export": ["export", str(run), "--to", "hub"],
        "measure": ["measure", str(run), *place],
        "compare study": ["compare", str(run), "--json"],
        "logs": ["runs", "logs", str(run)],
        "tag": ["runs", "tag", str(run), "mine", "--json"],
        "prune": ["runs", "prune", str(run), "--yes"],
        "remove": ["runs", "remove", str(run), "--out", str(root), "--yes"],
        "remove study": ["runs", "remove", run.name, "--out", str(root), "--yes"],
    }[command]


def live_page(root: Path, run: Path) -> None:  # noqa: ARG001
    """Ask the live page's server for the page."""
    from ganzoo.report.live import live_server
    from ganzoo.runs.folder import find

    with live_server(find(str(run), run.parents[1])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(server.url, timeout=SECONDS) as answer:
            print(answer.read().decode())
        server.shutdown()


def board(root: Path, run: Path) -> None:  # noqa: ARG001
    """Ask for everything that the board shows of the runs."""
    from ganzoo.api import Overview

    overview = Overview(root)
    print(json.dumps(told := overview.tables(), allow_nan=False))
    for key in (row["key"] for row in told["runs"]):
        print(overview.thumbnail(key), overview.page(key), overview.charts([key]))


def notebook(root: Path, run: Path) -> None:  # noqa: ARG001
    """Look at everything a run shows in Python."""
    import ganzoo

    found = ganzoo.open_run(run)
    print(found, found.status, found.log, found.result, found._repr_png_())
    print(found.report())
    print(found.recipe)


def completion(root: Path, run: Path) -> None:  # noqa: ARG001
    """Complete the names of runs."""
    import click

    from ganzoo.cli.options import run_names

    context = click.Context(click.Command("x"))
    context.params["out"] = str(root)
    print([(item.value, item.help) for item in run_names(context, click.Option(["--x"]), "")])


def study_page(root: Path, run: Path) -> None:  # noqa: ARG001
    """Write an experiment's tables and page, as ``ganzoo ablate`` does at its end."""
    from ganzoo.ablate import driver
    from ganzoo.ablate.experiment import claimed, open_experiment
    from ganzoo.ablate.page import write_page

    with claimed(run):
        study = open_experiment(run)
        result = driver.compared(study)
        driver.write_tables(study, result)
        print(write_page(study, result), study.stale())


CALLS: dict[str, Callable[[Path, Path], None]] = {
    "live page": live_page,
    "board": board,
    "open_run": notebook,
    "completion": completion,
    "study page": study_page,
}
ON_RUNS = (
    "list", "show", "report", "compare", "resume", "sample", "export", "measure", "live page",
    "open_run", "completion", "logs", "tag", "prune", "remove", "board",
)  # fmt: skip
ON_STUDIES = ("list", "compare study", "study page", "completion", "board", "remove study")


def called(command: str, root: Path, run: Path) -> int:
    """Call a command here and return its exit code; 1 is a bug."""
    from ganzoo.cli.app import ganzoo
    from ganzoo.common.errors import GanzooError

    if command not in CALLS:
        try:
            ganzoo.main(arguments(command, root, run), prog_name="ganzoo")
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else 0
        return 0
    try:
        CALLS[command](root, run)
    except GanzooError as error:
        print(error)
        return error.exit_code
    return 0


def warm(folder: Path) -> None:
    """Call every command once on whole folders, and import here what that imported there.

    Raises:
        RuntimeError: if a command fails without any attack.
    """
    names = folder / "modules"
    for study, commands in ((False, ON_RUNS), (True, ON_STUDIES)):
        for command in commands:
            whole = Attack("nothing", "", lambda run, outside: None, study)  # noqa: ARG005
            found = attempt(command, whole, folder)
            said = (folder / "work" / "said").read_text()
            if found.fault or found.code:
                raise RuntimeError(f"{command}: exit {found.code}, {found.fault}: {said}")
            for name in names.read_text().split():
                with suppress(Exception):
                    importlib.import_module(name)


def _child(command: str, root: Path, run: Path, said: Path) -> None:
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w", errors="replace") for n in (1, 2))
    os.environ["TMPDIR"] = str(said.parent)
    try:
        code = called(command, root, run)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    (root.parents[1] / "modules").write_text(" ".join(sorted(sys.modules)))
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


# What is looked at afterwards


def attempt(command: str, attack: Attack, folder: Path, *, here: bool = False) -> Attempt:
    """Lay an attack out, call a command on it and look at what it did.

    Args:
        here: whether to call it in this process, as the quick tests do, which must end by itself.
    """
    base, work = folder / ("stopped" if command == "resume" else "done"), folder / "work"
    root, outside, said = work / "runs", work / "outside", work / "said"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(base, root)
    shutil.copytree(folder / "outside", outside)
    run = root / (STUDY if attack.study else RUN)
    attack.lay(run, outside)
    before = _watched(outside)
    begun = time.process_time()
    if here:
        code = _here(command, root, run, said)
        spent = time.process_time() - begun
    else:
        code, spent = _forked(command, root, run, said)
    text = said.read_text(errors="replace")
    fault = "hangs" if code == HANGS or spent > SECONDS else _fault(command, code, text)
    fault = fault or _changed(before, outside) or _marked(work, text)
    return Attempt(command, attack, code, fault, spent)


def _forked(command: str, root: Path, run: Path, said: Path) -> tuple[int, float]:
    """Call a command in a copy of this process; return its exit code and processor time."""
    child = os.fork()
    if not child:
        _child(command, root, run, said)
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.wait4(child, 0)
            return HANGS, PATIENCE
        time.sleep(0.02)


def _here(command: str, root: Path, run: Path, said: Path) -> int:
    import contextlib

    with said.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        try:
            return called(command, root, run)
        except Exception:  # noqa: BLE001
            traceback.print_exc()
            return 1


def _fault(command: str, code: int, text: str) -> str:
    if code not in {0, 2, 3, 4} or "Traceback" in text:
        return f"traceback, exit {code}: {text[-300:]}"
    if command == "list" and (code != 0 or Path(OTHER).name not in text):
        return "the other run is not listed"
    return ""


Known = dict[Path, tuple[str, int, int]]
LONG_AGO = 1_000_000_000


def _known(outside: Path) -> Known:
    """Return what everything outside holds, and when it was changed."""
    found: Known = {}
    for path in [outside, *outside.rglob("*")]:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path] = (digest, os.stat(path).st_mtime_ns, os.stat(path).st_size)
    return found


def _watched(outside: Path) -> Known:
    """Return what lies outside, every time of access set back, so that reading is seen."""
    known = _known(outside)
    for path, (_, changed, _) in known.items():
        os.utime(path, ns=(LONG_AGO, changed))
    return known


def _changed(before: Known, outside: Path) -> str:
    read = [path for path in before if path.exists() and os.stat(path).st_atime_ns != LONG_AGO]
    after = _known(outside)
    changed = [path for path in before | after if before.get(path) != after.get(path)]
    told = [f"{what} outside: {paths[0]}" for what, paths in
            (("read", read), ("changed", changed)) if paths]  # fmt: skip
    return "; ".join(told)


def _marked(work: Path, text: str) -> str:
    marks = [MARK.encode()]
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + MARK.encode())
        marks.append(whole[4 if offset else 0 : -4])
    contents = {"what it said": text.encode()}
    for path in (work / "runs").rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 50_000_000:
            contents[str(path.relative_to(work))] = path.read_bytes()
    found = [name for name, content in contents.items() if any(mark in content for mark in marks)]
    return f"what lies outside is in {found[:3]}" if found else ""
