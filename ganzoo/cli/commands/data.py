"""``ganzoo data``: bring datasets into the data folder, and say where it and the cache are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Group, Settings
from ganzoo.cli.options import (
    NewFile,
    PluginFiles,
    data_option,
    json_option,
    offline_option,
    plugin_options,
    set_option,
)
from ganzoo.cli.summaries import count
from ganzoo.common.errors import DataError, MachineError
from ganzoo.common.system import quoted

if TYPE_CHECKING:
    from ganzoo.common.data_root import DataRoot
    from ganzoo.common.kept_pixels import Entry
    from ganzoo.plugin.specs import DatasetSpec
    from ganzoo.plugin.types import Split


@click.group(cls=Group, examples=["ganzoo data get mnist", "ganzoo data look ~/photos"])
def data() -> None:
    """Download, inspect and locate datasets; manage the image cache."""


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
    plugin_files: PluginFiles,
    data: str | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Download and verify dataset NAME, if it is not there yet."""
    from ganzoo.cli.progress import Display
    from ganzoo.common.data_root import DataRoot, data_root
    from ganzoo.recipe.check import dataset_named

    with Display(settings.verbosity) as display:
        spec = dataset_named(name, overrides, plugin_files.load(display.warn))
        root = DataRoot(data_root(data), not offline, display.transfers, display.note)
        facts = {"train": about(spec, root, "train")}
        try:
            facts["test"] = about(spec, root, "test")
        except DataError as error:
            # To train on it, this split is not needed.
            display.warn(f"no test images: {error}")
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


@data.command(
    examples=["ganzoo data look ~/photos", "ganzoo data look photos.zip --sheet photos.png"]
)
@click.argument("folder", metavar="DIR")
@click.option(
    "--sheet",
    metavar="FILE",
    type=NewFile(path_type=Path),
    help="Write a contact sheet of 64 images.",
)
@plugin_options
@json_option
def look(*, folder: str, sheet: Path | None, plugin_files: PluginFiles, as_json: bool) -> None:
    """Inspect the images in DIR, a folder or an archive.

    Reads all headers, and the pixels of up to 64 images.
    """
    from ganzoo.cli import own_images
    from ganzoo.recipe.own_images import Wish, remarks, seen

    registry = plugin_files.load(streams.warn)
    found = own_images.look_at(folder, registry, pictures=64 if sheet else 0)
    if sheet is not None:
        own_images.save_contact_sheet(found, sheet)
    if as_json:
        streams.result(own_images.as_json(found) | ({"sheet": str(sheet)} if sheet else {}))
        return
    for line in seen(found):
        streams.say(line)
    for name, count_ in found.classes.items():
        streams.say(f"  {name}: {count(count_, 'image', 'images')}")
    for key, (value, reason) in found.settings.items():
        streams.say(f"suits: {key} = {json.dumps(value)}  # {reason}")
    if sheet is not None:
        streams.say(f"contact sheet: {sheet}")
    for line in remarks(found, Wish()):
        streams.warn(line)
    streams.tell(f"next: ganzoo new recipe NAME --from-folder {quoted(folder)}")


@data.command(examples=["ganzoo data path", "cd $(ganzoo data path)"])
@data_option
@json_option
def path(*, data: str | None, as_json: bool) -> None:
    """Print the folder of the datasets."""
    from ganzoo.common.data_root import data_root

    folder = str(data_root(data))
    streams.result({"folder": folder} if as_json else folder)


@data.group(cls=Group, examples=["ganzoo data cache list", "ganzoo data cache clear"])
def cache() -> None:
    """List or clear the cache of decoded images."""


@cache.command("list", examples=["ganzoo data cache list", "ganzoo data cache list --json"])
@json_option
def list_(*, as_json: bool) -> None:
    """List the cached images with their size, last used first."""
    from ganzoo.common.kept_pixels import entries

    root = _cache()
    found = entries(root)
    if as_json:
        streams.result({"folder": str(root), "kept": [entry.facts() for entry in found]})
        return
    for entry in found:
        streams.say(str(entry))
    streams.say(f"{_in_all(found)} in '{root}' (set GANZOO_CACHE to use another folder)")


@cache.command(examples=["ganzoo data cache clear"])
@json_option
def clear(*, as_json: bool) -> None:
    """Remove all cached images; the next run decodes its images again."""
    from ganzoo.common.kept_pixels import clear as remove

    root = _cache()
    removed, stay = remove(root)
    for reason in stay:
        streams.warn(f"not removed: {reason}")
    if as_json:
        streams.result({"folder": str(root), "removed": [entry.facts() for entry in removed]})
        return
    streams.say(f"removed {_in_all(removed)} from '{root}'")


def _cache() -> Path:
    from ganzoo.common.data_root import CACHE_FOLDER, cache_root

    if (root := cache_root()) is None:
        raise MachineError(f"there is no home folder to hold a cache; {CACHE_FOLDER}")
    return root


def _in_all(found: Sequence[Entry]) -> str:
    from ganzoo.common.files import megabytes

    return (
        f"{count(len(found), 'file', 'files')} of cached images, "
        f"{megabytes(sum(entry.num_bytes for entry in found))},"
    )


def about(spec: DatasetSpec, root: DataRoot, split: Split) -> dict[str, Any]:
    """Return what the images are; they are only loaded where the dataset cannot tell without.

    Raises:
        DataError: if they are not available.
    """
    found = spec.facts(root, split)
    if found is None:
        from ganzoo.plugin.types import Facts
        from ganzoo.training.feed import shape_of

        images = spec.build(root, split)
        found = Facts(
            len(images), shape_of(images, spec), len(images.classes), images.source,
            images.fingerprint, images.notes,
        )  # fmt: skip
    return {
        "images": found.images,
        "shape": str(found.shape),
        "classes": found.classes,
        "source": found.source,
        "fingerprint": found.fingerprint,
        "notes": list(found.notes),
    }
