"""A captured step is the step itself; what cannot be captured is noticed and told."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from replayer import Replayer
from torch import Tensor

from ganzoo.common.data_root import DataRoot
from ganzoo.plugin import registry
from ganzoo.plugin.specs import LossSpec
from ganzoo.plugin.types import Context
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.cuda_graph import WARM_UP, CudaRecorder, GraphStep
from ganzoo.training.machine import set_up
from ganzoo.training.parts import Parts, assemble
from ganzoo.training.step import AdversarialStep

SMALL = (
    "dataset={use='digits'}",
    "metric=[]",
    "train.batch_size=8",
    "generator.base_channels=2",
    "discriminator={use='conv',base_channels=2,dropout=0.0}",
)


def parts_of(*overrides: str, recipe: str = "dcgan_mnist", device: str = "cpu") -> Parts:
    plugins = registry.load_plugins()
    checked = load_recipe(find_recipe(recipe), plugins, (*SMALL, *overrides))
    machine, _ = set_up(device)
    return assemble(checked, plugins, DataRoot(Path(), download=False), machine, warn=print)


def with_loss(parts: Parts, loss: LossSpec) -> AdversarialStep:
    step = parts.step
    assert isinstance(step, AdversarialStep)
    step.recipe = parts.recipe.model_copy(update={"loss": loss})
    return step


def train(parts: Parts, step: Any, count: int) -> list[dict[str, float]]:
    return [
        {name: float(value) for name, value in terms.items()}
        for terms in [step(number, parts.feed, observe=number % 2 == 0) for number in range(count)]
    ]


def state(parts: Parts) -> dict[str, Tensor]:
    sides = {"g": parts.generator, "d": parts.discriminator}
    return {
        f"{role}/{name}": value.clone()
        for role, side in sides.items()
        for name, value in side.network.state_dict().items()
    }


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("step.discriminator_updates=2", "step.generator_noise='fresh'"),
        ("step.generator_updates=2", "step.generator_noise='same'"),
        ("step.first='generator'", "step.discriminator_updates=2"),
        ("step.generator_waits=5",),
        ("regularizer=[{use='r1',every=2}]",),
        ("train.batch_size=400", "train.last_batch='keep'"),
    ],
)
def test_a_replayed_run_is_the_run_itself_bit_for_bit(overrides: tuple[str, ...]) -> None:
    plain, captured = parts_of(*overrides), parts_of(*overrides)
    recorder = Replayer()
    assert isinstance(captured.step, AdversarialStep)
    step = GraphStep(captured.step, recorder, pytest.fail)

    wanted = train(plain, plain.step, 12)
    found = train(captured, step, 12)

    assert found == wanted
    ours, theirs = state(captured), state(plain)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert recorder.replayed >= 12 - 3 * WARM_UP
    kinds = 2 if any(word in str(overrides) for word in ("every", "keep", "waits")) else 1
    assert recorder.captured <= kinds


def test_learning_rates_that_change_reach_a_replayed_step() -> None:
    overrides = (
        "train.steps=12",
        "optimizer.generator={use='sgd',lr=0.1,schedule='linear'}",
        "optimizer.discriminator.schedule='cosine'",
    )
    captured = parts_of(*overrides)
    assert isinstance(captured.step, AdversarialStep)
    told: list[str] = []
    GraphStep(captured.step, Replayer(), told.append)
    assert "'sgd' has a schedule" in told[0]

    overrides = (overrides[0], overrides[2], "optimizer.generator.schedule='linear'")
    plain, captured = parts_of(*overrides), parts_of(*overrides)
    assert isinstance(captured.step, AdversarialStep)
    step = GraphStep(captured.step, Replayer(), pytest.fail)

    train(plain, plain.step, 12)
    train(captured, step, 12)

    # A rate on the device is a float32, and one in Python a float64.
    ours, theirs = state(captured), state(plain)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-6)


class OnTheHost(LossSpec):
    """Draws from Python's generator, which a graph would freeze."""

    use: ClassVar[str] = "on_the_host"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"real": ctx.real_logits.mean() * random.random(), "fake": ctx.fake_logits.mean()}

    def generator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"adversarial": ctx.fake_logits.mean()}


class Annealed(OnTheHost):
    """Depends on the number of the step."""

    use: ClassVar[str] = "annealed"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"real": ctx.real_logits.mean() / (1 + ctx.step), "fake": ctx.fake_logits.mean()}


@pytest.mark.parametrize(
    ("loss", "reason"), [(OnTheHost(), "random numbers on the host"), (Annealed(), "number of the")]
)
def test_what_a_graph_would_freeze_is_told_once_and_the_run_goes_on(
    loss: LossSpec, reason: str
) -> None:
    plain, captured = parts_of(), parts_of()
    told: list[str] = []
    step = GraphStep(with_loss(captured, loss), Replayer(), told.append)

    wanted = train(plain, with_loss(plain, loss), 6)

    assert train(captured, step, 6) == wanted
    assert len(told) == 1
    assert reason in told[0]


def test_a_capture_that_fails_leaves_the_run_as_it_was() -> None:
    class Failing(Replayer):
        def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:  # noqa: ARG002
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    class Halfway(Failing):
        def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
            for side in (captured.generator, captured.discriminator):
                side.network.eval().requires_grad_(False)
            return super().capture(work)

    plain, captured = parts_of(), parts_of()
    told: list[str] = []
    assert isinstance(captured.step, AdversarialStep)
    step = GraphStep(captured.step, Halfway(), told.append)

    wanted = train(plain, plain.step, 8)

    assert train(captured, step, 8) == wanted
    assert told == [
        "training without a CUDA graph, which is slower: "
        "operation not permitted when stream is capturing"
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("discriminator.dropout=0.3",),
        ("regularizer=[{use='gradient_penalty'}]",),
        (
            "optimizer.generator={use='rmsprop',schedule='linear'}",
            "optimizer.discriminator={use='rmsprop'}",
        ),
    ],
)
def test_on_a_gpu_a_captured_run_stays_close_to_the_plain_one(
    overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_GRAPH", "0")
    plain, captured = parts_of(*overrides, device="cuda"), parts_of(*overrides, device="cuda")
    assert isinstance(captured.step, AdversarialStep)
    step = GraphStep(captured.step, CudaRecorder(captured.machine.device), pytest.fail)

    wanted = train(plain, plain.step, 10)
    found = train(captured, step, 10)

    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-2, abs=1e-2)
