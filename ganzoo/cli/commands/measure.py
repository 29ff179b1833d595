"""``ganzoo measure``: score a run or a folder of images, and prepare what scores need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Group, Settings
from ganzoo.cli.options import (
    PluginFiles,
    data_option,
    data_path_option,
    json_option,
    offline_option,
    out_option,
    place_options,
    plugin_options,
    processes_option,
    run_names,
    set_option,
)
from ganzoo.common import ranks
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.common.files import beside
from ganzoo.common.text import number
from ganzoo.runs.verdict import reading
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ganzoo.cli.progress import Display
    from ganzoo.common.data_root import DataRoot
    from ganzoo.measure.afterwards import Measured
    from ganzoo.plugin.registry import Registry
    from ganzoo.runs.folder import RunDir

OWN = ("measure.", "metric")
"""What may be changed for measuring a run: how it is measured, not what it is."""
SHEET = "neighbours.png"


class Measures(Group):
    """``ganzoo measure last`` is short for ``ganzoo measure of last``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take a name that is no verb for what is to be measured."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            return "of", self.commands["of"], args
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the verbs, and what may be measured."""
        target = self.commands["of"].params[0]
        return [
            *super().shell_complete(ctx, incomplete),
            *target.shell_complete(ctx, incomplete),
        ]


@click.group(
    cls=Measures,
    examples=[
        "ganzoo measure last",
        "ganzoo measure last --set measure.samples=10000",
        "ganzoo measure last --processes 4",
        "ganzoo measure ./my-images --dataset mnist",
        "ganzoo measure prepare mnist",
    ],
)
def measure() -> None:
    """Evaluate a run, or a folder of images, against real images."""


@measure.command(examples=["ganzoo measure last", "ganzoo measure ./my-images --dataset mnist"])
@click.argument("target", metavar="RUN|FOLDER", shell_complete=run_names)
@click.option("--dataset", metavar="NAME", help="Dataset to compare a folder's images with.")
@set_option
@plugin_options
@place_options
@data_path_option
@processes_option
@out_option
@json_option
@click.pass_obj
def of(
    settings: Settings,
    *,
    target: str,
    dataset: str | None,
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    place: Place,
    data_path: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Evaluate a run, or a folder of images with --dataset.

    Scores are shown next to those of real images; without --set they are saved in the run's
    result.json. A sheet shows fakes with their nearest training images.
    """
    from ganzoo.cli.progress import Display
    from ganzoo.runs.folder import left

    with Display(settings.verbosity) as display:
        if dataset is None:
            run_named(target, overrides, out, plugin_files.plugin)
        registry = plugin_files.load(display.warn)
        if dataset is not None:
            if data_path is not None:
                raise GanzooError("--data-path is for a run; a dataset's is --set dataset.path=...")
            found, sheet = _folder(target, dataset, overrides, registry, place, display)
            keep = None
        else:
            there = replace(place, data_path=data_path)
            found, run = _run(target, overrides, registry, there, out, display, plugin_files.plugin)
            sheet, keep = left(run, target, SHEET), None if overrides else run
        if ranks.rank() > 0:
            return  # it has helped the first process, which tells
        if not as_json:
            show(found.result["metrics"])
        # The scores are what was asked for; what lies beside them may not be to be written.
        drawn = False
        with beside(display.warn):
            drawn = _draw(found, sheet, keep)
        with beside(display.warn):
            _keep(keep, found, display)
    if as_json:
        streams.result({**found.result, "sheet": str(sheet) if drawn else None})
    elif drawn:
        streams.tell(f"fakes with their nearest training images: {sheet}")


def _draw(found: Measured, sheet: Path, run: RunDir | None) -> bool:
    """Draw fakes beside their nearest training images, but of points; return whether it was.

    Args:
        run: whose page shall say what is on the sheet.
    """
    if found.image.height == 1:
        return False
    from ganzoo.measure.looks import neighbours
    from ganzoo.report.looks import LOOKS
    from ganzoo.report.sheets import save_png

    picture, facts = neighbours(found.some, found.train, found.image, found.asked)
    save_png(picture, sheet)
    if run is not None:
        run.write_json(LOOKS, run.read_json(LOOKS) | {"neighbours": facts})
    return True


def _keep(run: RunDir | None, found: Measured, display: Display) -> None:
    from ganzoo.measure.afterwards import write_result

    if run is not None and not write_result(run, found):
        is_done = run.read_json("result.json").get("status") == "done"
        more = "" if is_done else "; ganzoo resume trains this one to its end"
        display.note(
            f"scores of step {found.result['step']:,}, only shown: 'result.json' keeps those of "
            f"the last step of a run that is done{more}"
        )


