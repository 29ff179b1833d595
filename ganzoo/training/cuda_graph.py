"""A whole training step as one CUDA graph: hundreds of launches become one.

The first steps run as written; then a step is captured, and from there on replayed with new inputs
in the same places. What a graph cannot hold is noticed in the first steps: the run then goes on as
before, and says so in one line.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ganzoo.training.feed import Batch
from ganzoo.training.own_step import OwnStep
from ganzoo.training.step import AdversarialStep, Inputs, Side

WARM_UP = 3
"""Steps of one kind that run as written before the next is captured."""

OBSERVED = {"d/accuracy", "g/accuracy"}
"""What a step adds when it is observed; a captured one always does, and it is left out again."""

Pattern = tuple[object, ...]


class Recorder(Protocol):
    """Captures work and repeats it; a CUDA graph, or a stand-in for tests."""

    def warm_up(self, work: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Do the work now."""
        ...

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return what repeats the work and returns its result, in the same place each time."""
        ...


class CudaRecorder:
    """Captures on a stream of its own; all graphs share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Do the work on the stream that will capture it."""
        current = torch.cuda.current_stream()
        # What libraries set up at their first use on a stream, as cuBLAS does its workspace, cannot
        # be captured.
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = work()
        current.wait_stream(self.stream)
        return result

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Capture the work without doing it."""
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on: a loader's, which pins memory, must not spoil the capture.
        mode = "thread_local"
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode=mode):
            result = work()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


class Captured:
    """One captured kind of step: where its inputs go, and what repeats it."""

    def __init__(
        self, step: AdversarialStep | OwnStep, number: int, inputs: Inputs, by: Recorder
    ) -> None:
        self.inputs = _places(inputs)
        self.names: list[str] = []

        def work() -> Tensor:
            terms = step.update(number, self.inputs, observe=True)
            self.names = list(terms)
            return torch.stack(list(terms.values()))

        self._fill(inputs)
        self.replay = by.capture(work)

    def __call__(self, inputs: Inputs, *, observe: bool) -> dict[str, Tensor]:
        """Repeat the step with new inputs."""
        self._fill(inputs)
        # A copy: the next replay writes its terms to the same place.
        values = self.replay().clone().unbind()
        terms = dict(zip(self.names, values, strict=True))
        if not observe:
            terms = {name: value for name, value in terms.items() if name not in OBSERVED}
        return terms

    def _fill(self, inputs: Inputs) -> None:
        for place, value in zip(_tensors(self.inputs), _tensors(inputs), strict=True):
            place.copy_(value, non_blocking=True)


