"""The run folder: its layout, its lock, its log, its status."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.common import names
from ganzoo.common.errors import GanzooError, MachineError, RefusedError, suggest
from ganzoo.common.files import (
    append_line,
    cannot_write,
    now,
    parse_json,
    publish,
    sweep,
    to_json,
)
from ganzoo.common.inside import (
    FILE,
    FOLDER,
    find_inside,
    list_inside,
    open_inside,
    read_inside,
    refuse_unless,
    writable_inside,
)

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
LOCK_SECONDS = 5.0
LOCK = ".lock"
CELL = "cell-"
"""How the folders of an ablation's cells begin."""
HOLDER = ".holder"
"""Who holds the lock; not in the lock file, of which others read nothing on Windows."""
BEGINNING = "init.json"
"""What a run began with, and what of it is not trained."""
EXPERIMENT = "experiment.json"
"""What an ablation is known by, in the folder above those of its cells."""
NOTES = "notes.json"
"""Tags and a note."""
STOP = "stop.json"
"""Asks who trains there to save and stop."""

MOST_TABLE = 16 * 1024 * 1024
"""Bytes of status.json and its like."""
MOST_PICTURE = 32 * 1024 * 1024
"""Bytes of a sheet."""
MOST_LOG = 256 * 1024 * 1024
"""Bytes from the end of the log that are read: about a million lines."""
MOST_LINE = 1024 * 1024
"""Bytes of one line of the log."""

FILES = (
    LOCK, HOLDER, "recipe.toml", "environment.json", "origin.json", BEGINNING, "status.json",
    "log.jsonl", "result.json", "minutes.json", "real.png", "samples.gif", "curves.png",
    "report.html", "generator.safetensors",
    EXPERIMENT, NOTES, STOP,
)  # fmt: skip
FOLDERS = ("samples", "checkpoints", "plugins")
"""What a run's folder, or an experiment's, has under names of its own."""


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
        found = [
            self.samples / name
            for name in self.names("samples")
            if name.endswith(".png") and self.has("samples", name)
        ]
        return sorted(found, key=lambda path: (step_of(path), path.name))

    @property
    def film(self) -> Path:
        """All sheets as a GIF, under the name that the recipe gives it."""
        try:
            text = self.read(self.recipe.name, most=MOST_TABLE).decode()
            import tomllib

            named = tomllib.loads(text)["samples"]["film"]
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", named):
                named = "samples"
        except (OSError, RefusedError, ValueError, KeyError, TypeError, RecursionError):
            named = "samples"  # a run of before recipes could name it
        return self.path / f"{named}.gif"

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

    # Whatever of a run's folder is read is read through these: see ``common.inside``.

    def read(self, *parts: str, most: int, only_end: bool = False) -> bytes:
        """Return the content of a file inside, at most ``most`` bytes; see ``read_inside``.

        Raises:
            RefusedError: if it is a link, no regular file, or larger.
            OSError: if it is not there, or the system refuses.
        """
        return read_inside(self.path, *parts, most=most, only_end=only_end)

    def has(self, *parts: str) -> bool:
        """Return whether there is such a file inside, and no link to one."""
        return find_inside(self.path, *parts) is not None

    def names(self, *parts: str) -> list[str]:
        """Return the names in a folder inside, sorted."""
        return list_inside(self.path, *parts)

    def writable(self, *parts: str) -> Path:
        """Return the path of a file inside that is about to be written.

        Raises:
            RefusedError: if a link leads elsewhere.
        """
        return writable_inside(self.path, *parts)

    def refusal(self, name: str) -> str:
        """Return why the table ``name`` is not read although something is there, or nothing."""
        try:
            self.read(name, most=MOST_TABLE)
        except RefusedError as error:
            return str(error)
        except OSError:
            pass
        return ""

    def read_json(self, name: str) -> dict[str, Any]:
        """Read the file ``name``; an empty table where there is none or it is unreadable."""
        try:
            content = parse_json(self.read(name, most=MOST_TABLE))
        except (OSError, ValueError, RefusedError):
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
                "host": host(),
                "time": now(),
            },
        )

    def append_log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to the log."""
        append_line(self.log, to_json(entry))

    def read_log(self, most: int = MOST_LOG) -> list[dict[str, Any]]:
        """Return the tables in the log's whole lines; a torn last one is left out.

        Args:
            most: bytes from the end of the log that are looked at.
        """
        try:
            lines = self.read(self.log.name, most=most, only_end=True).split(b"\n")[:-1]
        except (OSError, RefusedError):
            return []
        found = []
        for line in lines:
            try:
                entry = parse_json(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found

    def cut_log(self, lines: int) -> None:
        """Keep the first ``lines`` lines of the log."""
        kept = bytearray()
        try:
            with open_inside(self.path, self.log.name) as file:
                for _ in range(lines):
                    line = file.readline(MOST_LINE)
                    if not line.endswith(b"\n"):
                        break
                    kept += line
        except FileNotFoundError:
            return
        publish(self.log, bytes(kept))

    def refuse_links(self) -> None:
        """Raise RefusedError where something of the run is a link, or not what it should be.

        A run writes into folders and reads back what lies in them: asked once the lock is to be
        had, nothing of it can then be outside.
        """
        weights = [name for name in self.names() if name.endswith(".safetensors")]
        for name in dict.fromkeys([*FILES, *weights]):
            refuse_unless(self.path / name, FILE)
        for name in FOLDERS:
            refuse_unless(self.path / name, FOLDER)
            for inner in self.names(name):
                is_read = inner.endswith((".png", ".safetensors", ".py"))
                refuse_unless(self.path / name / inner, *([FILE] if is_read else [FILE, FOLDER]))
        for name in self.names():
            if name.startswith(CELL):
                refuse_unless(self.path / name, FOLDER)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the lock dies with it.

        Raises:
            MachineError: if another process holds it.
            RefusedError: if something in it is a link.
        """
        self.refuse_links()
        path = self.path / LOCK
        # A killed run's children may hold the lock a moment longer.
        from filelock import FileLock, Timeout

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
            # Only now: whoever waits for the lock reads it. Who has it is no reason not to run.
            with suppress(MachineError):
                text = f"pid {os.getpid()} on {host()} since {now()}"
                publish(self.path / HOLDER, text)
            sweep(self.path)
            yield
        finally:
            lock.release()


