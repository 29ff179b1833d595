"""ganzoo from Python and for every room above: check a recipe, build it, train it, open a run."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganzoo._version import __version__
from ganzoo.common.data_root import DataRoot, Progress, data_root, no_progress
from ganzoo.plugin import registry as plugin_registry
from ganzoo.plugin.registry import Registry
from ganzoo.recipe.check import load_recipe, stand_in
from ganzoo.recipe.model import Recipe, freeze
from ganzoo.recipe.source import find_recipe
from ganzoo.recipe.toml import inline
from ganzoo.runs import folder as rundir
from ganzoo.runs.folder import MOST_PICTURE, RunDir
from ganzoo.runs.frozen import frozen_recipe
from ganzoo.runs.log import SIDES
from ganzoo.runs.plugin_files import keep_plugin_files, require_plugin_files
from ganzoo.runs.record import Record
from ganzoo.runs.verdict import verdict
from ganzoo.training.notebook import Notebook, in_notebook
from ganzoo.training.place import Place
from ganzoo.training.state import Outcome, Reporter, Silent, TrainingState

if TYPE_CHECKING:
    from ganzoo.measure.afterwards import Measured
    from ganzoo.measure.features import FeatureNetwork
    from ganzoo.sampling.classes import Label
    from ganzoo.sampling.model import Images, Model
    from ganzoo.training.parts import Parts

Files = Sequence[str | Path]
RUNS = Path("runs")
SECONDS_BETWEEN_LINES = 10.0


def load(
    recipe: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    plugins: Files = (),
) -> Recipe:
    """Read and check a recipe.

    Args:
        recipe: a file, or the name of a recipe that comes with ganzoo.
        overrides: values by dotted key, as in ``{"train.epochs": 3}``.
        plugins: plugin files to load.

    Raises:
        RecipeError: with every mistake in it.
    """
    found = plugin_registry.load_plugins(_paths(plugins))
    return load_recipe(find_recipe(str(recipe)), found, _written(overrides))


def run(
    recipe: str | Path | Recipe,
    overrides: Mapping[str, object] | None = None,
    *,
    out: str | Path = RUNS,
    name: str | None = None,
    device: str = "auto",
    threads: int = 0,
    data: str | None = None,
    offline: bool = False,
    minutes: float | None = None,
    plugins: Files = (),
    quiet: bool = False,
) -> Run:
    """Train a recipe and return its run; an interrupted run is saved and returned, too.

    If the dataset is not available and the recipe has a fallback recipe, that is trained instead.
    In a notebook, a progress bar, the losses and the newest sheet are shown during training;
    elsewhere a line is printed now and then.

    Args:
        recipe: a file, the name of a recipe that comes with ganzoo, or what ``load`` returned.
        overrides: values by dotted key, for a recipe given by file or name.
        out: folder of the run folders.
        name: name of the run's folder; default: the recipe's name.
        device: 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.
        threads: CPU threads; 0 uses torch's choice, lowered for small networks.
        data: folder of the datasets; default: $GANZOO_DATA.
        offline: never download.
        minutes: save and stop after this many minutes.
        plugins: plugin files to load.
        quiet: print nothing, and show nothing in a notebook. Warnings are always given, as
            Python's.

    Raises:
        GanzooError: if the recipe is wrong, a part cannot be built, or training fails.
    """
    settings = {
        "out": out, "name": name, "device": device, "threads": threads, "data": data,
        "offline": offline, "minutes": minutes, "plugins": plugins,
    }  # fmt: skip
    if isinstance(recipe, Recipe) and overrides:
        raise TypeError("overrides belong to load() where the recipe is loaded already")
    found = plugin_registry.load_plugins(_paths(plugins))
    if isinstance(recipe, Recipe):
        checked, called = recipe, "recipe"
    else:
        path = find_recipe(str(recipe))
        checked, called = load_recipe(path, found, _written(overrides)), path.stem
    reporter: Reporter = Lines(quiet=quiet)
    if not quiet and in_notebook():
        reporter = Notebook()
    with _threads_put_back():
        place = Place(device, data, threads, offline=offline, runs=str(out))
        parts = build(checked, found, place, reporter, may_give_way=True)
        made = begun(parts, Path(out), name or parts.stands_in or called, found)
        if parts.group.is_first:
            made.write_json("origin.json", {"call": written_call(recipe, overrides, settings)})
        train(parts, made, found, reporter, minutes=minutes)
    return Run(made, tuple(_paths(plugins)))


def written_call(
    recipe: str | Path | Recipe, overrides: Mapping[str, object] | None, settings: Mapping[str, Any]
) -> str:
    """Return the call of ``run`` that made a run, as Python has it; defaults are left out."""

    def simple(value: object) -> object:
        if isinstance(value, Path):
            return str(value)
        return [*map(simple, value)] if isinstance(value, list | tuple) else value

    usual = {name: each.default for name, each in USUAL.items()}
    words = ["recipe" if isinstance(recipe, Recipe) else repr(str(recipe))]
    words += [repr(dict(overrides))] if overrides else []
    words += [
        f"{name}={simple(value)!r}" for name, value in settings.items() if value != usual[name]
    ]
    return f"ganzoo.run({', '.join(words)})"


USUAL = inspect.signature(run).parameters
"""What ``run`` takes, and what it assumes."""


def build(
    recipe: Recipe,
    registry: Registry,
    place: Place,
    reporter: Reporter,
    *,
    lacking: Callable[[str], None] | None = None,
    progress: Progress = no_progress,
    allow_fallback: bool = True,
    may_give_way: bool = False,
    is_tried: bool = True,
    begins: bool = True,
    is_whole: bool = False,
) -> Parts:
    """Build all parts of a run on the device, and try one step of each side on copies.

    Args:
        lacking: receives what the machine lacks; default: the reporter's ``note``.
        progress: receives the progress of downloads and datasets.
        allow_fallback: whether to use the recipe's fallback where its dataset is not available.
        may_give_way: whether its fallback recipe, if it names one, is built there instead: for a
            run that begins. The parts have the recipe that is built.
        is_tried: whether the step is tried.
        begins: whether the networks get the weights that the recipe begins with.
        is_whole: whether each process has whole batches: for what makes no steps.

    Raises:
        GanzooError: if a part cannot be built or trains nothing.
    """
    import torch

    from ganzoo.training.machine import set_up
    from ganzoo.training.parts import LackingError, assemble
    from ganzoo.training.shards import WHOLE
    from ganzoo.training.together import device_for, join
    from ganzoo.training.trial import try_out

    machine, warning = set_up(
        device_for(place.device),
        threads=place.threads,
        workers=place.workers,
        precision=place.precision,
        deterministic=place.deterministic,
    )
    if warning:
        (lacking or reporter.note)(warning)
    group = join(machine.device)
    if not group.is_first:
        reporter, progress = Silent(), no_progress
    group.compare({"recipe": freeze(recipe), "ganzoo": __version__, "torch": torch.__version__})
    root = DataRoot(data_root(place.data), not place.offline, progress, reporter.note)
    assembled = partial(
        assemble,
        registry=registry,
        root=root,
        machine=machine,
        group=group,
        cut=WHOLE if is_whole else None,
    )
    try:
        parts = assembled(
            recipe,
            warn=reporter.warn,
            allow_fallback=allow_fallback,
            may_give_way=may_give_way,
            data_path=place.data_path,
        )
    except LackingError as lack:
        other, wanted = stand_in(recipe, registry), recipe.dataset.use
        reporter.warn(
            f"DATA: {wanted!r} is not available, so the recipe {recipe.fallback!r} is run instead, "
            f"on {other.dataset.use!r}; once {wanted!r} is here, the same command trains on "
            f"it.\n{lack}"
        )
        parts = assembled(other, warn=reporter.warn)
        parts.wanted, parts.data_reason = wanted, str(lack)
        parts.stands_in = recipe.fallback or ""
        recipe = other
        group.compare({"recipe": freeze(recipe)})
    group.compare({"data": parts.data.fingerprint, "threads": parts.machine.threads})
    for note in parts.data.notes:
        reporter.note(f"data: {note}")
    if begins and recipe.init is not None and recipe.init.source is not None:
        from ganzoo.runs.given import given_to

        parts.begin_with(given_to(recipe, Path(place.runs), reporter.warn))
    tell_beginning(parts, reporter)
    if is_tried:
        try_out(parts, reporter)
    return parts


def tell_beginning(parts: Parts, reporter: Reporter) -> None:
    """Tell what was taken of the weights that were given, and what is not trained."""
    if parts.beginning is not None:
        reporter.note("\n".join([parts.beginning.sentence(), *parts.beginning.lines()]))
    if parts.frozen:
        reporter.note(f"not trained (init.freeze): {', '.join(parts.frozen)}")
    lost = [] if parts.beginning is None else parts.beginning.left(parts.frozen)
    if lost:
        reporter.warn(
            f"frozen at their random initial values, because no weights were loaded for them: "
            f"{', '.join(lost)}; see init.freeze"
        )


def train(
    parts: Parts,
    run: RunDir,
    registry: Registry,
    reporter: Reporter,
    *,
    resume: bool = False,
    longer: bool = False,
    minutes: float | None = None,
    track: Collection[str] = (),
    asked: Literal["no", "soon"] = "no",
) -> Outcome:
    """Train in the folder ``run``, measure on the way, and leave a page however it ends.

    Args:
        resume: whether to resume from the newest checkpoint, if there is one.
        longer: whether the run's length was changed, so that its recipe is written again.
        minutes: save and stop after this many minutes.
        track: trackers that were asked for.
        asked: whether the run is made for its scores; see ``watch``.

    Raises:
        TrainingError: if the run fails; its status says so and its last checkpoint is kept.
        GanzooError: if the folder is in use, the disk refuses, or a tracker is unknown.
    """
    from ganzoo.measure.company import Following
    from ganzoo.measure.looks import leave_looks
    from ganzoo.measure.watch import watch
    from ganzoo.report.run_page import leave_page
    from ganzoo.training.beside import go_along
    from ganzoo.training.loop import start
    from ganzoo.training.signals import stopping
    from ganzoo.training.together import in_company

    with in_company(parts.group):
        if not parts.group.is_first:
            return go_along(
                parts, registry, minutes=minutes, measured=lambda: Following(parts, registry)
            )
        try:
            outcome = start(
                parts,
                registry,
                run,
                reporter,
                resume=resume,
                longer=longer,
                minutes=minutes,
                track=track,
                measured=lambda: watch(
                    parts, registry, reporter.warn, asked=asked, tell=reporter.note
                ),
            )
            if outcome.status == "done":
                leave_looks(parts, run, parts.steps, reporter.warn)
            return outcome
        finally:
            # Whoever starts several processes ends them all where one has failed: a page is short.
            with stopping(lambda: None) if parts.group.count > 1 else nullcontext():
                leave_page(run, reporter.warn)


def measure(
    run: RunDir,
    recipe: Recipe,
    registry: Registry,
    place: Place,
    reporter: Reporter,
    *,
    progress: Progress = no_progress,
) -> Measured:
    """Measure a run at its newest checkpoint, by the usual metrics where its recipe has none.

    Several processes share the work; the first one has the scores.

    Raises:
        CheckpointError: if there is no checkpoint that can be read.
        DataError: if the data is not that which the run was trained on.
    """
    from ganzoo.measure.afterwards import measure_run, usual
    from ganzoo.training.same_data import refuse_other_data
    from ganzoo.training.together import in_company

    if not recipe.metric:
        recipe = recipe.model_copy(update={"metric": usual(registry)})
    parts = build(
        recipe,
        registry,
        place,
        reporter,
        progress=progress,
        is_tried=False,
        begins=False,
        is_whole=True,
    )
    with in_company(parts.group):
        refuse_other_data(run, recipe.dataset, parts.dataset, parts.data)
        if not parts.group.is_first:
            reporter = Silent()
        return measure_run(run, parts, registry, reporter.warn, reporter.note)


def begun(parts: Parts, out: Path, name: str, registry: Registry) -> RunDir:
    """Make the folder of a new run, with the frozen recipe and its plugin files in it.

    Of several processes the first one makes it, and sends its name to the others.
    """
    from ganzoo.training.loop import new_run

    parts.group.compare({"run": "a new one"})
    if not parts.group.is_first:
        return RunDir(Path(parts.group.say()))
    made = new_run(parts, out, name)
    keep_plugin_files(made, registry)
    parts.group.say(str(made.path))
    return made


@contextmanager
def _threads_put_back() -> Iterator[None]:
    """Leave torch's number of threads to the rest of the notebook as it was."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def open_run(name: str | Path, *, out: str | Path = RUNS, plugins: Files = ()) -> Run:
    """Open a run: by its folder, its four letters, or 'last'; exported folders open the same way.

    So do the trained models that ganzoo and plugins ship: ``open_run("zoo:fast_digits")``.

    Args:
        name: which run.
        out: folder of the run folders, where ``name`` is not a folder.
        plugins: the plugin files it was made with; code is never loaded from a run folder.

    Raises:
        GanzooError: if there is no such run.
    """
    files = _paths(plugins)
    return Run(rundir.find(str(name), Path(out), files), tuple(files))


