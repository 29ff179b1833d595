"""A forged checkpoint with a right digest is refused in words: a digest is no signature."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from children import assembled, run_child, train, write_recipe

from ganzoo.common.errors import CheckpointError, TrainingError
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.training.background import Aside
from ganzoo.training.saving import restore, save
from ganzoo.training.state import NoMeasures, Silent, TrainingState

NASTY: list[Any] = [-1, 10**30, 0.5, "x", None, [], {}, True, [[[]]], {"alike": "x"}, "1e999"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was stopped at step 7."""
    folder = tmp_path_factory.mktemp("forged")
    assert run_child(train, write_recipe(folder), folder / "run", (), 7) == 143
    return folder


def training(folder: Path) -> TrainingState:
    """Return a run about to be resumed."""
    from ganzoo.training.health import Health

    parts, registry = assembled(folder / "tiny.toml")
    return TrainingState(
        parts,
        registry,
        RunDir(folder / "run"),
        Silent(),
        Health(0.5, print),
        torch.zeros(6, 8),
        NoMeasures(),
        Aside(),
    )


def test_forged_numbers_and_tensors_are_refused_or_harmless(stopped: Path) -> None:
    chance = random.Random(0)
    path = checkpoints(stopped / "run" / "checkpoints")[0]
    tensors, state = checkpoint.read_checkpoint(path)
    numbers = json.loads(state.model_dump_json())
    run = training(stopped)
    refused = 0
    for _ in range(300):
        forged, changed = json.loads(json.dumps(numbers)), dict(tensors)
        if chance.random() < 0.5:
            forged[chance.choice(list(forged))] = chance.choice(NASTY)
        else:
            name = chance.choice(list(changed))
            changed[name] = chance.choice(
                [torch.zeros(0), torch.zeros(3, 3), torch.zeros(1, dtype=torch.complex64)]
            )
            if chance.random() < 0.3:
                changed[chance.choice(["optimizer/generator/x/y", "window/z", "a"])] = torch.ones(2)
        path.write_bytes(checkpoint.seal(changed, json.dumps(forged)))
        # Whatever else is raised here ends the test.
        try:
            restore(run)
        except CheckpointError:
            refused += 1
        for corrupt in path.parent.glob("*.corrupt"):
            corrupt.unlink()

    assert refused > 100  # some forgeries are harmless: another machine, no health events
    path.write_bytes(checkpoint.seal(tensors, json.dumps(numbers)))
    restore(run)
    assert run.step == 7


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("optimizer/generator/0/exp_avg", None, "'0/exp_avg' is missing"),
        ("optimizer/generator/0/exp_avg_sq", float("inf"), "'0/exp_avg_sq' is not finite"),
        ("generator/stem.linear.weight", float("nan"), "'stem.linear.weight' is not finite"),
        ("window/d/real", torch.zeros(1_000_000), "'window' holds 1000000 steps"),
        ("window/d/real", torch.full((2,), float("inf")), "'window' is not one finite number"),
    ],
)
def test_a_forged_tensor_is_named_with_its_file(
    stopped: Path, name: str, value: Any, told: str
) -> None:
    path = checkpoints(stopped / "run" / "checkpoints")[0]
    whole = path.read_bytes()
    tensors, state = checkpoint.read_checkpoint(path)
    assert name in tensors or name.startswith("window/")
    forged = {key: tensor for key, tensor in tensors.items() if key != name}
    if isinstance(value, float):
        forged[name] = torch.full_like(tensors[name], value)
    elif value is not None:
        forged[name] = value
    path.write_bytes(checkpoint.seal(forged, state.model_dump_json()))

    with pytest.raises(CheckpointError) as refused:
        restore(training(stopped))

    path.write_bytes(whole)
    assert told in str(refused.value)
    assert str(path) in str(refused.value)


Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors, dict[str, Any]], None]
OPTIMIZER = "optimizer/generator"


def gone(prefix: str) -> Change:
    """Take away all tensors under ``prefix``."""

    def change(tensors: Tensors, state: dict[str, Any]) -> None:
        for name in [name for name in tensors if name.startswith(prefix)]:
            del tensors[name]
        state["optimizers"].pop(prefix, None)

    return change


