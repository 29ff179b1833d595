"""``ganzoo data``: bring data sets into the data folder, and say where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import streams
from ganzoo.cli.app import Group, Settings
from ganzoo.cli.options import (
    Parts,
    data_option,
    json_option,
    offline_option,
    plugin_options,
    set_option,
)

if TYPE_CHECKING:
    from ganzoo.specs import DatasetSpec, ImageData


@click.group(cls=Group, examples=["ganzoo data get mnist", "ganzoo data path"])
def data() -> None:
    """Download data sets and find them."""


@data.command(
    examples=["ganzoo data get mnist", "ganzoo data get folder --set root=/photos"]
)
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
    from ganzoo.cli.display import Display
    from ganzoo.dataroot import data_root
    from ganzoo.specs import DataRoot

    with Display(settings.verbosity) as display:
        registry = parts.load(display.warn)
        spec = dataset(registry.find("dataset", name), overrides)
        root = DataRoot(data_root(data), not offline, display.transfers)
        images = spec.build(root)
        display.close()
        show(spec, images, as_json)


@data.command(examples=["ganzoo data path", "cd $(ganzoo data path)"])
@data_option
def path(*, data: str | None) -> None:
    """Print the folder that data sets live in."""
    from ganzoo.dataroot import data_root

    streams.say(str(data_root(data)))


def dataset(kind: type[Any], overrides: tuple[str, ...]) -> DatasetSpec:
    """Return the data set's spec with the fields given on the command line.

    Raises:
        GanzooError: listing what is wrong with them.
    """
    raise NotImplementedError


def show(spec: DatasetSpec, images: ImageData, as_json: bool) -> None:
    """Print what the data set is."""
    from ganzoo.assembly import shape_of

    shape = shape_of(images, spec)
    facts = {
        "name": spec.use,
        "images": len(images),
        "shape": str(shape),
        "classes": len(images.classes),
        "source": images.source,
        "fingerprint": images.fingerprint,
        "notes": list(images.notes),
    }
    if as_json:
        streams.result(facts)
        return
    streams.say(f"{spec.use}: {len(images):,} images {shape}, {len(images.classes)} classes")
    streams.say(images.source)
    for note in images.notes:
        streams.warn(note)
