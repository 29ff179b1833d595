"""What an optimizer promises: tried on a quadratic valley."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo.plugin.specs import OptimizerSpec
from ganzoo.runs.optimizer_state import pack_optimizer, unpack_optimizer
from ganzoo.testing.claims import Claim, cases_of
from ganzoo.testing.findings import Case, Report

STEPS = 30


class Trial:
    """An optimizer's spec, and a valley to go down."""

    def __init__(self, spec: OptimizerSpec) -> None:
        self.spec = spec

    def start(self) -> tuple[nn.ParameterDict, Optimizer]:
        """Return two parameters, one of which never gets a gradient, and their optimizer."""
        weights = nn.ParameterDict({"a": torch.tensor([1.0, -2.0]), "idle": torch.ones(3)})
        return weights, self.spec.build(list(weights.parameters()))


def check(spec: OptimizerSpec) -> Report:
    """Try all that an optimizer promises."""
    return Report.of(cases(spec))


def cases(spec: OptimizerSpec) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec))


def height(weights: nn.ParameterDict) -> Tensor:
    """Return a² + 10 b²."""
    found: Tensor = (torch.tensor([1.0, 10.0]) * weights["a"].square()).sum()
    return found


def go(weights: nn.ParameterDict, optimizer: Optimizer, steps: int) -> None:
    """Make ``steps`` updates."""
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        height(weights).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def builds_a_torch_optimizer_with_the_given_rate(trial: Trial) -> Iterator[str]:
    _, optimizer = trial.start()
    if not isinstance(optimizer, Optimizer):
        yield f"build() returned {type(optimizer).__name__}, not a torch optimizer"
        return
    rate = trial.spec.lr
    found = [group.get("lr") for group in optimizer.param_groups]
    if len(found) == 1 and found[0] != rate:
        yield f"lr is {rate:g}, and its parameter group has {found[0]}"
    elif rate not in found:
        # Groups may have rates of their own, as long as they go with the one of the recipe.
        twice = Trial(trial.spec.model_copy(update={"lr": 2 * rate})).start()[1]
        after = [group.get("lr") for group in twice.param_groups]
        if after == found:
            yield f"lr is {rate:g}, and its parameter groups have {found} whatever lr is"


def a_schedule_keeps_what_each_group_is_given(trial: Trial) -> Iterator[str]:
    _, optimizer = trial.start()
    first = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    spec = trial.spec.model_copy(update={"schedule": "linear"})
    for update in (0, STEPS // 2):
        spec.adjust(optimizer, update, STEPS)
        now = [group["lr"] for group in optimizer.param_groups]
        if not all(math.isfinite(rate) and rate >= 0 for rate in now):
            yield f"adjust() sets rates of {now} in update {update} of {STEPS}"
            return
    if len(set(first)) > 1 and len(set(now)) == 1:
        yield f"adjust() makes rates of {first} all {now[0]:g}: multiply each group's 'initial_lr'"


def goes_down(trial: Trial) -> Iterator[str]:
    weights, optimizer = trial.start()
    before = float(height(weights).detach())
    go(weights, optimizer, STEPS)
    after = float(height(weights).detach())
    if not after < before:
        yield f"after {STEPS} steps on a² + 10 b² it is at {after:g}, and began at {before:g}"


def a_rate_of_0_stands_still(trial: Trial) -> Iterator[str]:
    weights, optimizer = trial.start()
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = weights["a"].detach().clone()
    go(weights, optimizer, 2)
    if not torch.equal(weights["a"], before):
        yield "it moves at lr = 0: a schedule's rate, written into its groups, is not used"


def leaves_weights_without_gradient_alone(trial: Trial) -> Iterator[str]:
    weights, optimizer = trial.start()
    go(weights, optimizer, 3)
    if not torch.equal(weights["idle"], torch.ones(3)):
        yield "it moves a parameter that has no gradient"


def goes_on_exactly_from_a_checkpoint(trial: Trial) -> Iterator[str]:
    weights, optimizer = trial.start()
    go(weights, optimizer, 3)
    tensors, numbers = pack_optimizer("o", optimizer)
    kept = copy.deepcopy(weights)
    tensors = {name: value.clone() for name, value in tensors.items()}
    go(weights, optimizer, 3)
    again = self_built = trial.spec.build(list(kept.parameters()))
    unpack_optimizer("o", self_built, tensors, numbers)
    go(kept, again, 3)
    if not torch.equal(kept["a"], weights["a"]):
        yield "three steps after a checkpoint end elsewhere than without one: state is missing"


def same_start_same_end(trial: Trial) -> Iterator[str]:
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        weights, optimizer = trial.start()
        go(weights, optimizer, 5)
        ends.append(weights["a"].detach())
    if not torch.equal(*ends):
        yield "two walks from one start end in different places"


CLAIMS: tuple[Claim[Trial], ...] = (
    builds_a_torch_optimizer_with_the_given_rate,
    a_schedule_keeps_what_each_group_is_given,
    goes_down,
    a_rate_of_0_stands_still,
    leaves_weights_without_gradient_alone,
    goes_on_exactly_from_a_checkpoint,
    same_start_same_end,
)
