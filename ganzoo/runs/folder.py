"""The run folder: its layout, its lock, its log, its status."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganzoo.common import names
from ganzoo.common.errors import GanzooError, MachineError, suggest
from ganzoo.common.files import append_line, cannot_write, now, publish, sweep, to_json

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
LOCK_SECONDS = 5.0
LOCK = ".lock"
HOLDER = ".holder"
"""Who holds the lock; not in the lock file, of which others read nothing on Windows."""
EXPERIMENT = "experiment.json"
"""What an ablation is known by, in the folder above those of its cells."""


@dataclass(frozen=True)
class RunDir:
    """One run's folder: ``runs/<recipe>/<YYYYmmdd-HHMM>-<4 letters>``."""

    path: Path

    @property
    def id(self) -> str:
        """The letters that name the run on the command line."""
        return self.path.name.rpartition("-")[2]

    @property
    def recipe(self) -> Path:
        """The frozen recipe: the run itself."""
        return self.path / "recipe.toml"

    @property
    def log(self) -> Path:
        """One JSON object per logged step."""
        return self.path / "log.jsonl"

    @property
    def samples(self) -> Path:
        """The sheets."""
        return self.path / "samples"

    def sheets(self) -> list[Path]:
        """Return the sheets by their steps."""
        return sorted(self.samples.glob("*.png"), key=lambda path: (step_of(path), path.name))

    @property
    def curves(self) -> Path:
        """Losses over time, as a picture."""
        return self.path / "curves.png"

    @property
    def checkpoints(self) -> Path:
        """What a resume needs."""
        return self.path / "checkpoints"

    @property
    def generator(self) -> Path:
        """The weights people share."""
        return self.path / "generator.safetensors"

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write ``content`` to the file ``name``, whole or not at all."""
        publish(self.path / name, to_json(content, indent=2) + "\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read the file ``name``; an empty table where there is none or it is unreadable."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def set_status(self, status: str, step: int, reason: str = "") -> None:
        """Record where the run stands: running, done, interrupted or failed."""
        self.write_json(
            "status.json",
            {
                "status": status,
                "step": step,
                "reason": reason,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "time": now(),
            },
        )

    def append_log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to the log."""
        append_line(self.log, to_json(entry))

    def read_log(self) -> list[dict[str, Any]]:
        """Return the log's whole lines; a torn last one is left out."""
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def cut_log(self, lines: int) -> None:
        """Keep the first ``lines`` lines of the log."""
        if self.log.exists():
            kept = self.log.read_bytes().split(b"\n")[:-1][:lines]
            publish(self.log, b"".join(line + b"\n" for line in kept))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the lock dies with it.

        Raises:
            MachineError: if another process holds it.
        """
        path = self.path / LOCK
        # A killed run's children may hold the lock a moment longer.
        lock = FileLock(path, timeout=LOCK_SECONDS, poll_interval=0.1)
        try:
            lock.acquire()
        except Timeout:
            holder = _holder(self.path / HOLDER) or "another process"
            raise MachineError(
                f"run folder '{self.path}' is in use by {holder}; wait for it or stop it"
            ) from None
        except OSError as error:
            raise cannot_write(path, error, 0) from error
        try:
            # Only now, and in place: whoever waits for the lock reads it.
            text = f"pid {os.getpid()} on {socket.gethostname()} since {now()}"
            (self.path / HOLDER).write_text(text, encoding="utf-8")
            sweep(self.path)
            yield
        finally:
            lock.release()


def _holder(note: Path) -> str:
    try:
        with note.open(encoding="utf-8", errors="replace") as file:
            return file.read(200).strip()
    except OSError:
        return ""


def step_of(path: Path) -> int:
    """Return the last number in a sheet's or checkpoint's name: 300 for 'mnist2_000300.png'."""
    found = re.findall(r"[0-9]+", path.stem)
    return int(found[-1][-18:]) if found else 0


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder`` by their steps, the newest first.

    By the number and not by the name: 'step-1000000' sorts before 'step-999000' as text.
    """
    return sorted(folder.glob("step-*.safetensors"), key=step_of, reverse=True)


def create(root: Path, name: str) -> RunDir:
    """Make a new run folder under ``root``.

    Raises:
        MachineError: if the folder cannot be made.
    """
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:80] or "run"
    safe = names.portable(safe)
    for _ in range(100):
        letters = "".join(secrets.choice(ALPHABET) for _ in range(4))
        if any(root.glob(f"*/*-{letters}")):
            continue
        path = root / safe / f"{time.strftime('%Y%m%d-%H%M')}-{letters}"
        try:
            path.mkdir(parents=True)
            (path / "samples").mkdir()
            (path / "checkpoints").mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(path, error) from error
        return RunDir(path)
    raise MachineError(f"no free run name under '{root}'; choose another folder with --out")


def find(name: str, root: Path) -> RunDir:
    """Return the run that ``name`` means: a folder, its letters, or 'last'.

    The last run is no cell of an ablation, unless there is nothing else.

    Raises:
        GanzooError: if there is none, or more than one.
    """
    as_path = Path(name)
    if (as_path / "recipe.toml").is_file():
        return RunDir(as_path)
    runs = list_runs(root)
    if name == "last" and runs:
        return next((run for run in reversed(runs) if not is_cell(run)), runs[-1])
    matches = [run for run in runs if run.id == name or run.path.name == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        found = ", ".join(f"'{run.path}'" for run in matches)
        raise GanzooError(f"{name!r} names {len(matches)} runs: {found}; give the folder")
    hint = suggest(name, [run.id for run in runs])
    raise GanzooError(
        f"no run named {name!r} under '{root}'{hint}; list them with: ganzoo list runs"
    )


def list_runs(root: Path) -> list[RunDir]:
    """Return all runs under ``root``, the oldest first."""
    found = [RunDir(path.parent) for path in root.glob("*/*/recipe.toml")]
    return sorted(found, key=lambda run: (run.recipe.stat().st_mtime_ns, run.path.name))


def is_cell(run: RunDir) -> bool:
    """Return whether a run was made by an ablation, in whose folder it lies."""
    return (run.path.parent / EXPERIMENT).is_file()
