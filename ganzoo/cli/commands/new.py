"""``ganzoo new``: the beginning of a recipe or of a package of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command, Group
from ganzoo.cli.options import NewFile, PluginFiles, json_option, plugin_options, recipe_names

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.plugin.scaffold import Special
    from ganzoo.recipe.own_images import For


@click.group(
    cls=Group,
    examples=["ganzoo new recipe mine", "ganzoo new plugin ganzoo-quadratic --kind loss"],
)
def new() -> None:
    """Create a recipe or a plugin of your own."""


@new.command(
    cls=Command,
    examples=[
        "ganzoo new plugin ganzoo-quadratic --kind loss",
        "ganzoo new plugin ganzoo-faces --kind dataset --out projects",
        "ganzoo new plugin ganzoo-digits --kind generator --labels",
        "ganzoo new plugin ganzoo-balance --kind loss --state",
    ],
)
@click.argument("name")
@click.option("--kind", default="loss", metavar="KIND", help="Kind of component; default: loss.")
@click.option(
    "--labels",
    "special",
    flag_value="labels",
    help="A class-conditional generator or discriminator.",
)
@click.option(
    "--state", "special", flag_value="state", help="A loss that keeps state between steps."
)
@click.option(
    "--out", default=".", metavar="DIR", type=NewFile(path_type=Path), help="Folder to write to."
)
@json_option
def plugin(*, name: str, kind: str, special: Special | None, out: Path, as_json: bool) -> None:
    """Create package NAME with one component; its tests pass.

    KIND is generator, discriminator, loss, regularizer, dataset, optimizer, metric, view or step.
    """
    from ganzoo.plugin.registry import load_plugins
    from ganzoo.plugin.scaffold import write

    use = name.replace("-", "_").removeprefix("ganzoo_")
    taken = load_plugins().components.get((kind, use))
    if taken is not None:
        raise click.UsageError(f"there is a {kind} named {use!r} already, of {taken[1].origin}")
    files = write(name, kind, out, special or "")
    if as_json:
        streams.result([str(path) for path in files])
        return
    for path in files:
        streams.say(str(path))
    streams.tell(
        f'next: pip install -e "{out / name}[test]" && ganzoo plugins check {use}\n'
        f"then write your own {kind} in '{out / name}'"
    )


@new.command(
    cls=Command,
    examples=[
        "ganzoo new recipe mine                          asks for each part",
        "ganzoo new recipe mine --from wgan_mnist        start from a recipe",
        "ganzoo new recipe mine --dataset digits --loss hinge",
        "ganzoo new recipe photos --from-folder ~/photos",
    ],
)
@click.argument("name")
@click.option(
    "--from", "below", metavar="RECIPE", shell_complete=recipe_names, help="Recipe to start from."
)
@click.option("--from-folder", "folder", metavar="DIR", help="Folder or .zip of your own images.")
@click.option("--size", metavar="N|HxW", help="With --from-folder: size, 64 or 50x150.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["speed", "quality"]),
    help="With --from-folder: minutes (speed, the default) or hours.",
)
@click.option("--labels", is_flag=True, help="With --from-folder: train class-conditional.")
@click.option("--dataset", metavar="USE", help="Dataset; see: ganzoo list data")
@click.option("--generator", metavar="USE", help="Generator; see: ganzoo list generators")
@click.option("--discriminator", metavar="USE", help="Discriminator.")
@click.option("--loss", metavar="USE", help="Loss; see: ganzoo list losses")
@click.option(
    "--out", default=".", metavar="DIR", type=NewFile(path_type=Path), help="Folder to write to."
)
@plugin_options
@json_option
def recipe(
    *,
    name: str,
    below: str | None,
    folder: str | None,
    size: str | None,
    purpose: For | None,
    labels: bool,
    out: Path,
    plugin_files: PluginFiles,
    as_json: bool,
    **given: str | None,
) -> None:
    """Create NAME.toml: from a recipe, parts, or your images."""
    from ganzoo.common.errors import GanzooError
    from ganzoo.recipe.new import BASE, write

    registry = plugin_files.load(streams.warn)
    chosen = {kind: use for kind, use in given.items() if use is not None}
    if folder is not None:
        if below is not None or chosen:
            raise click.UsageError("--from-folder chooses all parts; leave out --from and parts")
        path = from_folder(name, folder, (size, purpose or "speed", labels), out, registry)
        streams.result({"file": str(path)} if as_json else str(path))
        streams.tell(f"next: ganzoo run {path}")
        return
    if size or purpose or labels:
        raise click.UsageError("--size, --for and --labels go with --from-folder")
    if below is None and not chosen:
        if not sys.stdin.isatty():
            raise GanzooError(
                f"not a terminal, so cannot ask; say what to start from: --from {BASE}, or "
                "choose parts: --dataset, --generator, --discriminator, --loss; or use your "
                "own images: --from-folder DIR"
            )
        chosen = asked(registry)
    path = write(name, below or BASE, chosen, out, registry)
    if "# yours" in path.read_text(encoding="utf-8"):
        streams.tell(f"lines of '{path}' that end in '# yours' are examples: replace them")
    streams.result({"file": str(path)} if as_json else str(path))
    streams.tell(f"next: ganzoo run {path}")


def from_folder(
    name: str, folder: str, asked: tuple[str | None, For, bool], out: Path, registry: Registry
) -> Path:
    """Write a recipe for images of one's own, say what was seen, and return the file."""
    from ganzoo.cli.own_images import USE, look_at
    from ganzoo.recipe.new import new_file, place
    from ganzoo.recipe.own_images import Wish, here, parse_size, recipe_for, remarks, seen

    size, purpose, labels = asked
    wish = Wish(parse_size(size) if size else None, purpose, labels)
    path = new_file(name, out)
    found = look_at(folder, registry)
    for line in seen(found):
        streams.tell(f"seen: {line}")
    for line in remarks(found, wish):
        streams.warn(line)
    source = str(Path(folder).expanduser().absolute())
    place(path, recipe_for(found, source, USE, wish, here()), registry)
    return path


def asked(registry: Registry) -> dict[str, str]:
    """Ask for each part; what the base has is proposed."""
    from ganzoo.plugin.describe import summary
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.new import BASE, PARTS
    from ganzoo.recipe.source import find_recipe

    base = load_recipe(find_recipe(BASE), registry)
    chosen = {}
    for kind in PARTS:
        specs = registry.specs(kind)
        for use, spec in specs.items():
            streams.tell(f"  {use:<20} {summary(spec)}")
        here = getattr(base, kind).use
        answer = click.prompt(kind, type=click.Choice(list(specs)), default=here,
                              show_choices=False, err=True)  # fmt: skip
        if answer != here:
            chosen[kind] = answer
    return chosen