class GraphStep:
    """A step that is captured as soon as it can be."""

    def __init__(
        self, plain: AdversarialStep | OwnStep, recorder: Recorder, told: Callable[[str], None]
    ) -> None:
        self.plain = plain
        self.recorder = recorder
        self.told = told
        self.refused = ""
        self._seen: Counter[Pattern] = Counter()
        self._captured: dict[Pattern, Captured] = {}
        for side in plain.sides.values():
            self._prepare(side)
        plain.ramps.keep_on(next(iter(plain.sides.values())).moved[0].device)

    def __call__(
        self, step: int, next_batch: Callable[[int], Batch], *, observe: bool = False
    ) -> dict[str, Tensor]:
        """Make step number ``step``; see ``AdversarialStep``."""
        self.plain.noise.seed_globals(step)
        inputs = self.plain.inputs(step, next_batch)
        self._set_rates(step)
        if self.refused:
            return self.plain.update(step, inputs, observe=observe)
        pattern = self._pattern(step, inputs)
        self._seen[pattern] += 1
        if self._seen[pattern] <= WARM_UP:
            return self._warm_up(step, inputs, observe)
        if pattern not in self._captured and not self._capture(pattern, step, inputs):
            return self.plain.update(step, inputs, observe=observe)
        return self._captured[pattern](inputs, observe=observe)

    def _capture(self, pattern: Pattern, step: int, inputs: Inputs) -> bool:
        try:
            self._captured[pattern] = Captured(self.plain, step, inputs, self.recorder)
        except RuntimeError as error:
            self._put_back()
            self._refuse(str(error).strip().partition("\n")[0])
        # The attempt may have moved the generators; the step begins with its own seed.
        self.plain.noise.seed_globals(step)
        return not self.refused

    def _pattern(self, step: int, inputs: Inputs) -> Pattern:
        """Return what makes two steps the same work: sizes, who is trained, which regularizers."""
        recipe = self.plain.recipe
        updates = {side.updates for side in self.plain.sides.values()}
        due = tuple(
            (step * count + k) % item.every == 0
            for item in recipe.regularizer
            for count in sorted(updates)
            for k in range(count)
        )
        # A graph repeats launches, not decisions: what Python decides must be part of the pattern.
        return (self.plain.waits(step), *due, *map(len, _tensors(inputs)))

    def _warm_up(self, step: int, inputs: Inputs, observe: bool) -> dict[str, Tensor]:
        before, drawn = _host_random_state(), _device_random_state(self.plain.noise.device)
        self.plain.reads_step = False
        terms = self.recorder.warm_up(lambda: self.plain.update(step, inputs, observe=observe))
        if _host_random_state() != before:
            self._refuse("a part of the recipe draws random numbers on the host")
        elif self.plain.cut.parts > 1 and _device_random_state(self.plain.noise.device) != drawn:
            self._refuse(
                "each part of a batch draws the same random numbers, and a graph cannot rewind "
                "in them"
            )
        elif self.plain.reads_step:
            self._refuse("a term depends on the number of the step")
        return terms

    def _prepare(self, side: Side) -> None:
        """Keep step counts on the device, and learning rates that change."""
        changes = not side.is_still
        if {*side.ramps} - {"lr"}:
            self._refuse(f"optimizer {side.spec.use!r} moves more than its learning rate")
        for group in side.optimizer.param_groups:
            # Adam reads its step count to correct its bias; on the host it would be a constant of
            # the graph.
            if "capturable" in group:
                group["capturable"] = True
            elif changes:
                self._refuse(
                    f"optimizer {side.spec.use!r} has a schedule, and torch's form of it takes "
                    "no learning rate from the device"
                )
        if changes and not self.refused:
            device = side.moved[0].device
            side.rates = [
                [torch.zeros((), device=device) for _ in side.optimizer.param_groups]
                for _ in range(side.updates)
            ]

    def _set_rates(self, step: int) -> None:
        self.plain.ramps.fill(step)
        for side in self.plain.sides.values():
            for at, places in enumerate(side.rates):
                side.adjust(step * len(side.rates) + at)
                for group, place in zip(side.optimizer.param_groups, places, strict=True):
                    place.fill_(group["lr"])
                    group["lr"] = place

    def _put_back(self) -> None:
        """Undo what an interrupted step may have left behind; no weight was moved."""
        for side in self.plain.sides.values():
            side.network.train()
            for parameter in side.moved:
                parameter.requires_grad_(True)
                parameter.grad = None

    def _refuse(self, reason: str) -> None:
        if not self.refused:
            self.refused = reason
            self.told(f"training without a CUDA graph, which is slower: {reason}")


def _tensors(inputs: Inputs) -> list[Tensor]:
    images = [batch.images for batch in inputs.batches]
    labels = [batch.labels for batch in inputs.batches if batch.labels is not None]
    given = [batch.inputs for batch in inputs.batches if batch.inputs is not None]
    return [*images, *labels, *given, *inputs.latents, *inputs.redrawn]


def _places(inputs: Inputs) -> Inputs:
    """Return tensors of the same shapes, for inputs that are still to come."""
    empty = torch.empty_like
    return Inputs(
        [batch.each(empty) for batch in inputs.batches],
        [empty(latent) for latent in inputs.latents],
        [empty(latent) for latent in inputs.redrawn],
    )


def _host_random_state() -> tuple[object, ...]:
    numpy = sys.modules.get("numpy")
    drawn = () if numpy is None else numpy.random.get_state(legacy=True)[1:3]
    return (
        random.getstate(),
        torch.default_generator.get_state().numpy().tobytes(),
        *(str(part.tolist()) if hasattr(part, "tolist") else part for part in drawn),
    )


def _device_random_state(device: torch.device) -> bytes:
    on_gpu = device.type == "cuda"
    state = torch.cuda.get_rng_state(device) if on_gpu else torch.default_generator.get_state()
    return state.numpy().tobytes()
