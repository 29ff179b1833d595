"""Optimizers: against the published updates, number by number in plain arithmetic."""

from __future__ import annotations

import copy
import inspect
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ganzoo.api import OptimizerSpec
from ganzoo_optimizers import ganzoo_optimizers
from ganzoo_optimizers.adam import Adam
from ganzoo_optimizers.eager import Eager, EagerAdam, EagerRMSprop, EagerSGD
from ganzoo_optimizers.rmsprop import Rmsprop
from ganzoo_optimizers.root_epsilon import RootEpsilonRMSprop
from ganzoo_optimizers.sgd import Sgd

START = 0.75
GRADIENTS = [0.5, -0.25, 1.5, 1e-5, -0.75, 0.0, 2.0]

EVERY_FORM: list[OptimizerSpec] = [
    Adam(),
    Adam(betas=[0.5, 0.999], amsgrad=True, weight_decay=0.1),
    Sgd(),
    Sgd(momentum=0.9, nesterov=True),
    *(
        Rmsprop(epsilon_inside_root=inside, momentum=momentum, centered=centered)
        for inside in (False, True)
        for momentum in (0.0, 0.9)
        for centered in (False, True)
    ),
]


def course(spec: OptimizerSpec) -> list[float]:
    """Return one weight after each of ``GRADIENTS`` has been applied to it."""
    weight = nn.Parameter(torch.tensor([START], dtype=torch.float64))
    optimizer = spec.build([weight])
    seen = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        seen.append(weight.item())
    return seen


def name(spec: OptimizerSpec) -> str:
    """Name a spec by what is not default."""
    changed = ",".join(f"{k}={v}" for k, v in spec.model_dump(exclude_defaults=True).items())
    return f"{spec.use}({changed})"


