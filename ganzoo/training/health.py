"""The watch over a run: numbers that stop being finite, samples that stop differing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError, TrainingError
from ganzoo.runs.rules import CERTAIN_LOGS, FLAT, WARM_UP_STEPS, is_certain, is_fooled
from ganzoo.training.variety import Variety

ALIKE = 0.05
"""Share of the real images' diversity below which the samples count as alike."""
BAD_SHEETS = 3

COUNTS = ("alike", "flat", "certain", "told_apart")
"""How often in a row each trouble was seen."""
LONGEST = 2000
"""Characters of what is told of a trouble."""
ADVICE = "docs/troubleshooting.md says more"


class Health:
    """Remembers what was seen and tells each trouble once."""

    def __init__(
        self,
        real_diversity: float,
        told: Callable[[str], None],
        real_contrast: float = 0.0,
        generator_waits: int = 0,
    ) -> None:
        self.real_diversity = real_diversity
        self.real_contrast = real_contrast
        self.told = told
        self.warm_up_steps = WARM_UP_STEPS + generator_waits
        self.alike = 0
        self.flat = 0
        self.certain = 0
        self.told_apart = 0
        self.events: list[dict[str, Any]] = []

    def watch_terms(self, step: int, terms: Mapping[str, float]) -> None:
        """Stop the run at a term that is no longer a number.

        Raises:
            TrainingError: naming term and step.
        """
        for name, value in terms.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"term '{name}' became {value} at step {step}; try half the learning rates "
                    "(optimizer.*.lr), optimizer.*.clip_norm = 1.0, or a gradient penalty"
                )

    def watch_weights(self, step: int, networks: Mapping[str, nn.Module]) -> None:
        """Stop the run before weights that are not finite reach a checkpoint.

        Raises:
            TrainingError: naming network, tensor and step.
        """
        for role, network in networks.items():
            for name, value in network.state_dict().items():
                if not _is_finite(value):
                    raise TrainingError(
                        f"{role} weight '{name}' is not finite after step {step}; nothing of it "
                        "was saved; try half the learning rates (optimizer.*.lr) or clip_norm = 1.0"
                    )

    def watch_state(self, step: int, whose: str, state: Mapping[str, Tensor | float]) -> None:
        """Stop the run before an optimizer's state that is not finite reaches a checkpoint.

        Args:
            whose: 'optimizer/generator' or 'optimizer/discriminator'.

        Raises:
            TrainingError: naming optimizer, entry and step.
        """
        for name, value in state.items():
            if not _is_finite(value):
                raise TrainingError(
                    f"'{name.removeprefix(f'{whose}/')}' of {whose} is not finite after step "
                    f"{step}: its gradients are too large; nothing of it was saved; try "
                    "optimizer.*.clip_norm = 1.0, half the learning rates, or a gradient penalty"
                )

    def watch_samples(self, step: int, images: Tensor) -> float:
        """Return how much ``[N, C, H, W]`` samples differ; tell of a collapse and of flat images.

        Diversity is the standard deviation over samples, averaged over pixels; contrast that over
        pixels, averaged over samples. Flat samples are alike as well and are told as flat alone.
        """
        found = diversity(images)
        is_warm = step > self.warm_up_steps
        is_flat = is_warm and contrast(images) < FLAT * self.real_contrast
        is_alike = is_warm and not is_flat and found < ALIKE * self.real_diversity
        self.flat = self.flat + 1 if is_flat else 0
        self.alike = self.alike + 1 if is_alike else 0
        if self.flat == BAD_SHEETS:
            self._tell(
                "flat",
                step,
                f"samples have been uniformly grey for {BAD_SHEETS} sheets (contrast "
                f"{contrast(images):.4f}, real images {self.real_contrast:.4f}): the generator "
                "has learned nothing or has died; check that step.generator_noise is not "
                "'detached', that generator.order puts norm and activation where you mean them, "
                "and try another optimizer.generator.lr",
            )
        if self.alike == BAD_SHEETS:
            self._tell(
                "collapsed",
                step,
                f"samples have been nearly identical for {BAD_SHEETS} sheets (diversity "
                f"{found:.4f}, real images {self.real_diversity:.4f}): the generator has "
                "collapsed; try loss.use = 'wasserstein' with a gradient_penalty, a lower "
                "optimizer.generator.lr, or dropout in both networks",
            )
        return found

    def watch_accuracy(self, step: int, terms: Mapping[str, float]) -> None:
        """Tell of a discriminator that is always right: the generator learns nothing from it.

        A Wasserstein critic may well be right about every image; its loss is then far below zero.
        """
        has_won, fools = is_certain(terms), is_fooled(terms)
        self.told_apart = self.told_apart + 1 if has_won and fools else 0
        self.certain = self.certain + 1 if has_won and not fools else 0
        if self.certain == CERTAIN_LOGS:
            self._tell(
                "discriminator_won",
                step,
                "the discriminator's loss has been near zero, and its accuracy 100 %, for "
                f"{CERTAIN_LOGS} log lines, so the generator learns little; do not pretrain it, "
                "try an optimizer.discriminator.lr above or below the generator's, "
                "step.generator_noise = 'fresh', or discriminator.dropout of 0.3 to 0.6",
            )
        if self.told_apart == CERTAIN_LOGS:
            self._tell(
                "told_by_the_batch",
                step,
                "the discriminator has classified every image correctly in its "
                f"own half and fakes as real in the generator's, for {CERTAIN_LOGS} log lines: its "
                "batch norm recognises fakes by the images around them, and the generator learns "
                "nothing; set step.batching = 'separate', or discriminator.norm = 'layer'",
            )

    def watch_end(self, step: int, found: Variety, noted: Callable[[str], None]) -> None:
        """Tell of images that are alike, or of few kinds, at the end of a run.

        Unlike sheets on the way these are told of an untrained generator, too: its scores are
        there, and nobody should take them for those of another.

        Args:
            noted: is told in place of ``told`` where the run was too short for a warning.
        """
        told = {each["event"] for each in self.events}
        if found.are_alike and told.isdisjoint({"flat", "collapsed"}):
            seen = (
                f"the {found.count} sampled images differ by only {found.distance:.0%} "
                "of what real images do"
            )
            event = "alike_at_the_end"
        elif found.are_few_kinds and not found.are_alike:
            most = ", ".join(f"{count} to {name!r}" for name, count in found.most)
            seen = (
                f"nearly all of {found.count} images are closest to real ones of a few classes "
                f"({most}); real images are of {found.real_kinds:.1f} classes"
            )
            event = "few_kinds"
        else:
            return
        if step <= WARM_UP_STEPS:
            remedy = (
                f"{step} steps are too few to judge it: train longer (train.epochs, train.steps)"
            )
        else:
            remedy = (
                "if the newest sheet shows one image or one kind, the generator has collapsed: "
                "try loss.use = 'wasserstein' with a gradient_penalty, 'relativistic' with r1 and "
                "r2, a lower optimizer.generator.lr, or dropout in both networks"
            )
        is_short = step <= WARM_UP_STEPS
        self._tell(event, step, f"{seen}; {remedy}", noted if is_short else self.told)

    def _tell(
        self, event: str, step: int, text: str, told: Callable[[str], None] | None = None
    ) -> None:
        if any(told["event"] == event for told in self.events):
            return
        self.events.append({"event": event, "step": step, "text": text})
        (told or self.told)(f"step {step}: {text} ({ADVICE})")

    def state(self) -> dict[str, Any]:
        """Return what a resumed run must remember."""
        counts = {name: getattr(self, name) for name in COUNTS}
        return {**counts, "events": list(self.events)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what ``state()`` returned.

        Raises:
            CheckpointError: if it is something else.
        """
        counts = {name: state.get(name, 0) for name in COUNTS}
        events = state.get("events", [])
        if not all(_is_count(value) for value in counts.values()):
            raise CheckpointError("'health' does not hold whole numbers from 0 on")
        if not isinstance(events, list) or not all(map(_is_event, events)):
            raise CheckpointError("'health' does not hold a list of events with step and text")
        for name, value in counts.items():
            setattr(self, name, value)
        self.events = list(events)


def diversity(images: Tensor) -> float:
    """Return the standard deviation over ``[N, C, H, W]`` images, averaged over pixels."""
    if len(images) < 2:
        return 0.0
    return float(images.detach().float().flatten(1).std(0).mean())


def contrast(images: Tensor) -> float:
    """Return the standard deviation over the pixels of ``[N, C, H, W]``, averaged over images."""
    pixels = images.detach().float().flatten(1)
    return float(pixels.std(1).mean()) if pixels.shape[1] > 1 else 0.0


def _is_finite(value: Tensor | float) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    return math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15


def _is_event(found: object) -> bool:
    """Return whether ``found`` is what ``_tell`` remembers."""
    return (
        isinstance(found, dict)
        and found.keys() == {"event", "step", "text"}
        and _is_count(found["step"])
        and all(
            isinstance(found[key], str) and len(found[key]) <= LONGEST for key in ("event", "text")
        )
    )
