"""``ganzoo plugins``: what is loaded, from where, and what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import streams
from ganzoo.cli.app import Group
from ganzoo.cli.options import Parts, json_option, plugin_options
from ganzoo.cli.terminal import show_table

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples=["ganzoo plugins", "ganzoo plugins --plugin my_loss.py --json"],
)
@plugin_options
@json_option
@click.pass_context
def plugins(context: click.Context, *, parts: Parts, as_json: bool) -> None:
    """List plugins: installed, named, blocked and broken."""
    if context.invoked_subcommand is not None:
        return
    registry = parts.load()
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


def plugin_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return every plugin that was found, the broken ones last."""
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
            "supplies": [f"{kind} {use}" for kind, use in plugin.components],
        }
        for plugin in registry.plugins
    ]
    rows += [row(name, "", "blocked") for name in registry.blocked]
    rows += [row(item.name, item.source, "broken", item.error) for item in registry.broken]
    return rows


def row(name: str, origin: str, state: str, error: str = "") -> dict[str, Any]:
    """Return the row of a plugin that is not loaded."""
    return {
        "name": name, "distribution": "", "version": "", "source": "", "from": origin,
        "path": None, "sha256": "", "status": state, "error": error, "supplies": [],
    }  # fmt: skip


def status(plugin: dict[str, Any]) -> str:
    """Return 'loaded', or why not."""
    return f"broken: {plugin['error']}" if plugin["error"] else str(plugin["status"])
