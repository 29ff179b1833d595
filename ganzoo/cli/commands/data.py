"""``ganzoo data``: bring data sets into the data folder, and say where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Group, Settings
from ganzoo.cli.options import (
    Parts,
    data_option,
    json_option,
    offline_option,
    plugin_options,
    set_option,
)
from ganzoo.cli.summaries import count
from ganzoo.common.errors import DataError
from ganzoo.plugin.specs import DatasetSpec, Table
from ganzoo.recipe.component import ByUse

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.plugin.types import ImageData


class Choice(Table):
    """The one table of a recipe that is needed here."""

    dataset: Annotated[DatasetSpec, ByUse()]


@click.group(cls=Group, examples=["ganzoo data get mnist", "ganzoo data path"])
def data() -> None:
    """Download data sets and find them."""


@data.command(examples=["ganzoo data get mnist", "ganzoo data get folder --set 'path=\"/photos\"'"])
@click.argument("name", metavar="NAME")
@set_option
@plugin_options
@data_option
@offline_option
@json_option
@click.pass_obj
def get(
    settings: Settings,
    *,
    name: str,
    overrides: tuple[str, ...],
    parts: Parts,
    data: str | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Download data set NAME unless it is there, and check it."""
    from ganzoo.cli.progress import Display
    from ganzoo.common.data_root import DataRoot, data_root

    with Display(settings.verbosity) as display:
        spec = dataset(name, overrides, parts.load(display.warn))
        root = DataRoot(data_root(data), not offline, display.transfers)
        facts = {"train": about(spec, spec.build(root))}
        try:
            facts["test"] = about(spec, spec.build(root, "test"))
        except DataError as error:
            # To train on it, this split is not needed.
            display.warn(f"without images to test on: {error}")
    if as_json:
        streams.result(facts)
        return
    for split, found in facts.items():
        streams.say(
            f"{spec.use} {split}: {found['images']:,} images {found['shape']}, "
            f"{count(found['classes'], 'class', 'classes')}, from {found['source']}"
        )
        for note in found["notes"]:
            streams.warn(note)


@data.command(examples=["ganzoo data path", "cd $(ganzoo data path)"])
@data_option
@json_option
def path(*, data: str | None, as_json: bool) -> None:
    """Print the folder that data sets live in."""
    from ganzoo.common.data_root import data_root

    folder = str(data_root(data))
    streams.result({"folder": folder} if as_json else folder)


def dataset(name: str, overrides: tuple[str, ...], registry: Registry) -> DatasetSpec:
    """Return the data set's spec with the fields given on the command line.

    Raises:
        RecipeError: with everything that is wrong with them.
    """
    from ganzoo.recipe.check import problems_of
    from ganzoo.recipe.overrides import layer
    from ganzoo.recipe.problems import OVERRIDE, RecipeError
    from ganzoo.recipe.source import Source

    registry.find("dataset", name)
    given = [f"dataset.use={name}", *(f"dataset.{override.strip()}" for override in overrides)]
    chosen, problems, count = problems_of(Source(OVERRIDE, layer(given)), registry, Choice)
    if chosen is None or problems:
        raise RecipeError(problems, count)
    return chosen.dataset


def about(spec: DatasetSpec, images: ImageData) -> dict[str, Any]:
    """Return what the images are."""
    from ganzoo.training.feed import shape_of

    return {
        "images": len(images),
        "shape": str(shape_of(images, spec)),
        "classes": len(images.classes),
        "source": images.source,
        "fingerprint": images.fingerprint,
        "notes": list(images.notes),
    }