def _holder(note: Path) -> str:
    try:
        with open_inside(note.parent, note.name) as file:
            return file.read(200).decode("utf-8", "replace").strip()
    except (OSError, RefusedError):
        return ""


def step_of(path: Path) -> int:
    """Return the last number in a sheet's or checkpoint's name: 300 for 'mnist2_000300.png'."""
    found = re.findall(r"[0-9]+", path.stem)
    return int(found[-1][-18:]) if found else 0


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder`` by their steps, the newest first.

    By the number and not by the name: 'step-1000000' sorts before 'step-999000' as text.
    """
    found = [
        folder / name
        for name in list_inside(folder.parent, folder.name)
        if name.startswith("step-") and name.endswith(".safetensors")
    ]
    return sorted(found, key=step_of, reverse=True)


def create(root: Path, name: str) -> RunDir:
    """Make a new run folder under ``root``.

    Raises:
        MachineError: if the folder cannot be made.
    """
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:80] or "run"
    safe = names.portable(safe)
    import secrets

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


def find(name: str, root: Path, plugins: Sequence[Path] = ()) -> RunDir:
    """Return the run that ``name`` means: a folder, its letters, 'last', or 'zoo:' and a model.

    The last run is no cell of an ablation, unless there is nothing else.

    Args:
        name: which run.
        root: folder of the run folders.
        plugins: plugin files that may ship the model.

    Raises:
        GanzooError: if there is none, or more than one.
    """
    if is_shipped(name):
        from ganzoo.plugin import models
        from ganzoo.plugin.registry import load_plugins

        model = models.found(load_plugins(plugins).models(), name.removeprefix(models.PREFIX))
        return RunDir(models.placed(model))
    as_path = Path(name)
    if is_run(as_path):
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
    raise GanzooError(f"no run named {name!r} under '{root}'{_instead(name, runs, plugins)}")


def _instead(name: str, runs: Sequence[RunDir], plugins: Sequence[Path]) -> str:
    """Return what to type where no run is called ``name``."""
    from ganzoo.plugin.models import PREFIX
    from ganzoo.plugin.registry import load_plugins

    of_recipe = [run.id for run in runs if run.path.parent.name == name]
    if of_recipe:
        return f"; the newest run of that recipe is {of_recipe[-1]}"
    if name in load_plugins(plugins).models():
        return f"; the trained model of that name is {PREFIX}{name}"
    if not runs:
        return "; there are none yet. Train one: ganzoo run fast_digits"
    return suggest(name, ["last", *(run.id for run in runs)], then="list them with: ganzoo runs")


def is_shipped(name: str) -> bool:
    """Return whether a run's name is that of a model that a plugin ships."""
    return name.startswith("zoo:")


def left(run: RunDir, name: str, *parts: str) -> Path:
    """Return where what is made with a run goes: into its folder, but of a shipped model here.

    Args:
        run: as ``name`` was found.
        name: what the user called it.
        parts: path inside the run's folder.

    Raises:
        RefusedError: if a link leads elsewhere.
    """
    if is_shipped(name):
        return Path(f"{name.partition(':')[2]}-{parts[-1]}")
    return run.writable(*parts)


def list_runs(root: Path) -> list[RunDir]:
    """Return all runs under ``root``, the oldest first."""
    found = []
    for group in _folders(root):
        # A run may be moved and a link left behind; what lies in an experiment is no user's word.
        is_experiment = os.path.lexists(group / EXPERIMENT)
        for path in _folders(group, follow=not is_experiment):
            try:
                changed = os.lstat(path / "recipe.toml").st_mtime_ns
            except OSError:
                continue
            found.append((changed, path.name, path))
    return [RunDir(path) for _, _, path in sorted(found)]


def _folders(root: Path, *, follow: bool = True) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            names = [each.name for each in entries if each.is_dir(follow_symlinks=follow)]
    except OSError:
        return []
    return [root / name for name in names]


def is_run(path: Path) -> bool:
    """Return whether ``path`` is the folder of a run: it has a recipe, readable or not."""
    return os.path.lexists(path / "recipe.toml")


def is_cell(run: RunDir) -> bool:
    """Return whether a run was made by an ablation, in whose folder it lies."""
    return os.path.lexists(run.path.parent / EXPERIMENT)


def host() -> str:
    """Return what this machine is called."""
    import socket

    return socket.gethostname()
