"""``ganzoo doctor``: is everything here that a run needs? A block to paste into a bug report."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import click

from ganzoo._version import __version__
from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import PluginFiles, data_option, json_option, out_option, plugin_options
from ganzoo.cli.summaries import count
from ganzoo.common.errors import GanzooError
from ganzoo.common.system import IS_LINUX, count_nvidia_gpus, processor_name, processors

PACKAGES = ("torch", "torchvision", "numpy", "pydantic", "pluggy", "click", "rich", "pillow",
            "safetensors", "scikit-learn")  # fmt: skip
OK, NOTE, BROKEN = "ok", "note", "broken"
LITTLE = 1_000_000_000
"""Bytes free below which a disk is worth a word."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    state: str
    text: str
    remedy: str = ""


@click.command(
    cls=Command,
    examples=["ganzoo doctor", "ganzoo doctor --data /mnt/data --out /mnt/runs --json"],
)
@plugin_options
@data_option
@out_option
@json_option
def doctor(*, plugin_files: PluginFiles, data: str | None, out: Path, as_json: bool) -> int:
    """Check the installation and this machine; exit 2 on problems."""
    findings = [
        Finding("ganzoo", OK, __version__),
        Finding("python", OK, f"{platform.python_version()} ({sys.executable})"),
        Finding("system", OK, platform.platform()),
        *packages(),
        *devices(),
        *folders(data, out),
        *plugin_health(plugin_files),
    ]
    broken = [item for item in findings if item.state == BROKEN]
    if as_json:
        streams.result([item._asdict() for item in findings])
    else:
        width = max(len(item.what) for item in findings)
        for item in findings:
            mark = "" if item.state == OK else f"{item.state}: "
            streams.say(f"{item.what:<{width}}  {mark}{item.text}")
            if item.remedy:
                streams.say(f"{'':<{width}}  -> {item.remedy}")
        streams.say(f"{count(len(broken), 'problem')} found" if broken else "no problems found")
    return GanzooError.exit_code if broken else 0


def packages() -> Iterator[Finding]:
    """Look for the packages ganzoo stands on."""
    for name in PACKAGES:
        try:
            yield Finding(name, OK, version(name))
        except PackageNotFoundError:
            yield Finding(name, BROKEN, "not installed", f"pip install {name}")


def devices() -> Iterator[Finding]:
    """Look at what torch can compute on.

    To import torch takes seconds. Where no GPU can be there, its libraries are loaded and no more:
    one that is missing, or was built for another machine, shows as well.
    """
    if not may_have_gpu():
        yield from without_gpu()
        return
    try:
        import torch

        from ganzoo.training.machine import device_name
    except Exception as error:  # noqa: BLE001
        text = f"cannot be imported: {type(error).__name__}: {error}"
        yield Finding("torch", BROKEN, text, "pip install --force-reinstall torch")
        return
    cpu = device_name(torch.device("cpu"))
    yield Finding(
        "cpu",
        OK,
        f"{cpu}, {count(processors(), 'processor')}, {count(torch.get_num_threads(), 'thread')}",
    )
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = f"{properties.total_memory / 2**30:.0f} GiB"
        yield Finding(f"cuda:{index}", OK, f"{properties.name}, {memory}")
    if torch.backends.mps.is_available():
        yield Finding("mps", OK, device_name(torch.device("mps")))
    elif not torch.cuda.is_available():
        text = f"none that torch {torch.__version__} sees: training on the CPU"
        yield Finding("gpu", NOTE, text)


def may_have_gpu() -> bool:
    """Return whether torch has to be asked for GPUs; it is not imported."""
    if "torch" in sys.modules or not IS_LINUX or count_nvidia_gpus():
        return True
    place = torch_folder()
    try:
        text = "" if place is None else (place / "version.py").read_text(encoding="utf-8")
    except OSError:
        return True
    others = re.findall(r"^(?:hip|rocm|xpu)\b[^=\n]*= *(\S+)", text, re.MULTILINE)
    return not others or any(found != "None" for found in others)


def without_gpu() -> Iterator[Finding]:
    """Tell of the processor alone, and load torch's libraries."""
    place = torch_folder()
    assert place is not None
    try:
        # With all of its symbols looked up, as an import does it.
        ctypes.CDLL(str(place / "lib" / "libtorch_python.so"), mode=os.RTLD_NOW)
    except OSError as error:
        text = f"cannot be loaded: {error}"
        yield Finding("torch", BROKEN, text, "pip install --force-reinstall torch")
        return
    yield Finding("cpu", OK, f"{processor_name()}, {count(processors(), 'processor')}")
    text = f"none that torch {version('torch')} sees: training on the CPU"
    yield Finding("gpu", NOTE, text)


def torch_folder() -> Path | None:
    """Return where torch is installed; None where it is not."""
    found = importlib.util.find_spec("torch")
    return None if found is None or found.origin is None else Path(found.origin).parent


def folders(data: str | None, out: Path) -> Iterator[Finding]:
    """Look at the folders ganzoo writes to."""
    from ganzoo.common.data_root import CACHE_FOLDER, cache_root, data_root
    from ganzoo.common.kept_pixels import entries

    yield folder("data", data_root(data), "name another with --data or GANZOO_DATA")
    if (cache := cache_root()) is None:
        text = "there is no home folder, so nothing is cached"
        yield Finding("cache", NOTE, text, CACHE_FOLDER)
    else:
        found = folder("cache", cache, CACHE_FOLDER)
        # Nothing but time is lost without one.
        kept = sum(entry.num_bytes for entry in entries(cache))
        text = f"{found.text}, {kept / 1e9:.1f} GB of cached images in it" if kept else found.text
        yield found._replace(state=NOTE if found.state == BROKEN else found.state, text=text)
    yield folder("runs", out.absolute(), "name another with --out")


def folder(what: str, path: Path, remedy: str) -> Finding:
    """Look whether ``path`` is there, or can be made, and has room."""
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    if not there.is_dir():
        return Finding(what, BROKEN, f"'{there}' is not a folder", remedy)
    if not os.access(there, os.W_OK | os.X_OK):
        # Data that is there already may well lie in a folder that nobody writes to.
        state = NOTE if what == "data" and there == path else BROKEN
        return Finding(what, state, f"'{there}' cannot be written", remedy)
    free = shutil.disk_usage(there).free
    missing = "" if there == path else ", not created yet"
    text = f"'{path}'{missing}, {free / 1e9:.0f} GB free"
    return (
        Finding(what, NOTE, text, f"make room, or {remedy}")
        if free < LITTLE
        else Finding(what, OK, text)
    )


def plugin_health(plugin_files: PluginFiles) -> Iterator[Finding]:
    """Look at the plugins."""
    try:
        registry = plugin_files.load()
    except GanzooError as error:
        yield Finding("plugins", BROKEN, str(error))
        return
    names = ", ".join(plugin.name for plugin in registry.plugins)
    yield Finding("plugins", OK if registry.plugins else BROKEN, names or "none")
    for item in registry.broken:
        block = f"repair it, pip uninstall {item.name}, or GANZOO_BLOCK={item.name}"
        yield Finding("plugin", BROKEN, f"{item.name} from {item}", block)
    for text in registry.warnings:
        yield Finding("plugin", NOTE, text)
