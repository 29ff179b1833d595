"""From a checked recipe to a finished run, for the verbs that train."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.cli import streams
from ganzoo.cli.options import Place
from ganzoo.cli.wording import resume_command

if TYPE_CHECKING:
    from ganzoo.assembly import Assembly
    from ganzoo.cli.display import Display
    from ganzoo.recipe import Recipe
    from ganzoo.registry import Registry
    from ganzoo.rundir import RunDir

PLUGINS = "plugins"
"""Where a run folder keeps copies of the plugin files it was made with."""


def build(recipe: Recipe, registry: Registry, place: Place, display: Display) -> Assembly:
    """Build all parts on the device and try one step of each on copies.

    Raises:
        GanzooError: if a part cannot be built or trains nothing.
    """
    from ganzoo.assembly import assemble
    from ganzoo.dataroot import data_root
    from ganzoo.machine import prepare
    from ganzoo.specs import DataRoot
    from ganzoo.train import try_out

    machine, warning = prepare(place.device, threads=place.threads, workers=place.workers)
    if warning:
        display.warn(warning)
    root = DataRoot(data_root(place.data), not place.offline, display.transfers)
    parts = assemble(recipe, registry, root, machine, warn=display.warn)
    try_out(parts, display)
    return parts


def train(
    parts: Assembly,
    registry: Registry,
    run: RunDir,
    display: Display,
    *,
    resume: bool,
    minutes: float | None,
    as_json: bool,
) -> int:
    """Train in the folder ``run``, print the result and return the exit code."""
    from ganzoo.train import start

    try:
        outcome = start(parts, registry, run, display, resume=resume, minutes=minutes)
    except KeyboardInterrupt:
        display.close()
        streams.tell(f"stopped at once; go on from the last checkpoint: {resume_command(run)}")
        raise
    finally:
        display.close()
    result = {"run": str(run.path), "reason": outcome.reason, **outcome.result}
    streams.result(result if as_json else str(run.path))
    return outcome.exit_code


def keep_plugin_files(run: RunDir, registry: Registry) -> None:
    """Copy the plugin files that were named into the run folder; they are never run from there."""
    from ganzoo.disk import publish

    for plugin in registry.plugins:
        if plugin.source == "file" and plugin.path is not None:
            publish(run.path / PLUGINS / plugin.path.name, plugin.path.read_bytes())


def discard(run: RunDir) -> None:
    """Remove the folder of a run that did not come to its first step."""
    shutil.rmtree(run.path, ignore_errors=True)


def names(files: Sequence[Path]) -> set[str]:
    """Return the file names of paths."""
    return {file.name for file in files}