@dataclass(frozen=True)
class Run:
    """A run folder as an object: what was trained, how it went, and its generator."""

    folder: RunDir
    plugins: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def status(self) -> str:
        """'running', 'done', 'interrupted', 'failed' or 'killed'."""
        return Record(self.folder).status

    @property
    def log(self) -> list[dict[str, Any]]:
        """One table per logged step: ``pandas.DataFrame(run.log)``."""
        return self.folder.read_log()

    @property
    def result(self) -> dict[str, Any]:
        """Final terms and measures; empty until the run is done."""
        return self.folder.read_json("result.json")

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with every default filled in.

        Raises:
            GanzooError: if the run was made with plugin files that were not named.
        """

        def remedy(missing: list[Path]) -> str:
            files = [*map(str, missing)]
            return f"if you trust them: open_run({str(self.path)!r}, plugins={files})"

        require_plugin_files(self.folder, self.plugins, remedy, f"'{self.path}'")
        return frozen_recipe(self.folder, plugin_registry.load_plugins(self.plugins))

    @cached_property
    def generator(self) -> Model:
        """The trained generator; the running average where the recipe keeps one."""
        return self.model()

    def model(self, *, average: bool = True, device: str = "cpu", player: str = "") -> Model:
        """Return the trained generator, ready to be sampled.

        Args:
            player: another player of the recipe's step that makes images.
            average: whether to take the running average, where the recipe keeps one.
            device: where to put it.
        """
        from ganzoo.sampling.model import open_model
        from ganzoo.training.machine import choose_device

        chosen = choose_device(device)[0]
        return open_model(self.folder, self.recipe, chosen, average=average, player=player)

    def features(self, data: str | None = None) -> FeatureNetwork | None:
        """Return the classifier of the run's dataset, if it lies in the user's cache.

        Its module takes images ``[N, C, H, W]`` in [0, 1] and returns features and logits.

        Args:
            data: folder of the datasets, else $GANZOO_DATA.
        """
        from ganzoo.measure.classifier import kept

        root = DataRoot(data_root(data), download=False)
        return kept(self.recipe.dataset, str(Record(self.folder).data.get("fingerprint")), root)

    def export(self, to: str, path: str | Path, *, average: bool = True) -> float:
        """Write the trained generator for other tools, as ``ganzoo export`` does.

        Args:
            to: 'safetensors', 'pt2', 'onnx' or 'hub'.
            path: the file, or for 'hub' the folder.
            average: whether to take the running average, where the recipe keeps one.

        Returns:
            The largest difference of a pixel between torch and the program; 0 of other formats.

        Raises:
            GanzooError: as ``ganzoo export``: a package is missing, the network cannot be traced.
        """
        from ganzoo.sampling.export import export

        return export(self.model(average=average), self.folder, to, Path(path))

    def sample(self, count: int = 16, *, seed: int = 0, label: Label = None) -> Images:
        """Make ``[count, C, H, W]`` images in the recipe's value range; see ``Model.sample``."""
        return self.generator.sample(count, seed=seed, label=label)

    def report(self) -> Path:
        """Write the run's page and return its file."""
        from ganzoo.report.run_page import write_page

        return write_page(self.folder)

    def __repr__(self) -> str:
        return f"<run '{self.path}', {self.status}>"

    def _repr_png_(self) -> bytes | None:
        sheets = self.folder.sheets()
        if not sheets:
            return None
        return self.folder.read("samples", sheets[-1].name, most=MOST_PICTURE)