@measure.command(examples=["ganzoo measure prepare mnist"])
@click.argument("name", metavar="DATASET")
@set_option
@plugin_options
@data_option
@offline_option
@json_option
@click.pass_obj
def prepare(
    settings: Settings,
    *,
    name: str,
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    data: str | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Train the classifier whose features the scores of DATASET use.

    Needed once per dataset. It runs on one CPU thread: seconds for the digits, a few minutes for
    MNIST. The same kind of processor always gives the same weights, another kind differs in the
    last bits. They are saved, with accuracy and SHA-256, in the user's cache folder or in
    $GANZOO_CACHE.
    """
    if ranks.rank() > 0:
        return  # one process trains it
    from ganzoo.cli.progress import Display
    from ganzoo.recipe.check import dataset_named

    with Display(settings.verbosity) as display:
        registry = plugin_files.load(display.warn)
        root = _root(data, offline, display)
        spec = dataset_named(name, overrides, registry)
        if spec.judge is not None:
            display.warn(f"{spec.use} is read digit by digit: preparing {spec.judge}")
            spec = dataset_named(spec.judge, (), registry)

        from ganzoo.measure.classifier import places, train_classifier

        problems: list[str] = []
        train = spec.build(root)
        network = train_classifier(spec, root, train=train, tell=problems.append)
        path = None if problems else places(spec, train.fingerprint, root)[0]
    facts = {
        "network": network.name,
        "accuracy": network.accuracy,
        "sha256": network.sha256,
        "file": None if path is None else str(path),
    }
    if as_json:
        streams.result(facts)
    else:
        streams.say(f"{network.name}: {network.accuracy:.2%} accuracy on the test images")
        streams.say(f"SHA-256 {network.sha256}" + ("" if path is None else f", in '{path}'"))
    if problems:
        raise MachineError(*problems)


@measure.command(examples=["ganzoo measure adopt inception.safetensors --sha256 6f1a…"])
@click.argument("weights", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--sha256", required=True, metavar="DIGITS", help="SHA-256 of the file, 64 digits.")
@click.option(
    "--network",
    type=click.Choice(["inception", "dinov2", "clip"]),
    default="inception",
    help="Network that the weights are for.",
)
@data_option
@click.pass_obj
def adopt(
    settings: Settings, *, weights: Path, sha256: str, network: str, data: str | None
) -> None:
    """Copy weights of Inception-v3, DINOv2 or CLIP to the data folder.

    They are never downloaded. FILE is a safetensors file; docs/measures.md says where to get it.
    """
    if ranks.rank() > 0:
        return  # one process copies them
    from ganzoo.cli.progress import Display
    from ganzoo.measure.inception import adopt as take

    with Display(settings.verbosity) as display:
        found = take(weights, sha256, _root(data, True, display), network)
    streams.say(f"{found.name}: SHA-256 {found.sha256}")


def show(metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Print scores as a table beside their floors."""
    from ganzoo.cli.output import show_table

    rows = []
    for name, metric in metrics.items():
        floor = metric["floor"]
        real = "" if floor.get("value") is None else number(floor["value"])
        perfect = "" if floor.get("perfect") is None else number(floor["perfect"])
        better = "lower" if metric["lower_is_better"] else "higher"
        rows.append((name, number(metric["last"]["value"]), real, perfect, better))
    show_table("", ("score", "value", "real images", "perfect", "better"), rows)
    for text in reading(metrics):
        streams.tell(text)
    if metrics:
        origin = next(iter(metrics.values()))["provenance"]
        streams.tell(
            f"{origin['n_fake']:,} fakes against {origin['n_real']:,} real images of split "
            f"'{origin['split']}', in features of {origin['network']} "
            f"({origin['network_sha256'][:12]})"
        )
        if (protocol := origin.get("protocol")) is not None:
            streams.tell(
                f"protocol '{protocol}', which counts the {origin['checkpoint']} checkpoint of a "
                f"run: ganzoo show protocol {protocol}"
            )


def _run(
    target: str,
    overrides: tuple[str, ...],
    registry: Registry,
    place: Place,
    out: Path,
    display: Display,
    plugins: Sequence[Path],
) -> tuple[Measured, RunDir]:
    run = run_named(target, overrides, out, plugins)
    from ganzoo import session
    from ganzoo.runs.frozen import frozen_recipe

    recipe = frozen_recipe(run, registry, overrides)
    found = session.measure(run, recipe, registry, place, display, progress=display.transfers)
    return found, run


def run_named(
    target: str, overrides: tuple[str, ...], out: Path, plugins: Sequence[Path] = ()
) -> RunDir:
    """Return the run that is to be measured; nothing heavy is imported to find it.

    Raises:
        GanzooError: if it is none, or would be changed.
    """
    from ganzoo.runs.folder import find, is_run

    if Path(target).is_dir() and not is_run(Path(target)):
        raise GanzooError(
            f"'{target}' is not a run; for a folder of images, name the dataset "
            "to compare with: --dataset mnist"
        )
    for override in overrides:
        if not override.strip().startswith(OWN):
            raise GanzooError(
                f"--set {override!r}: would change the run; only keys of 'measure' and 'metric' "
                "can be set here"
            )
    return find(target, out, plugins)


def _folder(
    target: str,
    dataset_name: str,
    overrides: tuple[str, ...],
    registry: Registry,
    place: Place,
    display: Display,
) -> tuple[Measured, Path]:
    import torch

    from ganzoo.measure.afterwards import folder, measure_images
    from ganzoo.recipe.check import dataset_named
    from ganzoo.recipe.model import Measure
    from ganzoo.training.feed import shape_of
    from ganzoo.training.together import in_company, join

    root = _root(place.data, place.offline, display)
    spec = dataset_named(dataset_name, overrides, registry)
    group = join(torch.device("cpu"))
    with in_company(group):
        with group.first_here():
            images = folder(Path(target), shape_of(spec.build(root), spec), registry, root)
        for note in images.notes:
            display.warn(note)
        found = measure_images(
            images, spec, Measure(), registry, root, display.warn, tell=display.note, group=group
        )
    return found, Path(f"{target.rstrip('/').removesuffix('.zip')}-{SHEET}")


def _root(data: str | None, offline: bool, display: Display) -> DataRoot:
    from ganzoo.common.data_root import DataRoot, data_root

    return DataRoot(data_root(data), not offline, display.transfers, display.note)
