"""``ganzoo resume``: go on with a run, exactly or for longer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.app import Command, Settings
from ganzoo.cli.options import (
    PluginFiles,
    data_path_option,
    json_option,
    minutes_option,
    out_option,
    place_options,
    plugin_options,
    precision_options,
    processes_option,
    run_names,
    set_option,
    track_option,
)
from ganzoo.cli.summaries import resume_command, short_name
from ganzoo.common.errors import GanzooError
from ganzoo.runs.record import Record
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.cli.progress import Display
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.runs.folder import RunDir


@click.command(
    cls=Command,
    examples=[
        "ganzoo resume k7qf",
        "ganzoo resume k7qf --set train.epochs=50     train for longer than planned",
    ],
)
@click.argument("name", metavar="RUN", shell_complete=run_names)
@set_option
@plugin_options
@place_options
@data_path_option
@precision_options
@processes_option
@minutes_option
@out_option
@track_option
@json_option
@click.pass_obj
def resume(
    settings: Settings,
    *,
    name: str,
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    place: Place,
    data_path: str | None,
    minutes: float | None,
    out: Path,
    track: tuple[str, ...],
    as_json: bool,
) -> int:
    """Resume RUN: its four letters, its folder, or 'last'.

    Only train.epochs, train.steps and the path of its data may change.
    """
    from ganzoo.cli.launch import Launch, go_on
    from ganzoo.cli.progress import Display
    from ganzoo.runs.folder import find, is_shipped
    from ganzoo.runs.frozen import frozen_recipe

    if is_shipped(name):
        raise GanzooError(
            f"'{name}' is a trained model and cannot be resumed; start a run from its "
            f"weights: ganzoo run RECIPE --set 'init.from=\"{name}\"'"
        )
    run = find(name, out)
    place = replace(place, data_path=data_path, runs=str(out))
    with Display(settings.verbosity) as display:
        check_plugin_files(run, plugin_files.plugin, display)
        launch = Launch(plugin_files.load(display.warn), place, display, minutes, as_json, track)
        compare_plugins(run, launch.registry, display)
        frozen = frozen_recipe(run, launch.registry)
        recipe = frozen_recipe(run, launch.registry, overrides)
        refuse_other_changes(run, frozen, recipe)
        return go_on(launch, run, recipe, is_extended=recipe != frozen)


def check_plugin_files(run: RunDir, given: Sequence[Path], display: Display) -> None:
    """Want every plugin file that the run was made with; nothing in a run folder runs by itself.

    Raises:
        GanzooError: naming the files that are missing on the command line.
    """
    from ganzoo.runs.plugin_files import MOST_CODE, PLUGINS, plugin_files, require_plugin_files

    def remedy(missing: list[Path]) -> str:
        copies = ", ".join(f"'{copy}'" for copy in missing)
        return f"name them again: {resume_command(run)}\ncopies are kept in {copies}"

    require_plugin_files(run, given, remedy, short_name(run))
    here = {file.name: file for file in given}
    for copy in plugin_files(run):
        file = here[copy.name]
        was = digest_of(run.read(PLUGINS, copy.name, most=MOST_CODE))
        if file.is_file() and (now := digest_of(file.read_bytes())) != was:
            display.warn(
                f"plugin file '{file}' has changed since the run started (SHA-256 "
                f"{now[:12]}, was {was[:12]}); as it was: '{copy}'"
            )


def compare_plugins(run: RunDir, registry: Registry, display: Display) -> None:
    """Warn of installed plugins whose code is not what the run began with."""
    before = recorded_plugins(run)
    changed = []
    for plugin in registry.plugins:
        was = before.get((plugin.distribution, plugin.name))
        if plugin.distribution and was and was[1] != plugin.sha256:
            older = "" if was[0] == plugin.version else f" (was {was[0]}, is {plugin.version})"
            changed.append(f"'{plugin.name}'{older}")
    if changed:
        display.warn(
            f"the code of {', '.join(changed)} has changed since the run started: the result may "
            "differ from an uninterrupted run"
        )


def recorded_plugins(run: RunDir) -> dict[tuple[str, str], tuple[str, str]]:
    """Return version and SHA-256 of the plugins in a run's record, by distribution and name."""
    found = {}
    for entry in Record(run).plugins:
        distribution, name, version, digest = (
            str(entry.get(key, "")) for key in ("distribution", "name", "version", "sha256")
        )
        found[distribution, name] = (version, digest)
    return found


def refuse_other_changes(run: RunDir, frozen: Recipe, wanted: Recipe) -> None:
    """Raise GanzooError unless the two recipes differ in the length of the run alone."""
    from ganzoo.plugin.describe import written
    from ganzoo.recipe.model import BUDGET, differences

    others = [each for each in differences(frozen, wanted) if each[0] not in BUDGET]
    if others:
        listed = "\n".join(
            f"  {key}: was {written(was)}, would be {written(now)}" for key, was, now in others
        )
        raise GanzooError(
            f"run {short_name(run)} resumes with its own recipe, where "
            f"only {' and '.join(BUDGET)} may change; this would change:\n{listed}\n"
            f"to start another run: ganzoo run {run.recipe} --set ..."
        )


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()
