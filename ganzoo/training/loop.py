"""From a recipe to a finished run: the loop, what it logs, what it saves, how it goes on."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import ImageChops, ImageStat
from PIL.Image import Image
from torch import Tensor

from ganzoo.common.errors import CheckpointError, MachineError, say
from ganzoo.common.files import beside, publish
from ganzoo.common.system import quoted
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.types import is_points
from ganzoo.recipe.model import freeze
from ganzoo.report import curves
from ganzoo.report.points import scatter
from ganzoo.report.sheets import opened, save_gif, save_png, sheet
from ganzoo.runs import folder as rundir
from ganzoo.runs.asking import REASON, Asked, forget
from ganzoo.runs.folder import BEGINNING, RunDir
from ganzoo.runs.log import BATCH, RAMPS, is_term
from ganzoo.runs.log import scores as scores_in_words
from ganzoo.runs.record import Record
from ganzoo.runs.verdict import verdict
from ganzoo.runs.weights import write_generator
from ganzoo.training import saving
from ganzoo.training.background import Aside, CudaCopier, Tensors
from ganzoo.training.failures import failures, predict_disk_use
from ganzoo.training.feed import real_images, some_inputs
from ganzoo.training.followers import Tracked
from ganzoo.training.health import Health, contrast, diversity
from ganzoo.training.labels import first_labels, sheet_facts, sheet_labels
from ganzoo.training.machine import environment
from ganzoo.training.parts import Parts
from ganzoo.training.precision import images_of
from ganzoo.training.randomness import observing
from ganzoo.training.signals import Stop, stopping
from ganzoo.training.state import Measures, NoMeasures, Outcome, Reporter, TrainingState
from ganzoo.training.variety import FAKES, variety

TIME_IS_UP = 1000
"""What a process wishes when the minutes it was given are over; with a signal, that much more."""
POINTS_SHOWN = 2000
"""Real points in the picture of a dataset of points."""


class Training(TrainingState):
    """A run in progress, and what moves it on."""

    # The loop

    def loop(self, stop: Stop, minutes: float | None) -> Outcome:
        """Train to the end, or until asked to stop."""
        deadline = math.inf if minutes is None else self.started_at + 60 * minutes
        group = self.parts.group
        asked = Asked(self.run)

        def wish() -> int:
            # A signal weighs more: it has an exit code of its own. Who asks is heard as if by one.
            if stop.signal is None and asked():
                stop.signal = signal.SIGTERM
                self.reporter.note("asked to stop; stopping after this step …")
            if stop.signal is not None:
                return TIME_IS_UP + stop.signal
            return TIME_IS_UP if time.monotonic() >= deadline else 0

        group.wish = wish  # type: ignore[method-assign]
        if self.step == 0 and self.parts.recipe.samples.at_start:
            self._sample(0)
        while self.step < self.parts.steps:
            self.advance()
            # Of several processes all stop after the same step: the one at which all knew.
            wanted = group.agreed if group.count > 1 else wish()
            if wanted and self.step < self.parts.steps:
                number = wanted - TIME_IS_UP
                if asked.is_heard:
                    reason = REASON
                elif number:
                    reason = signal.Signals(number).name
                else:
                    reason = f"the {minutes or 0:g} minutes of --minutes are over"
                return self._stop(reason, 128 + number if number else 0)
        return self._finish()

    def _stop(self, reason: str, exit_code: int) -> Outcome:
        self.save()
        self.aside.settle()
        self.run.set_status("interrupted", self.step, reason)
        with beside(self.reporter.warn):
            self._sample_at_stop()
        with beside(self.reporter.warn):
            curves.draw(self.run)
        return Outcome("interrupted", reason, exit_code, self._result("interrupted"))

    def _is_measured(self) -> bool:
        """Return whether the next step's generator is measured: the first process knows."""
        is_due = self.measures.is_due(self.step + 1)
        group, every = self.parts.group, self.parts.recipe.measure.every
        if group.count > 1:
            may_be = self.step + 1 == self.parts.steps or (every and (self.step + 1) % every == 0)
            return bool(may_be and group.say(is_due))
        return is_due

    def advance(self) -> None:
        """Make one step, with everything that is due after it."""
        recipe = self.parts.recipe
        is_last = self.step + 1 == self.parts.steps
        is_measured = self._is_measured()
        is_logged = (
            is_last
            or is_measured
            or (self.step + recipe.train.count_from) % recipe.train.log_every == 0
            or (recipe.train.log_each_epoch and self.parts.ends_epoch(self.step + 1))
        )
        terms = self.parts.step(self.step, self.parts.feed, observe=is_logged)
        for name, average in self.parts.averages.items():
            average.follow(self.parts.sides[name].network, self.step)
        self.step += 1
        self.window.append(terms)
        if self.parts.machine.device.type == "cpu":
            # Reading a number costs nothing here; elsewhere it would stop the device.
            self.health.watch_terms(self.step, {name: float(v) for name, v in terms.items()})
        if is_logged:
            self._log(is_measured=is_measured)
        sheets = self.sheets_due()
        for sheet_number in sheets:
            self._sample(sheet_number)
        is_best = is_measured and self.measures.best_step == self.step
        every = recipe.checkpoint.every
        is_saved = bool(every) and self.step % every == 0
        if is_last or is_best or is_saved:
            self.save()
        if sheets or is_measured or is_saved:
            self.parts.group.say()  # writing and measuring may take as long as they like
        self.aside.collect()
        self.reporter.stepped(self)

    def sheets_due(self) -> list[int]:
        """Return the numbers of the sheets that the recipe wants after the steps made so far."""
        samples = self.parts.recipe.samples
        number = self._number_of_sheet()
        is_due = bool(samples.every) and number % samples.every == 0
        is_due |= samples.each_epoch and self.parts.ends_epoch(self.step)
        sheets = [number] if is_due else []
        # The last one bears the number of all steps, which 'number' is unless it counts from 0.
        if self.step == self.parts.steps and self.step not in sheets:
            sheets.append(self.step)
        return sheets

    def _number_of_sheet(self) -> int:
        return self.step - 1 + self.parts.recipe.train.count_from

    def _log(self, *, is_measured: bool) -> None:
        window = read_terms(self.window)
        # Measuring is no training: what it takes does not count against the speed.
        elapsed = time.monotonic() - self.logged_at
        scores = self.measures.take(self.step) if is_measured else {}
        for offset, numbers in enumerate(window, self.step - len(window) + 1):
            self.health.watch_terms(offset, numbers)
        self.last = means(window)
        newest = {f"{BATCH}{name}": value for name, value in sums(window[-1]).items()}
        self.window.clear()
        images = (self.step - self.logged_step) * self.parts.images_per_step()
        entry: dict[str, Any] = {
            "step": self.step,
            "epoch": round(self.parts.epoch(self.step), 4),
            **self.last,
            **newest,
            **scores,
            **self._moving(),
            "seconds": round(self.total_seconds, 3),
            "images_per_second": round(images / max(elapsed, 1e-9), 1),
        }
        try:
            self.run.append_log(entry)
        except MachineError:
            if scores:
                self.reporter.warn(f"not written: {scores_in_words(entry)}")
            raise
        self.log_lines += 1
        self.logged_at, self.logged_step = time.monotonic(), self.step
        if self.step > self.parts.recipe.step.waits():
            # Alone, a discriminator shall be right about every image.
            self.health.watch_accuracy(self.step, self.last)
        self.reporter.logged(self, entry)

    def _moving(self) -> dict[str, float]:
        """Return the numbers that move, as they were in the step just made."""
        values = self.parts.ramps.values(self.step - 1)
        return {f"{RAMPS}{name}": value for name, value in values.items()}

    def _sheet_path(self, number: int) -> Path:
        return self.run.samples / f"{self.parts.recipe.samples.name.format(step=number)}.png"

    def _sample_at_stop(self) -> None:
        """Draw what a run had come to when it was stopped, unless a sheet shows it already."""
        if self.sheets_due():
            return
        path = self._sheet_path(self._number_of_sheet())
        try:
            images = self._shown(self.samples())
        except (MemoryError, RuntimeError) as error:  # the run is saved, whatever comes now
            self.reporter.warn(f"no sheet of step {self.step:,}: {say(error)}")
            return
        save_png(picture(self.parts, images), path)
        self.reporter.sampled(self, path, self.step)

    def forget_stop(self) -> None:
        """Remove the sheet of where the run was stopped: one that was never stopped has none."""
        if self.step and not self.sheets_due():
            self._sheet_path(self._number_of_sheet()).unlink(missing_ok=True)

    def _sample(self, number: int) -> None:
        images, step = self.samples(), self.step
        self.health.watch_samples(step, images)
        images = self._shown(images)
        path = self._sheet_path(number)

        def write(copies: Tensors) -> None:
            save_png(picture(self.parts, copies["images"]), path)

        self.aside.hand({"images": images}, write, lambda: self.reporter.sampled(self, path, step))

    @torch.no_grad()
    def samples(self) -> Tensor:
        """Make the images of one sheet, ``[N, C, H, W]``, without a trace in the run."""
        recipe = self.parts.recipe
        latents = self.fixed
        if recipe.samples.noise == "fresh":
            latents = self.parts.noise.latents(
                recipe.latent, len(self.fixed), "fresh sheet", self.step
            )
        network = self.parts.best_generator
        with observing(network):
            network.train(recipe.samples.mode == "train")
            given = self.parts.given(latents)
            return images_of(recipe.generator, network, given, sheet_labels(self.parts))

    @torch.no_grad()
    def _shown(self, images: Tensor) -> Tensor:
        """Return the pictures of a sheet: these images, or what the step shows in their place."""
        parts, mode = self.parts, self.parts.recipe.samples.mode
        if not parts.recipe.generator.translates:
            return images
        networks, count = parts.best, len(images)
        inputs = some_inputs(parts.data, parts.shape, count).to(images.device)
        targets = real_images(parts.data, parts.shape, count).to(images.device)
        with observing(*networks.values()):
            for network in networks.values():
                network.train(mode == "train")
            step = parts.recipe.step
            found = attempt(step, "sheet()", lambda: step.sheet(networks, inputs, targets))
        return images if found is None else found

    def save(self) -> None:
        """Write a checkpoint; see ``saving.save``."""
        saving.save(self)

    # The end

    def _finish(self) -> Outcome:
        self.aside.settle()
        network = self.parts.best_generator
        recipe, classes = freeze(self.parts.recipe), self.parts.data.classes
        write_generator(self.run.generator, network, recipe, self.parts.shape, classes, self.step)
        for name, other in self.parts.best.items():
            if name != self.parts.made_by:
                image = self.parts.recipe.step.makes(name, self.parts.shape)
                path = self.run.writable(f"{name}.safetensors")
                write_generator(path, other, recipe, image, classes, self.step)
        look = self._look_back()
        result = self._result("done", look)
        self.run.write_json("result.json", result)
        self.run.set_status("done", self.step)
        with beside(self.reporter.warn):
            save_gif(self.run.sheets(), self.run.film)
        with beside(self.reporter.warn):
            curves.draw(self.run)
        return Outcome("done", "", 0, result)

    @torch.no_grad()
    def _look_back(self) -> dict[str, float]:
        """Look at some images of the finished generator, without a trace in the run."""
        parts, recipe = self.parts, self.parts.recipe
        network = parts.best_generator
        labels = None
        if recipe.generator.uses_labels and parts.data.labels is not None:
            labels = first_labels(parts.data, FAKES).to(parts.machine.device)
        with observing(network):
            network.train(recipe.samples.mode == "train")
            latents = parts.noise.latents(recipe.latent, FAKES, "look back", 0)
            images = images_of(recipe.generator, network, parts.given(latents), labels)
        found = variety(images, parts.data, parts.shape)
        if found is None:
            return {}
        self.health.watch_end(self.step, found, self.reporter.note)
        return found.facts() | self._moved()

    def _moved(self) -> dict[str, float]:
        """Return how far the last sheet is from the first one, of the real images' contrast."""
        sheets, depth = self.run.sheets(), self.health.real_contrast
        recipe, shape = self.parts.recipe, self.parts.shape
        if recipe.samples.noise == "fresh" or is_points(shape) or len(sheets) < 2 or not depth > 0:
            return {}
        first, last = (opened(sheets[place]) for place in (0, -1))
        if first is None or last is None or (first.size, first.mode) != (last.size, last.mode):
            return {}
        mean = sum(ImageStat.Stat(ImageChops.difference(first, last)).mean) / len(first.getbands())
        steps = rundir.step_of(sheets[-1]) - rundir.step_of(sheets[0])
        return {
            "moved": round(mean / 255 * (shape.high - shape.low) / depth, 4),
            "moved_over": steps,
        }

    def _last_epoch(self) -> dict[str, dict[str, float]]:
        """Return the means over the last whole epoch, where the log has a line at its end."""
        if not self.parts.recipe.train.log_each_epoch:
            return {}
        lines = self.run.read_log()
        found = {name: curves.epoch_means(lines, name) for name in self.last}
        means = {name: epochs[-1][1] for name, epochs in found.items() if epochs}
        return {"last_epoch": means} if means else {}

    def _result(self, status: str, look: Mapping[str, float] | None = None) -> dict[str, Any]:
        if not self.last:
            last = Record(self.run).last_entry
            self.last = {name: value for name, value in last.items() if is_term(name)}
        found = {
            "status": status,
            "step": self.step,
            "seconds": round(self.total_seconds, 2),
            "images_per_second": round(
                self.step * self.parts.images_per_step() / max(self.total_seconds, 1e-9), 1
            ),
            "peak_memory_mib": round(self.peak_memory_mib, 1),
            "final": self.last,
            **self._last_epoch(),
            "best": {name: entry["value"] for name, entry in self.measures.best.items()},
            **self.measures.result(),
            "health": self.health.events,
            "look": dict(look or {}),
            **self.parts.facts(),
        }
        told = verdict(self.run, found)
        return found | {"verdict": None if told is None else told.kept()}


