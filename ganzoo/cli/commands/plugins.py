"""``ganzoo plugins``: what is loaded, from where, and what is broken."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command, Group
from ganzoo.cli.options import PluginFiles, data_option, json_option, plugin_options
from ganzoo.cli.output import show_table

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=[
        "ganzoo plugins",
        "ganzoo plugins --plugin my_loss.py --json",
        "ganzoo plugins check my_loss.py",
    ],
)
@plugin_options
@json_option
@click.pass_context
def plugins(context: click.Context, *, plugin_files: PluginFiles, as_json: bool) -> None:
    """List plugins, also blocked and broken ones, or check one."""
    if context.invoked_subcommand is not None:
        return
    registry = plugin_files.load()
    rows = plugin_rows(registry)
    if as_json:
        streams.result(rows)
    else:
        show_table(
            "",
            ("plugin", "from", "status", "supplies"),
            [(row["name"], row["from"], status(row), ", ".join(row["supplies"])) for row in rows],
        )
    for text in registry.warnings:
        streams.warn(text)


@plugins.command(
    cls=Command,
    examples=[
        "ganzoo plugins check my_loss.py",
        "ganzoo plugins check ganzoo-losses",
        "ganzoo plugins check loss.hinge --json",
    ],
)
@click.argument("target", metavar="NAME|FILE")
@plugin_options
@data_option
@json_option
def check(*, target: str, plugin_files: PluginFiles, data: str | None, as_json: bool) -> int:
    """Test a plugin, a component or a file against the plugin contract.

    Nothing is downloaded: datasets are tested if their files are there.
    """
    from ganzoo.common.data_root import DataRoot, data_root
    from ganzoo.plugin.named import meant

    if target.endswith(".py"):
        plugin_files = replace(plugin_files, plugin=(*plugin_files.plugin, Path(target)))
    registry = plugin_files.load()
    meant(registry, target)  # what does not exist is told before torch is imported
    from ganzoo.testing.findings import Report
    from ganzoo.testing.targets import of_names

    root = DataRoot(data_root(data), download=False)
    report = Report.of(of_names(registry, target, {"root": root}))
    if as_json:
        streams.result([asdict(finding) for finding in report.findings])
    else:
        for finding in (*report.notes, *report.problems):
            streams.say(f"{'note' if finding in report.notes else 'FAILED'}  {finding}")
        components = ", ".join(dict.fromkeys(each.component for each in report.findings))
        verdict = f"{len(report.problems)} failed" if report.problems else "all passed"
        streams.say(
            f"{len(report.findings)} checks of {components}: {verdict}"
            + (f", {len(report.notes)} notes" if report.notes else "")
        )
    return 2 if report.problems else 0


def plugin_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return every plugin that was found, the broken ones last."""
    follow = trackers(registry)
    rows: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "source": plugin.source,
            "from": plugin.origin,
            "path": None if plugin.path is None else str(plugin.path),
            "sha256": plugin.sha256,
            "status": "loaded",
            "error": "",
            "supplies": [
                *(f"{kind} {use}" for kind, use in plugin.components),
                *(f"tracker {name}" for name in follow.get(plugin.name, ())),
                *(f"verb {verb.name}" for verb in plugin.verbs),
                *(f"model {model.name}" for model in plugin.models),
            ],
        }
        for plugin in registry.plugins
    ]
    rows += [row(name, "", "blocked") for name in registry.blocked]
    rows += [row(item.name, item.source, "broken", item.error) for item in registry.broken]
    return rows


def trackers(registry: Registry) -> dict[str, list[str]]:
    """Return the trackers that each plugin names; one that cannot tell has none."""
    from ganzoo.common.errors import PluginError
    from ganzoo.plugin.contract import trackers_of

    found: dict[str, list[str]] = {}
    for each in registry.manager.hook.ganzoo_trackers.get_hookimpls():
        with contextlib.suppress(PluginError):
            name = each.plugin_name.partition(" = ")[0]
            found[name] = trackers_of(each.function)
    return found


def row(name: str, origin: str, state: str, error: str = "") -> dict[str, Any]:
    """Return the row of a plugin that is not loaded."""
    return {
        "name": name, "distribution": "", "version": "", "source": "", "from": origin,
        "path": None, "sha256": "", "status": state, "error": error, "supplies": [],
    }  # fmt: skip


def status(plugin: dict[str, Any]) -> str:
    """Return 'loaded', or why not."""
    return f"broken: {plugin['error']}" if plugin["error"] else str(plugin["status"])
