"""Copies of the plugin files a run was made with: a record, never run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.common.files import publish

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
from ganzoo.runs.folder import RunDir

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


def missing_plugin_files(run: RunDir, given: Iterable[Path]) -> list[Path]:
    """Return the copies of those plugin files that are not among the files ``given``, by name."""
    names = {file.name for file in given}
    return [copy for copy in plugin_files(run) if copy.name not in names]
