"""Each kind of state in a checkpoint is needed: a resume without it is noticed.

The tests of resuming would pass for a state that nothing depends on, or where nothing is trained.
Here every kind is left out, or put back to its first value, once, and the final digest must differ.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import differing, digest, run_child, train, write_recipe

PARTS = (
    'discriminator.norm="spectral"',
    'optimizer.generator.use="adam"',
    "optimizer.generator.amsgrad=true",
    'optimizer.discriminator={use="rmsprop", momentum=0.5, centered=true}',
)

Tensors = dict[str, Any]
Change = Callable[[Tensors, dict[str, Any]], None]


def zero(pattern: str) -> Change:
    """Return a change that zeroes every tensor whose name matches."""

    def change(tensors: Tensors, state: dict[str, Any]) -> None:  # noqa: ARG001
        names = [name for name in tensors if re.search(pattern, name)]
        assert names, f"no tensor is called {pattern}"
        assert any(bool(tensors[name].any()) for name in names)
        for name in names:
            tensors[name] = tensors[name] * 0

    return change


def number(name: str, value: Any) -> Change:
    """Return a change that sets one number of the state."""

    def change(tensors: Tensors, state: dict[str, Any]) -> None:  # noqa: ARG001
        assert state[name] != value
        state[name] = value

    return change


def no_window(tensors: Tensors, state: dict[str, Any]) -> None:  # noqa: ARG001
    """Forget the terms since the last log line."""
    names = [name for name in tensors if name.startswith("window/")]
    assert names
    for name in names:
        del tensors[name]


STATES: dict[str, Change] = {
    "generator weights": zero(r"^generator/.*weight"),
    "generator running mean": zero(r"^generator/.*running_mean"),
    "generator running variance": zero(r"^generator/.*running_var"),
    "generator batch count": zero(r"^generator/.*num_batches_tracked"),
    "discriminator weights": zero(r"^discriminator/.*(weight|original)"),
    # The left vectors are computed from the right ones before they are used.
    "spectral norm vectors": zero(r"^discriminator/.*\._v$"),
    "average weights": zero(r"^average/.*weight"),
    "Adam first moments": zero(r"^optimizer/generator/.*exp_avg$"),
    "Adam second moments": zero(r"^optimizer/generator/.*exp_avg_sq$"),
    "Adam largest second moments": zero(r"^optimizer/generator/.*max_exp_avg_sq$"),
    "Adam step": zero(r"^optimizer/generator/.*step$"),
    "RMSprop mean square": zero(r"^optimizer/discriminator/.*square_avg$"),
    "RMSprop momentum": zero(r"^optimizer/discriminator/.*momentum_buffer$"),
    "RMSprop mean gradient": zero(r"^optimizer/discriminator/.*grad_avg$"),
    "step": number("step", 6),
    "log lines": number("log_lines", 0),
    "terms since the last log line": no_window,
    "health": number("health", {"events": [{"event": "none", "step": 0, "text": ""}]}),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a folder whose run was stopped at step 7, and the digest of the whole run."""
    folder = tmp_path_factory.mktemp("state")
    recipe = write_recipe(folder)
    assert run_child(train, recipe, folder / "whole", PARTS) == 0
    assert run_child(train, recipe, folder / "half", PARTS, 7) == 143
    return folder, digest(folder / "whole")


def test_the_untouched_state_resumes_bitwise(
    stopped: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, whole = stopped
    assert differing(whole, resumed(folder, tmp_path, lambda *_: None)) == set()


SOONEST = {
    "generator weights", "generator running mean", "spectral norm vectors", "average weights",
    "Adam first moments", "Adam step", "RMSprop mean square", "step",
    "terms since the last log line",
}  # fmt: skip
"""One of each family of states; the others are left out when asked for."""


@pytest.mark.parametrize(
    "kind",
    [pytest.param(each, marks=[] if each in SOONEST else [pytest.mark.slow]) for each in STATES],
)
def test_a_state_left_out_is_noticed(
    stopped: tuple[Path, dict[str, str]], tmp_path: Path, kind: str
) -> None:
    folder, whole = stopped
    assert differing(whole, resumed(folder, tmp_path, STATES[kind])) != set()


def resumed(folder: Path, target: Path, change: Change) -> dict[str, str]:
    """Resume a copy of the stopped run with its newest checkpoint changed; return its digest."""
    from ganzoo.runs import checkpoint
    from ganzoo.runs.checkpoint import State
    from ganzoo.runs.folder import checkpoints

    shutil.copytree(folder / "half", target / "run")
    path = checkpoints(target / "run" / "checkpoints")[0]
    tensors, state = checkpoint.read_checkpoint(path)
    numbers = json.loads(state.model_dump_json())
    change(tensors, numbers)
    checkpoint.write(path, tensors, State.model_validate_json(json.dumps(numbers)))
    code = run_child(train, folder / "tiny.toml", target / "run", PARTS)
    return digest(target / "run") if code == 0 else {"exit code": str(code)}