def sheet_size(parts: Parts) -> int:
    """Return how many images a sheet shows."""
    return parts.recipe.samples.rows * parts.recipe.samples.columns


def picture(parts: Parts, images: Tensor | None) -> Image:
    """Return a sheet of fakes, or of real images without any; points are drawn in their plane."""
    if is_points(parts.shape):
        return scatter(images, real_images(parts.data, parts.shape, POINTS_SHOWN))
    if images is None:
        images = real_images(parts.data, parts.shape, sheet_size(parts))
    samples = parts.recipe.samples
    return sheet(images, parts.shape, samples.columns, gap=samples.gap, fill=samples.fill)


def read_terms(window: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """Return the terms of some steps as numbers; the device is waited for once."""
    found = [value for terms in window for value in terms.values()]
    if all(value.device.type == "cpu" for value in found):
        # Nothing to wait for, and to read each is forty times quicker than to gather them.
        return [{name: value.item() for name, value in terms.items()} for terms in window]
    numbers = iter(torch.stack([value.double() for value in found]).tolist())
    return [{name: next(numbers) for name in terms} for terms in window]


def means(window: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of every term over the steps in which it occurred, and each side's sum."""
    names = sorted({name for terms in window for name in terms})
    seen = {name: [terms[name] for terms in window if name in terms] for name in names}
    found = {name: math.fsum(values) / len(values) for name, values in seen.items()}
    return found | sums(found)


def sums(terms: dict[str, float]) -> dict[str, float]:
    """Return 'd/loss' and 'g/loss', the sums of a side's terms; none for a side without terms."""
    found = {}
    for side in ("d", "g"):
        own = [
            value
            for name, value in terms.items()
            if name.startswith(f"{side}/") and name != f"{side}/accuracy"
        ]
        if own:
            found[f"{side}/loss"] = math.fsum(own)
    return found


def start(
    parts: Parts,
    registry: Registry,
    run: RunDir,
    reporter: Reporter,
    *,
    resume: bool = False,
    longer: bool = False,
    minutes: float | None = None,
    track: Collection[str] = (),
    measured: Callable[[], Measures] = NoMeasures,
) -> Outcome:
    """Train in the folder ``run``, from the beginning or from its newest checkpoint.

    Args:
        longer: whether the folder's recipe becomes that of ``parts``, once its checkpoint is
            found to fit.
        track: trackers that were asked for.
        measured: returns the run's measures; called once the folder is this process's own.

    Raises:
        TrainingError: if the run fails; its status says so and its last checkpoint is kept.
        MachineError: if the folder is in use or the disk refuses.
        GanzooError: if no plugin has a tracker that ``track`` names.
    """
    followed = Tracked(reporter, registry, track)
    reporter = followed
    with stopping(lambda: reporter.note("stopping after this step …")) as stop, run.locked():
        forget(run)
        training = at_the_start(parts, registry, run, reporter, measured)
        is_restored = resume and saving.restore(training)
        if is_restored and Record(run).status == "interrupted":
            training.forget_stop()
        if parts.group.count > 1:
            saving.hand(training, is_restored=is_restored)
        if longer:
            make_longer(training)
        if not is_restored:
            surroundings = environment(parts.machine, registry)
            run.write_json("environment.json", surroundings | parts.facts() | sheet_facts(parts))
            tell_beginning(training)
            save_png(picture(parts, None), run.path / "real.png")
        predict_disk_use(training)
        run.set_status("running", training.step)
        reporter.started(training)
        training.started_at = training.logged_at = time.monotonic()
        if parts.beginning is not None and not is_restored:
            training.save()  # from now on it needs nothing outside its folder
            training.aside.settle()
        with followed.following(training), failures(training):
            outcome = training.loop(stop, minutes)
        forget(run)
        reporter.finished(training, outcome)
        return outcome


def tell_beginning(training: TrainingState) -> None:
    """Keep in the run's folder what it begins with and what is not trained."""
    parts, beginning = training.parts, training.parts.beginning
    if parts.recipe.init is None:
        return
    if parts.recipe.init.source is not None and beginning is None:
        raise CheckpointError(
            f"'{training.run.path}' starts from the weights of '{parts.recipe.init.source}', "
            f"which were not read; start again: ganzoo run {quoted(training.run.recipe)}"
        )
    facts = {} if beginning is None else beginning.facts()
    training.run.write_json(BEGINNING, {**facts, "frozen": list(parts.frozen)})


def make_longer(training: TrainingState) -> None:
    """Make the recipe in the run's folder that of its parts."""
    run, parts = training.run, training.parts
    publish(run.recipe, freeze(parts.recipe))
    if record := run.read_json("environment.json"):
        run.write_json("environment.json", {**record, "steps": parts.steps})
    training.reporter.note(f"the run now ends at step {parts.steps:,}")


def at_the_start(
    parts: Parts,
    registry: Registry,
    run: RunDir,
    reporter: Reporter,
    measured: Callable[[], Measures] = NoMeasures,
    kind: type[Training] = Training,
) -> Training:
    """Return a run that has made no step yet."""
    real = real_images(parts.data, parts.shape, 64)
    device = parts.machine.device
    return kind(
        parts,
        registry,
        run,
        reporter,
        Health(
            diversity(real),
            reporter.warn,
            contrast(real),
            parts.recipe.step.waits(),
        ),
        parts.noise.fixed_latents(parts.recipe.latent, sheet_size(parts)),
        measured(),
        Aside(CudaCopier(device) if device.type == "cuda" else None),
    )


def new_run(parts: Parts, out: Path, name: str) -> RunDir:
    """Make the run's folder and put the frozen recipe into it."""
    run = rundir.create(out, name)
    publish(run.recipe, freeze(parts.recipe))
    return run
