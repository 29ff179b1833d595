"""The watch over a run: numbers that stop being finite, samples that stop differing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.errors import TrainingError

ALIKE = 0.05
"""Share of the real images' diversity below which the samples count as alike."""
ALIKE_SHEETS = 3
WARM_UP_STEPS = 500
"""Steps in which samples may be alike: an untrained generator's always are."""
CERTAIN = 0.995
"""Discriminator accuracy from which it counts as having won."""
CERTAIN_LOGS = 10


class Health:
    """Remembers what was seen and tells each trouble once."""

    def __init__(self, real_diversity: float, told: Callable[[str], None]) -> None:
        self.real_diversity = real_diversity
        self.told = told
        self.alike = 0
        self.certain = 0
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
                if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                    raise TrainingError(
                        f"{role} weight '{name}' is not finite after step {step}; nothing of it "
                        "was saved; try half the learning rates (optimizer.*.lr) or clip_norm = 1.0"
                    )

    def watch_samples(self, step: int, images: Tensor) -> float:
        """Return how much ``[N, C, H, W]`` samples differ, and tell of a collapse.

        Diversity is the standard deviation over samples, averaged over pixels.
        """
        found = diversity(images)
        if step > WARM_UP_STEPS and found < ALIKE * self.real_diversity:
            self.alike += 1
        else:
            self.alike = 0
        if self.alike == ALIKE_SHEETS:
            self._tell(
                "collapsed",
                step,
                f"samples have been nearly identical for {ALIKE_SHEETS} sheets (diversity "
                f"{found:.4f}, real images {self.real_diversity:.4f}): the generator has "
                "collapsed; try a lower optimizer.generator.lr, dropout in both networks, or "
                "loss.use = 'wasserstein' with a gradient_penalty",
            )
        return found

    def watch_accuracy(self, step: int, terms: Mapping[str, float]) -> None:
        """Tell of a discriminator that is always right: the generator learns nothing from it."""
        self.certain = self.certain + 1 if terms.get("d/accuracy", 0.0) >= CERTAIN else 0
        if self.certain == CERTAIN_LOGS:
            self._tell(
                "discriminator_won",
                step,
                f"the discriminator has been right about every image for {CERTAIN_LOGS} log "
                "lines, so its loss is near zero and the generator learns little; try another "
                "optimizer.discriminator.lr, step.generator_noise = 'fresh', or dropout in the "
                "discriminator",
            )

    def _tell(self, event: str, step: int, text: str) -> None:
        self.events.append({"event": event, "step": step, "text": text})
        self.told(f"step {step}: {text}")

    def state(self) -> dict[str, Any]:
        """Return what a resumed run must remember."""
        return {"alike": self.alike, "certain": self.certain, "events": list(self.events)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what ``state()`` returned."""
        self.alike = int(state.get("alike", 0))
        self.certain = int(state.get("certain", 0))
        self.events = list(state.get("events", []))


def diversity(images: Tensor) -> float:
    """Return the standard deviation over ``[N, C, H, W]`` images, averaged over pixels."""
    return float(images.detach().float().flatten(1).std(0).mean())