def holding(name: str, value: torch.Tensor) -> Change:
    """Put a tensor in."""
    return lambda tensors, state: tensors.__setitem__(name, value)  # noqa: ARG005


def numbered(key: str, *, replaces: bool) -> Change:
    """Put numbers where tensors are, or in their place."""

    def change(tensors: Tensors, state: dict[str, Any]) -> None:
        found = [name for name in tensors if name.startswith(OPTIMIZER) and name.endswith(key)]
        for name in found:
            state["optimizers"][OPTIMIZER][name.removeprefix(f"{OPTIMIZER}/")] = 1.0
            if replaces:
                del tensors[name]

    return change


def healthy(**told: Any) -> Change:
    """Have the health watch remember something."""
    return lambda tensors, state: state["health"].update(told)  # noqa: ARG005


EVENT = {"event": "flat", "step": 3, "text": "grey"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (gone(OPTIMIZER), "its state is missing"),
        (holding(f"{OPTIMIZER}/0/step", torch.tensor(-5.0)), "'0/step' is negative"),
        (holding(f"{OPTIMIZER}/00/step", torch.tensor(5.0)), "'00/step' is unknown"),
        (holding(f"{OPTIMIZER}/-1/step", torch.tensor(5.0)), "'-1/step' is unknown"),
        (holding(f"{OPTIMIZER}/0/exp_avg", torch.tensor(1.0)), "'0/exp_avg' has the shape ()"),
        (numbered("/exp_avg", replaces=False), "is there as a tensor and as a number"),
        (numbered("/exp_avg", replaces=True), "/exp_avg' is no tensor"),
        (healthy(events=[1]), "'health' does not hold a list of events"),
        (healthy(events={"event": "flat"}), "'health' does not hold a list of events"),
        (healthy(events=[{**EVENT, "event": ["flat"]}]), "'health' does not hold a list"),
        (healthy(events=[{**EVENT, "step": -1}]), "'health' does not hold a list of events"),
        (healthy(events=[{**EVENT, "text": "x" * 100_000}]), "'health' does not hold a list"),
        (healthy(alike=-1), "'health' does not hold whole numbers"),
        (healthy(flat="3"), "'health' does not hold whole numbers"),
        (holding("window/d/real", torch.tensor(1.0)), "'window' is not one finite number"),
        (holding("window/d/real", torch.ones(2).long()), "'window' is not one finite number"),
        (
            lambda tensors, state: tensors.update(  # noqa: ARG005
                {f"window/{number}": torch.ones(2) for number in range(2000)}
            ),
            "terms, more than 1,000",
        ),
    ],
)
def test_a_forgery_is_one_refusal_that_names_the_file(
    stopped: Path, change: Change, told: str
) -> None:
    path = checkpoints(stopped / "run" / "checkpoints")[0]
    whole = path.read_bytes()
    tensors, state = checkpoint.read_checkpoint(path)
    numbers = json.loads(state.model_dump_json())
    change(tensors, numbers)
    path.write_bytes(checkpoint.seal(tensors, json.dumps(numbers)))

    with pytest.raises(CheckpointError) as refused:
        restore(training(stopped))

    path.write_bytes(whole)
    assert told in str(refused.value)
    assert str(path) in str(refused.value)


def test_what_no_resume_would_take_is_not_saved(stopped: Path) -> None:
    run = training(stopped)
    restore(run)
    kept = {path.name for path in run.run.checkpoints.iterdir()}
    state = run.parts.discriminator.optimizer.state
    next(iter(state.values()))["exp_avg_sq"].fill_(torch.inf)
    run.step = 8

    with pytest.raises(TrainingError, match="/exp_avg_sq' of optimizer/discriminator is not"):
        save(run)

    assert {path.name for path in run.run.checkpoints.iterdir()} == kept
    run = training(stopped)
    restore(run)
    assert run.parts.average is not None
    next(run.parts.average.network.parameters()).data.fill_(torch.nan)
    with pytest.raises(TrainingError, match="average weight"):
        save(run)