def test_adam_is_kingma_and_ba_s_algorithm_1() -> None:
    spec = Adam(lr=0.01, betas=[0.5, 0.9], eps=1e-3)

    w, m, v, by_hand = START, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.5 * m + 0.5 * g
        v = 0.9 * v + 0.1 * g**2
        w -= 0.01 * (m / (1 - 0.5**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-3)
        by_hand.append(w)
    assert course(spec) == pytest.approx(by_hand, rel=1e-12)


def test_adam_with_amsgrad_divides_by_the_largest_mean_square_so_far() -> None:
    spec = Adam(lr=0.01, betas=[0.0, 0.5], amsgrad=True, weight_decay=0.125)

    w, v, largest, by_hand = START, 0.0, 0.0, []
    for t, plain in enumerate(GRADIENTS, start=1):
        g = plain + 0.125 * w
        v = 0.5 * v + 0.5 * g**2
        largest = max(largest, v)
        w -= 0.01 * g / (math.sqrt(largest / (1 - 0.5**t)) + 1e-8)
        by_hand.append(w)
    assert course(spec) == pytest.approx(by_hand, rel=1e-12)


def test_adam_starts_from_the_papers_numbers() -> None:
    spec = Adam()

    assert (spec.betas, spec.eps, spec.weight_decay) == ([0.9, 0.999], 1e-8, 0.0)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_rmsprop_is_keras_update_with_eps_in_or_outside_the_root(
    momentum: float, centered: bool, inside: bool
) -> None:
    spec = Rmsprop(
        lr=0.01,
        alpha=0.9,
        eps=1e-2,
        momentum=momentum,
        centered=centered,
        epsilon_inside_root=inside,
    )

    w, velocity, average, step, by_hand = START, 0.0, 0.0, 0.0, []
    for g in GRADIENTS:
        velocity = 0.9 * velocity + 0.1 * g**2
        average = 0.9 * average + 0.1 * g
        spread = velocity - average**2 if centered else velocity
        root = math.sqrt(spread + 1e-2) if inside else math.sqrt(spread) + 1e-2
        step = momentum * step + 0.01 * g / root
        w -= step
        by_hand.append(w)
    assert course(spec) == pytest.approx(by_hand, rel=1e-12)


def test_rmsprop_with_eps_in_the_root_starts_without_momentum_and_uncentred() -> None:
    weight = nn.Parameter(torch.tensor([START], dtype=torch.float64))
    optimizer = RootEpsilonRMSprop([weight], lr=0.01, alpha=0.9, eps=1e-2)

    assert optimizer.defaults["momentum"] == 0.0
    assert optimizer.defaults["centered"] is False
    weight.grad = torch.tensor([0.5], dtype=torch.float64)
    assert optimizer.step(lambda: 7.0) == 7.0
    assert weight.item() == pytest.approx(START - 0.01 * 0.5 / math.sqrt(0.1 * 0.25 + 1e-2))


def test_the_two_places_of_eps_differ_where_gradients_are_small() -> None:
    small = 1e-4
    steps = []
    for inside in (False, True):
        weight = nn.Parameter(torch.tensor([0.0], dtype=torch.float64))
        spec = Rmsprop(lr=1.0, alpha=0.9, eps=1e-7, epsilon_inside_root=inside)
        optimizer = spec.build([weight])
        weight.grad = torch.tensor([small], dtype=torch.float64)
        optimizer.step()
        steps.append(-weight.item())

    mean_square = 0.1 * small**2
    assert steps == pytest.approx(
        [small / (math.sqrt(mean_square) + 1e-7), small / math.sqrt(mean_square + 1e-7)]
    )
    assert steps[0] / steps[1] == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize(
    ("spec", "theirs"),
    [
        (
            Adam(betas=[0.5, 0.999], amsgrad=True, weight_decay=0.1),
            lambda weights: torch.optim.Adam(
                weights, 2e-4, (0.5, 0.999), weight_decay=0.1, amsgrad=True, fused=True
            ),
        ),
        (
            Rmsprop(momentum=0.9, centered=True),
            lambda weights: torch.optim.RMSprop(
                weights, 2e-4, 0.99, 1e-8, momentum=0.9, centered=True
            ),
        ),
        (
            Sgd(momentum=0.9, nesterov=True),
            lambda weights: torch.optim.SGD(weights, 2e-4, momentum=0.9, nesterov=True),
        ),
    ],
    ids=["adam", "rmsprop", "sgd"],
)
def test_steps_and_state_are_those_of_torchs_own_class_to_the_last_bit(
    spec: OptimizerSpec, theirs: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
) -> None:
    def played(build: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> Any:
        numbers = torch.Generator().manual_seed(3)
        weights = [nn.Parameter(torch.randn(size, generator=numbers)) for size in (5, 7)]
        optimizer = build(weights)
        for _ in range(4):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=numbers)
            optimizer.step()
        optimizer.zero_grad()
        assert all(weight.grad is None for weight in weights)
        return [*weights, optimizer.state_dict()["state"]]

    spec = spec.model_copy(update={"lr": 2e-4})

    torch.testing.assert_close(played(spec.build), played(theirs), rtol=0, atol=0)


def test_an_optimizer_is_made_moved_saved_and_restored_without_importing_the_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from ganzoo_optimizers import ganzoo_optimizers\n"
        "for spec in ganzoo_optimizers():\n"
        "    weight = torch.nn.Parameter(torch.ones(2))\n"
        "    optimizer = spec().build([weight])\n"
        "    weight.grad = torch.ones(2)\n"
        "    optimizer.step()\n"
        "    optimizer.load_state_dict(optimizer.state_dict())\n"
        "print('torch._dynamo' in sys.modules)\n"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )

    assert found.stdout.strip() == "False"


def test_sgd_with_momentum_is_the_textbook_update() -> None:
    spec = Sgd(lr=0.1, momentum=0.5, weight_decay=0.25)
    ahead = Sgd(lr=0.1, momentum=0.5, nesterov=True)

    w, b, plain = START, 0.0, []
    for g in GRADIENTS:
        b = 0.5 * b + (g + 0.25 * w)
        w -= 0.1 * b
        plain.append(w)
    w, b, looked_ahead = START, 0.0, []
    for g in GRADIENTS:
        b = 0.5 * b + g
        w -= 0.1 * (g + 0.5 * b)
        looked_ahead.append(w)
    assert course(spec) == pytest.approx(plain, rel=1e-12)
    assert course(ahead) == pytest.approx(looked_ahead, rel=1e-12)


