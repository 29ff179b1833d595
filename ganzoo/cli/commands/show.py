"""``ganzoo show``: all there is to know of a component, a recipe or a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import PluginFiles, json_option, out_option, plugin_options, set_option
from ganzoo.cli.output import paragraphs, show_table
from ganzoo.cli.summaries import count, progress, resume_command
from ganzoo.common.errors import GanzooError, suggest
from ganzoo.common.tables import Keys, leaves
from ganzoo.runs.log import terms
from ganzoo.runs.record import in_words

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.plugin.specs import Spec
    from ganzoo.recipe.layers import Node
    from ganzoo.runs.memory import Memory, Number


@click.command(
    cls=Command,
    examples=[
        "ganzoo show adam",
        "ganzoo show discriminator/conv --json",
        "ganzoo show dcgan_mnist --set train.epochs=3",
        "ganzoo show last",
        "ganzoo show protocol mimicry",
    ],
)
@click.argument("name", metavar="NAME")
@click.argument("protocol", metavar="[PROTOCOL]", required=False)
@set_option
@plugin_options
@out_option
@json_option
def show(
    *,
    name: str,
    protocol: str | None,
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    out: Path,
    as_json: bool,
) -> None:
    """Show the component, recipe or run called NAME.

    For a component, its fields with defaults and help; for a recipe, its keys and where each
    is set; for a run, its status, state and files. KIND/NAME picks one of
    several components with the same name. 'protocol' shows how published scores were
    taken (measure.protocol), all or the one named after it.
    """
    from ganzoo.recipe.source import shipped
    from ganzoo.runs.folder import is_run, is_shipped, list_runs

    if name == "protocol":
        return show_protocols(protocol, as_json)
    if protocol is not None:
        raise GanzooError(
            f"one name is shown at a time, and {protocol!r} is a second; only 'protocol' takes one"
        )
    path = Path(name)
    if is_run(path) or is_shipped(name):
        return show_run(name, out, as_json)
    if path.suffix == ".toml" or path.is_file() or name in shipped():
        return show_recipe(name, overrides, plugin_files, as_json)
    registry = plugin_files.load(streams.warn)
    if found := components(name, registry):
        return show_components(found, registry, as_json)
    if name == "last" or any(name in (run.id, run.path.name) for run in list_runs(out)):
        return show_run(name, out, as_json)
    raise unknown(name, registry)


def show_protocols(name: str | None, as_json: bool) -> None:
    """Print what the named protocol sets, or each does; see ``measure.protocol``.

    Raises:
        GanzooError: if there is no such protocol.
    """
    from ganzoo.recipe.protocols import ALL, PROTOCOLS

    if name is not None and name not in PROTOCOLS:
        near = suggest(name, PROTOCOLS, then=f"there are {', '.join(PROTOCOLS)}")
        raise GanzooError(f"no protocol named {name!r}{near}")
    chosen = {each: PROTOCOLS[each] for each in PROTOCOLS if name in (None, each)}
    if as_json:
        streams.result(
            [
                {"name": each, **vars(found), "sets": dict(found.sets)}
                for each, found in chosen.items()
            ]
        )
        return
    for number, (each, found) in enumerate(chosen.items()):
        if number:
            streams.say()
        streams.say(f"measure.protocol = '{each}': {found.about}\n")
        rows = [
            (f"measure.{key}", "all" if value == ALL else str(value))
            for key, value in found.sets.items()
        ]
        rows += [("resizer", found.resizer), ("source", found.source)]
        rows += [("differs", found.differs)] if found.differs else []
        show_table("", ("key", "value"), rows)


def components(name: str, registry: Registry) -> list[type[Spec]]:
    """Return the components of that name, of every kind or of the one before the slash."""
    from ganzoo.plugin.kinds import KINDS

    kind, slash, use = name.rpartition("/")
    return [
        specs[use]
        for each in KINDS.values()
        if (not slash or kind in (each.name, each.plural, *each.also))
        and use in (specs := registry.specs(each.name))
    ]


def unknown(name: str, registry: Registry) -> GanzooError:
    """Return the error for a name that means nothing."""
    from ganzoo.plugin.kinds import KINDS
    from ganzoo.recipe.source import shipped

    known = {*shipped(), *(use for kind in KINDS for use in registry.specs(kind))}
    near = suggest(name, known, then="list them with: ganzoo list")
    return GanzooError(f"no component, recipe or run named {name!r}{near}")


def show_components(found: list[type[Spec]], registry: Registry, as_json: bool) -> None:
    """Print fields, defaults, types and help."""
    from ganzoo.plugin.describe import documentation, fields

    if as_json:
        streams.result([component_facts(spec, registry) for spec in found])
        return
    for number, spec in enumerate(found):
        if number:
            streams.say()
        owner = registry.owner(spec.kind, spec.use)
        streams.say(f"{spec.kind} '{spec.use}' from {owner.origin}\n")
        streams.say(paragraphs(documentation(spec)))
        streams.say()
        rows = [(each.name, each.default, f"{each.help} ({each.type})") for each in fields(spec)]
        if rows:
            show_table("", ("key", "default", "help"), rows)
        else:
            streams.say(f'no keys but use = "{spec.use}"')


def component_facts(spec: type[Spec], registry: Registry) -> dict[str, Any]:
    """Return what is known of a component."""
    from ganzoo.plugin.describe import documentation, fields

    return {
        "kind": spec.kind,
        "use": spec.use,
        "from": registry.owner(spec.kind, spec.use).origin,
        "help": documentation(spec),
        "fields": [vars(field) for field in fields(spec)],
    }


def show_recipe(
    name: str, overrides: tuple[str, ...], plugin_files: PluginFiles, as_json: bool
) -> None:
    """Print every key of the finished recipe and where its value was written."""
    from ganzoo.plugin.describe import written
    from ganzoo.recipe.check import check
    from ganzoo.recipe.source import find_recipe, read_source

    source = read_source(find_recipe(name), overrides)
    recipe = check(source, plugin_files.load(streams.warn))
    rows = [
        {"key": ".".join(map(str, keys)), "value": value, "from": origin(source.root, keys)}
        for keys, value in leaves(recipe.model_dump())
        if value != {}
    ]
    if as_json:
        streams.result({"file": source.file, "keys": rows})
        return
    show_table(
        source.file,
        ("key", "value", "from"),
        [(row["key"], written(row["value"]), row["from"]) for row in rows],
    )


def origin(root: Node, keys: Keys) -> str:
    """Return 'file:line' of the written value, '--set' or 'default'."""
    node: Node | None = root
    for key in keys:
        node = node.inner(key) if node else None
    if node is None:
        return "default"
    file = Path(node.place.file).name
    return f"{file}:{node.place.line}" if node.place.line else file


def show_run(name: str, out: Path, as_json: bool) -> None:
    """Print where a run stands, its last terms and its files."""
    from ganzoo.cli.summaries import files, judged
    from ganzoo.runs.folder import find
    from ganzoo.runs.memory import memory
    from ganzoo.runs.record import Record, summary
    from ganzoo.runs.verdict import verdict

    run = find(name, out)
    facts = summary(run)
    kept = memory(run)
    begun = Record(run).beginning
    told = verdict(run)
    if as_json:
        result = run.read_json("result.json")
        streams.result(
            {
                **facts,
                "own": kept,
                "init": begun,
                "verdict": None if told is None else told.plain(),
                "result": result,
                "files": dict(files(run)),
            }
        )
        return
    rows = [
        (
            "run",
            f"{facts['id']}, of {'recipe' if facts['variant'] is None else 'ablation'} "
            f"{facts['title']}",
        ),
        ("status", " ".join(filter(None, [facts["status"], str(facts["time"])]))),
        ("reason", in_words(str(facts["reason"]))),
        ("step", progress(facts)),
        ("last", terms(facts["last"])),
        ("state", remembered(kept)),
        ("from", descent(begun)),
        *judged(told),
        *files(run),
        ("folder", str(run.path)),
        ("resume", "" if facts["status"] in {"done", "running"} else resume_command(run)),
    ]
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        if text:
            streams.say(f"{label:<{width}}  {text}")


def descent(begun: Mapping[str, Any]) -> str:
    """Return 'dcgan_mnist k7qf, step 600; 25 of 25 tensors loaded'."""
    from ganzoo.report.run_page import beginning

    if (found := beginning(begun)) is None:
        return ""
    return " → ".join([*found[1], "this run; "]) + found[0] if found[1] else found[0]


def remembered(kept: Memory) -> str:
    """Return 'loss.k = 0.012, view.0.seen = 7, and 256 numbers in 3 tensors'."""
    few = [f"{name} = {said(value)}" for name, value in kept.items() if isinstance(value, list)]
    many = [value for value in kept.values() if isinstance(value, int)]
    if many:
        also = "and " if few else ""
        few.append(f"{also}{sum(many):,} numbers in {count(len(many), 'tensor')}")
    return ", ".join(few)


def said(numbers: list[Number]) -> str:
    """Return '0.012' or '[1, 0.5]'."""
    told = [str(each) if isinstance(each, bool | int) else f"{each:.4g}" for each in numbers]
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]"
