"""Copies of the plugin files a run was made with: a record, never run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish
from ganzoo.runs.folder import RunDir

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry

MOST_CODE = 16 * 1024 * 1024
"""Bytes of a plugin's file."""
PLUGINS = "plugins"
"""Copies of the plugin files that a run was made with: a record, never run."""


def keep_plugin_files(run: RunDir, registry: Registry) -> None:
    """Copy the plugin files that were named into the run folder; they are never run from there."""
    for plugin in registry.plugins:
        if plugin.source == "file" and plugin.path is not None:
            publish(run.writable(PLUGINS, plugin.path.name), plugin.path.read_bytes())


def plugin_files(run: RunDir) -> list[Path]:
    """Return the copies of the plugin files that a run was made with, by name."""
    return [run.path / PLUGINS / name for name in run.names(PLUGINS) if name.endswith(".py")]


def require_plugin_files(
    run: RunDir, given: Iterable[Path], remedy: Callable[[list[Path]], str], name: str
) -> None:
    """Want every plugin file that the run was made with; nothing in a run folder runs by itself.

    Args:
        given: the files that were named.
        remedy: what to do, given the copies of the files that were not named.
        name: what the message calls the run.

    Raises:
        GanzooError: naming the files that are missing.
    """
    names = {file.name for file in given}
    if missing := [copy for copy in plugin_files(run) if copy.name not in names]:
        raise GanzooError(
            f"run {name} was made with plugin files, which are code and never "
            f"loaded automatically; {remedy(missing)}"
        )