@pytest.mark.parametrize("spec", EVERY_FORM, ids=name)
def test_an_optimizer_restored_from_its_state_goes_on_bitwise(spec: OptimizerSpec) -> None:
    def advance(network: nn.Module, optimizer: torch.optim.Optimizer, start: int) -> None:
        for step in range(start, start + 3):
            torch.manual_seed(step)
            optimizer.zero_grad()
            network(torch.randn(4, 5)).square().mean().backward()
            optimizer.step()

    torch.manual_seed(0)
    through = nn.Linear(5, 3)
    optimizer = spec.build(through.parameters())
    advance(through, optimizer, 0)
    resumed = copy.deepcopy(through)
    restored = spec.build(resumed.parameters())
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    advance(through, optimizer, 3)
    advance(resumed, restored, 3)

    for one, other in zip(through.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("spec", EVERY_FORM, ids=name)
def test_the_core_may_set_the_rate_between_steps(spec: OptimizerSpec) -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = spec.build([weight])
    weight.grad = torch.ones(2)

    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    still = weight.detach().clone()
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.step()

    assert torch.equal(still, torch.ones(2))
    assert (weight < 1).all()


@pytest.mark.parametrize("spec", EVERY_FORM, ids=name)
def test_a_weight_without_a_gradient_stays(spec: OptimizerSpec) -> None:
    moved, resting = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = spec.build([moved, resting])
    moved.grad = torch.ones(2)

    optimizer.step()

    assert (moved != 1).all()
    assert (resting == 1).all()


def test_rmsprop_with_eps_in_the_root_survives_a_variance_rounded_below_zero() -> None:
    weight = nn.Parameter(torch.zeros(64))
    gradients = torch.linspace(1.0, 3e4, 64)
    spec = Rmsprop(alpha=0.5, eps=1e-12, centered=True, epsilon_inside_root=True)
    optimizer = spec.build([weight])

    for _ in range(60):
        weight.grad = gradients.clone()
        optimizer.step()

    assert weight.isfinite().all()


def test_a_step_with_a_closure_returns_its_loss() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer: Any = Rmsprop(epsilon_inside_root=True).build([weight])

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 4.0
    assert weight.item() < 2.0


@pytest.mark.parametrize(
    ("spec", "fields", "complaint"),
    [
        (Adam, {"betas": [0.5, 1.0]}, "betas"),
        (Adam, {"betas": [0.5]}, "betas"),
        (Adam, {"lr": -1.0}, "lr"),
        (Rmsprop, {"alpha": 1.0}, "alpha"),
        (Rmsprop, {"eps": 0.0}, "eps"),
        (Sgd, {"nesterov": True}, "nesterov needs a momentum above 0"),
        (Sgd, {"momentum": 1.0}, "momentum"),
    ],
)
def test_numbers_no_optimizer_can_use_are_refused(
    spec: type[OptimizerSpec], fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        spec(**fields)


def test_the_plugin_supplies_its_optimizers_without_importing_torch() -> None:
    code = (
        "import ganzoo_optimizers as o, sys; o.ganzoo_optimizers(); print('torch' in sys.modules)"
    )

    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "False"
    assert {spec.use for spec in ganzoo_optimizers()} == {"adam", "rmsprop", "sgd"}


def test_torchs_one_pass_is_called_once_there_are_moments_of_one_kind() -> None:
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.float64))]
    optimizer = EagerAdam(weights, fused=True)
    (group,) = optimizer.param_groups
    assert not optimizer._is_ready(group, weights[:1])

    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()

    assert optimizer._is_ready(group, weights[:1])
    assert not optimizer._is_ready(group, weights)
    assert not optimizer._is_ready(group, [])
    assert not optimizer._is_ready({**group, "amsgrad": True}, weights[:1])
    assert not optimizer._is_ready({**group, "fused": False}, weights[:1])


def test_from_the_second_step_on_torchs_one_pass_is_called_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    one_pass = EagerAdam._pass_over

    def counted(self: EagerAdam, *given: Any) -> None:
        calls.append(1)
        one_pass(self, *given)

    monkeypatch.setattr(EagerAdam, "_pass_over", counted)
    weight = nn.Parameter(torch.ones(2))
    optimizer = EagerAdam([weight], fused=True)

    for _ in range(3):
        weight.grad = torch.ones(2)
        optimizer.step()

    assert len(calls) == 2
    optimizer.step(lambda: 0.0)
    assert len(calls) == 2


@pytest.mark.parametrize("kind", [EagerAdam, EagerRMSprop, EagerSGD])
def test_torch_finds_the_step_marked_and_does_not_wrap_it(kind: type[Eager]) -> None:
    kind([nn.Parameter(torch.ones(2))], lr=0.1)

    assert kind.step is (EagerAdam if kind is EagerAdam else Eager).step
    assert inspect.unwrap(kind.step) is kind.step
