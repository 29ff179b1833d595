"""Options that several verbs share, and what they complete to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ganzoo.cli import output as streams
from ganzoo.common import names, system
from ganzoo.common.errors import GanzooError
from ganzoo.common.system import quoted
from ganzoo.training.place import OUT, PRECISIONS, Place, check_device

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.runs.folder import RunDir

F = TypeVar("F", bound=Callable[..., Any])


class NewFile(click.Path):
    """A file or folder to be made: on Windows, none whose name means something else there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse 'nul', 'a:b.png' and their like, which Windows takes without a word."""
        for part in Path(value).parts if system.IS_WINDOWS else ():
            if part not in {Path(value).anchor, ".", ".."} and (problem := names.fault(part)):
                self.fail(f"{part!r} {problem}; choose another name", param, ctx)
        return super().convert(value, param, ctx)


@dataclass(frozen=True)
class PluginFiles:
    """Which plugins a command works with: files to load, and names to leave out."""

    plugin: tuple[Path, ...]
    block: tuple[str, ...]

    def load(self, warn: Callable[[str], None] | None = None) -> Registry:
        """Load them; what is wrong with one that nobody named is told to ``warn``."""
        from ganzoo.plugin import registry

        found = registry.load_plugins(self.plugin, self.block)
        if warn is None:
            return found
        for text in found.warnings:
            warn(text)
        if found.broken:
            names = ", ".join(sorted({item.name for item in found.broken}))
            warn(f"failed to load: {names}; see why with: ganzoo plugins")
        return found

    def recipe_of(self, run: RunDir, overrides: Sequence[str] = ()) -> Recipe:
        """Return the recipe of a run whose model is used.

        Args:
            overrides: what is changed for the images alone, as under ``--set``.

        Raises:
            GanzooError: if it was made with plugin files that were not named; they are code, and
                nothing in a run folder is executed by itself.
        """
        from ganzoo.cli.summaries import short_name
        from ganzoo.runs.frozen import frozen_recipe
        from ganzoo.runs.plugin_files import require_plugin_files

        def remedy(missing: list[Path]) -> str:
            options = " ".join(f"--plugin {quoted(file)}" for file in missing)
            return f"if you trust them, add: {options}"

        require_plugin_files(run, self.plugin, remedy, short_name(run))
        registry = self.load(streams.warn)
        recipe = frozen_recipe(run, registry)
        return at_sampling(recipe, frozen_recipe(run, registry, overrides)) if overrides else recipe


def at_sampling(trained: Recipe, wanted: Recipe) -> Recipe:
    """Return ``wanted`` where it differs only in what the generator lets be changed afterwards.

    Raises:
        GanzooError: naming every other key.
    """
    from ganzoo.recipe.model import differences

    free = {f"generator.{name}" for name in trained.generator.at_sampling}
    fixed = [key for key, _, _ in differences(trained, wanted) if key not in free]
    if fixed:
        there = ", ".join(sorted(free)) or "none"
        raise GanzooError(
            f"{', '.join(fixed)}: fixed by training; generator "
            f"'{trained.generator.use}' allows these changes when sampling: {there}"
        )
    return wanted


def plugin_options(function: F) -> F:
    """Add ``--plugin`` and ``--block``; the function gets them as ``plugin_files``."""

    @click.option(
        "--plugin",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Load a plugin file; repeatable.",
    )
    @click.option("--block", multiple=True, metavar="NAMES", help="Do not load these plugins: a,b.")
    @functools.wraps(function)
    def gathered(*args: Any, plugin: tuple[Path, ...], block: tuple[str, ...], **rest: Any) -> Any:
        names = [name.strip() for given in block for name in given.split(",")]
        return function(*args, plugin_files=PluginFiles(plugin, tuple(filter(None, names))), **rest)

    return gathered  # type: ignore[return-value]


def processes_option(function: F) -> F:
    """Add ``--processes`` to a verb: with it, several of them are made of the same command line."""

    @click.option(
        "--processes",
        metavar="N",
        help="Processes that share the work; auto: one per visible GPU.",
    )
    @functools.wraps(function)
    def gathered(*args: Any, processes: str | None, **rest: Any) -> Any:
        from ganzoo.cli import company

        if processes is not None and (count := company.wanted(processes)) > 1:
            settings = click.get_current_context().obj
            return company.start(count, settings.words)
        return function(*args, **rest)

    return gathered  # type: ignore[return-value]


data_path_option = click.option(
    "--data-path",
    metavar="PATH",
    help="New path of the same images, if they have moved.",
)


def place_options(function: F) -> F:
    """Add what belongs to the machine; the function gets it as ``place``."""

    @click.option(
        "--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps."
    )
    @data_option
    @click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads.")
    @click.option(
        "--workers",
        default=0,
        type=click.IntRange(0, 256),
        metavar="N",
        help="Processes to read large datasets.",
    )
    @offline_option
    @functools.wraps(function)
    def gathered(
        *args: Any,
        device: str,
        data: str | None,
        threads: int | None,
        workers: int,
        offline: bool,
        **rest: Any,
    ) -> Any:
        place = Place(check_device(device), data, threads or 0, workers, offline)
        return function(*args, place=place, **rest)

    return gathered  # type: ignore[return-value]


def precision_options(function: F) -> F:
    """Add ``--precision`` and ``--deterministic`` to a verb that trains, inside its ``place``."""

    @click.option(
        "--precision",
        default="auto",
        type=click.Choice(PRECISIONS),
        metavar="NAME",
        help="auto (tf32 on a GPU, fp32 on a CPU), fp32, tf32 or bf16.",
    )
    @click.option(
        "--deterministic", is_flag=True, help="Bit-identical results on a GPU too; slower."
    )
    @functools.wraps(function)
    def gathered(*args: Any, place: Place, precision: str, deterministic: bool, **rest: Any) -> Any:
        exact = replace(place, precision=precision, deterministic=deterministic)
        return function(*args, place=exact, **rest)

    return gathered  # type: ignore[return-value]


data_option = click.option(
    "--data", metavar="DIR", help="Folder of the datasets; default: $GANZOO_DATA."
)
offline_option = click.option(
    "--offline", is_flag=True, envvar="GANZOO_OFFLINE", help="Never download."
)
out_option = click.option(
    "--out", default=OUT, metavar="DIR", type=NewFile(path_type=Path), help="Folder for runs."
)
minutes_option = click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Save and stop after N minutes.",
)
track_option = click.option(
    "--track",
    multiple=True,
    metavar="NAME",
    envvar="GANZOO_TRACK",
    help="Also log to tensorboard or wandb; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def recipe_names(
    context: click.Context,  # noqa: ARG001
    parameter: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Complete the name of a shipped recipe, or a file."""
    from ganzoo.recipe.source import shipped

    names = [CompletionItem(name) for name in shipped() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


def run_names(
    context: click.Context,
    parameter: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Complete the letters of a run; a cell of an ablation is shown with its variant and seed.

    Where no run begins like this, complete a folder.
    """
    from ganzoo.runs.folder import list_runs
    from ganzoo.runs.record import Titles

    # A verb that writes to --out takes the folder of the runs as --runs.
    out = context.params.get("runs") or context.params.get("out") or OUT
    runs, titles = list_runs(Path(out)), Titles()
    found = [
        CompletionItem(run.id, help=titles.title(run))
        for run in reversed(runs)
        if run.id.startswith(incomplete)
    ]
    if runs and incomplete and "last".startswith(incomplete):
        found.append(CompletionItem("last", help="the newest run"))
    if incomplete and "zoo:".startswith(incomplete[:4]):
        found += [each for each in model_names() if each.value.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


def model_names() -> list[CompletionItem]:
    """Return the trained models that plugins ship."""
    from ganzoo.plugin.models import PREFIX
    from ganzoo.plugin.registry import load_plugins

    models = load_plugins().models()
    return [
        CompletionItem(f"{PREFIX}{name}", help=each.about) for name, (each, _) in models.items()
    ]


def changes(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a key of the recipe that the command line names, or the run that it begins from."""
    from ganzoo.common.tables import leaves
    from ganzoo.plugin.registry import load_plugins
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.model import plain
    from ganzoo.recipe.source import find_recipe

    key, equals, value = incomplete.partition("=")
    if equals:
        others = run_names(context, parameter, value) if key == "init.from" else []
        return [
            CompletionItem(f"{key}={each.value}", help=each.help)
            for each in others
            if each.type == "plain"
        ]
    # An option that still lacks its value keeps click from giving arguments their names.
    named = (context.params.get("recipe"), *(context.params.get("recipes") or ()), *context.args)
    recipe = next((str(each) for each in named if each), None)
    if recipe is None:
        return []
    try:
        found = plain(load_recipe(find_recipe(recipe), load_plugins()))
    except GanzooError:
        return []
    # A list is set as a whole.
    names = (takewhile(lambda key: isinstance(key, str), keys) for keys, _ in leaves(found))
    keys = sorted({"init.from", *(".".join(map(str, each)) for each in names)})
    return [CompletionItem(f"{each}=") for each in keys if each.startswith(incomplete)]


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=changes,
    help="Override a value of the recipe; repeatable.",
)


class Completed(click.types.StringParamType):
    """A text that completes in a way of its own: for arguments of plugins' verbs.

    Args:
        complete: as click takes it for ``shell_complete``.
    """

    def __init__(
        self, complete: Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
    ) -> None:
        self.complete = complete

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete it."""
        return self.complete(ctx, param, incomplete)


RUN, RECIPE = Completed(run_names), Completed(recipe_names)