class Lines(Silent):
    """Prints a line now and then; warnings are Python's."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.told = time.monotonic()

    def note(self, text: str) -> None:
        """Print a remark."""
        if not self.quiet:
            print(text)

    def warn(self, text: str) -> None:
        """Give a warning."""
        warnings.warn(text, stacklevel=3)

    def logged(self, training: TrainingState, entry: dict[str, Any]) -> None:
        """Print step, time left and the sums of both sides, every ten seconds."""
        if time.monotonic() - self.told < SECONDS_BETWEEN_LINES:
            return
        self.told = time.monotonic()
        sums = "".join(
            f", {side} {entry[f'{letter}/loss']:.3f}"
            for letter, side in SIDES.items()
            if f"{letter}/loss" in entry
        )
        self.note(
            f"step {training.step:,}/{training.parts.steps:,}, "
            f"{training.seconds_left:.0f} s left{sums}"
        )

    def finished(self, training: TrainingState, outcome: Outcome) -> None:
        """Say the verdict, and what to try next."""
        if told := verdict(training.run, outcome.result):
            for text in told.lines():
                self.note(text)


def _paths(files: Files) -> list[Path]:
    return [Path(file) for file in files]


def _written(overrides: Mapping[str, object] | None) -> list[str]:
    """Return overrides as the command line takes them."""
    return [f"{key}={inline(value)}" for key, value in (overrides or {}).items()]
