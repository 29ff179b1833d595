"""Taking runs and checkpoints away: nothing outside of the runs' folder, nothing through a link."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ganzoo.common.errors import GanzooError, MachineError, RefusedError
from ganzoo.common.inside import FOLDER, LINK, find_inside, kind_of
from ganzoo.runs.folder import (
    EXPERIMENT,
    LOCK,
    MOST_LOG,
    RunDir,
    checkpoints,
    find,
    list_runs,
    step_of,
)
from ganzoo.runs.log import MEASURES
from ganzoo.runs.record import Record, real, table, whole
from ganzoo.runs.thinned import read_thinned

MOST_DEPTH = 32
"""Of folders in each other, whose sizes are added up."""


@dataclass(frozen=True)
class Target:
    """What is to be removed: a run, or an ablation with its cells.

    Attributes:
        path: its folder, with no link on the way down from the runs' folder.
        runs: the run itself, or the ablation's cells.
        ablation: the ablation's name, also that of a cell.
    """

    path: Path
    runs: tuple[RunDir, ...]
    ablation: str = ""

    @property
    def is_ablation(self) -> bool:
        """Whether it is an ablation as a whole."""
        return bool(self.ablation) and self.path.name == self.ablation

    @property
    def num_bytes(self) -> int:
        """Bytes of the files in it."""
        return size_of(self.path)


def target(name: str, root: Path) -> Target:
    """Return the run, or the ablation under ``root``, that ``name`` means.

    Raises:
        GanzooError: if there is none, or it does not lie in ``root`` as runs do.
    """
    run, is_ablation = find_any(name, root)
    if is_ablation:
        refuse_elsewhere(run.path, root, 1)
        cells = tuple(each for each in list_runs(root) if each.path.parent == run.path)
        return Target(run.path, cells, name)
    refuse_elsewhere(run.path, root, 2)
    above = run.path.parent
    return Target(run.path, (run,), above.name if os.path.lexists(above / EXPERIMENT) else "")


def find_any(name: str, root: Path) -> tuple[RunDir, bool]:
    """Return the folder of the run or ablation that ``name`` means, and whether it is an ablation.

    Raises:
        GanzooError: if there is none, or more than one.
    """
    experiment = root / name
    if Path(name).name == name and os.path.lexists(experiment / EXPERIMENT):
        return RunDir(experiment), True
    return find(name, root), False


def refuse_elsewhere(path: Path, root: Path, depth: int) -> None:
    """Raise RefusedError unless ``path`` is a folder so many steps below ``root``, by no link."""
    real_root, real_path = root.resolve(), path.resolve()
    places = [path, *path.parents][:depth]
    is_linked = any(kind_of(os.lstat(place)) == LINK for place in places)
    if real_path.parents[depth - 1 : depth] != (real_root,) or is_linked:
        why = "is reached by a link" if is_linked else f"does not lie in '{root}' as runs do"
        raise RefusedError(
            f"'{path}' {why}; nothing is removed there. Name its own folder of runs with --out, or "
            "remove it by hand"
        )
    if kind_of(os.lstat(path)) != FOLDER:
        raise RefusedError(f"'{path}' is not a folder")


def remove(found: Target) -> None:
    """Remove a run, or an ablation with its cells, for good.

    What makes it a run goes first: whatever ends this half-way, no half of a run is left that
    looks like a whole one.

    Raises:
        MachineError: if it is in use, or the system refuses.
    """
    folder = RunDir(found.path)
    with _unused(folder):
        if found.is_ablation:
            for run in found.runs:
                with _unused(run):
                    _unlink(run.path / "recipe.toml")
            _unlink(found.path / EXPERIMENT)
        else:
            _unlink(found.path / "recipe.toml")
    try:
        shutil.rmtree(found.path)
    except OSError as error:
        raise MachineError(
            f"'{error.filename or found.path}' cannot be removed: {error.strerror}; it is no "
            f"longer a run, remove the rest of '{found.path}' by hand"
        ) from error
    if not found.ablation:
        with suppress(OSError):  # others of its recipe are left
            found.path.parent.rmdir()


def _unlink(path: Path) -> None:
    try:
        with suppress(FileNotFoundError):
            if kind_of(os.lstat(path)) == FOLDER:
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise MachineError(f"'{path}' cannot be removed: {error.strerror}") from error


@contextmanager
def _unused(run: RunDir) -> Iterator[None]:
    """Hold the run's lock, where it has one that anybody could hold."""
    if find_inside(run.path, LOCK) is None:
        yield
        return
    lock = FileLock(run.path / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise MachineError(
            f"'{run.path}' is in use; stop it first: ganzoo runs stop {run.id}"
        ) from None
    except OSError as error:
        raise MachineError(f"'{run.path / LOCK}' cannot be locked: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def size_of(folder: Path, depth: int = MOST_DEPTH) -> int:
    """Return the bytes of all regular files in a folder; no link is followed."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for each in entries:
            with suppress(OSError):
                if each.is_dir(follow_symlinks=False):
                    total += size_of(Path(each.path), depth - 1) if depth else 0
                else:
                    total += each.stat(follow_symlinks=False).st_size
    return total


def superfluous(run: RunDir, keep: int) -> list[Path]:
    """Return the checkpoints that may go: not the newest ``keep``, and none that was the best.

    Of a run that is done the best is known; of another all are kept that had the lowest or the
    highest of any score so far.
    """
    record = Record(run)
    spared = {whole(table(one.get("best")).get("step")) for one in record.metrics.values()}
    if not record.metrics:
        spared |= _extremes(run)
    return [path for path in checkpoints(run.checkpoints)[keep:] if step_of(path) not in spared]


def _extremes(run: RunDir) -> set[int | None]:
    scores: dict[str, list[tuple[float, int]]] = {}
    for entry in read_thinned(run, MOST_LOG):
        step = whole(entry.get("step"))
        for name, value in entry.items():
            if (
                name.startswith(MEASURES)
                and step is not None
                and (found := real(value)) is not None
            ):
                scores.setdefault(name, []).append((found, step))
    return {choose(values)[1] for values in scores.values() for choose in (min, max)}


def prune(run: RunDir, keep: int) -> tuple[int, int]:
    """Remove superfluous checkpoints; return how many, and their bytes.

    Raises:
        MachineError: if the run is in use, or the system refuses.
        RefusedError: if something in its folder is a link.
    """
    with run.locked():
        paths = superfluous(run, keep)
        sizes = [found.st_size for path in paths if (found := _file(run, path)) is not None]
        for path in paths:
            _unlink(path)
    return len(paths), sum(sizes)


def _file(run: RunDir, path: Path) -> os.stat_result | None:
    return find_inside(run.path, run.checkpoints.name, path.name)


def refuse_pruning(run: RunDir, keep: int) -> None:
    """Raise GanzooError where nothing would be left to go on from that somebody may need."""
    status = Record(run).status
    if keep == 0 and status != "done":
        raise GanzooError(
            f"run {run.id} is {status}, and could not be resumed without a checkpoint; keep one"
        )
