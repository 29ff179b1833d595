"""Tiny runs in processes of their own, forked from a server that has torch already.

A fork of that server is as good as a fresh process: it has never trained. It costs 30 ms where
importing torch costs seconds, so that hundreds of killed runs fit into a minute.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TINY = """
[train]
steps = 12
batch_size = 16
log_every = 5

[latent]
size = 8

[dataset]
use = "digits"
size = 8

[generator]
use = "transpose"
base_channels = 2

[discriminator]
use = "conv"
base_channels = 2

[loss]
use = "bce"

[optimizer.generator]
use = "adam"

[optimizer.discriminator]
use = "adam"

[samples]
rows = 2
columns = 3
every = 5

[checkpoint]
every = 4
keep = 3

[ema]
half_life = 4
"""


def server() -> ForkServerContext:
    """Return the context whose children are forked from a clean process with torch imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(HERE) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, paths)])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["children_warm"])
    return context


def begin(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start ``work`` in a child."""
    child = server().Process(target=work, args=arguments)
    child.start()
    return child


def run_child(work: Callable[..., None], *arguments: Any, seconds: float = 100) -> int | None:
    """Run ``work`` in a child to its end and return its exit code; minus n after signal n."""
    child = begin(work, *arguments)
    child.join(seconds)
    if child.is_alive():
        child.kill()
        raise TimeoutError(f"child still busy after {seconds} s")
    return child.exitcode


def write_recipe(folder: Path, text: str = TINY) -> Path:
    """Write a recipe file and return it."""
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


def train(
    recipe: Path,
    run: Path,
    overrides: tuple[str, ...] = (),
    stop_at: int = 0,
    workers: int = 0,
    lazy: bool = False,
) -> None:
    """Train in the folder ``run`` from its newest checkpoint on, or from the beginning.

    Args:
        stop_at: step after which the process sends itself SIGTERM; 0 for never.
        lazy: read the images one at a time, through a loader.
    """
    for name in ("samples", "checkpoints"):
        (run / name).mkdir(exist_ok=True, parents=True)
    again(recipe, run, overrides, stop_at, workers, lazy)


def killed_after(recipe: Path, run: Path, overrides: tuple[str, ...], step: int) -> None:
    """Train in the folder ``run`` as ``train`` does, and be killed after step number ``step``."""
    import signal

    for name in ("samples", "checkpoints"):
        (run / name).mkdir(exist_ok=True, parents=True)
    again(recipe, run, overrides, step, signal_number=signal.SIGKILL)


def again(
    recipe: Path,
    run: Path,
    overrides: tuple[str, ...] = (),
    stop_at: int = 0,
    workers: int = 0,
    lazy: bool = False,
    signal_number: int = 15,
) -> None:
    """Do what ``train`` does in a folder that is there, whatever is in it."""
    import sys

    from ganzoo.common.errors import GanzooError
    from ganzoo.runs.folder import RunDir
    from ganzoo.training.loop import start
    from ganzoo.training.state import Silent, TrainingState

    class Stopper(Silent):
        def stepped(self, training: TrainingState) -> None:
            if training.step == stop_at:
                os.kill(os.getpid(), signal_number)

    parts, registry = assembled(recipe, overrides, workers, lazy)
    try:
        outcome = start(parts, registry, RunDir(run), Stopper(), resume=True)
    except GanzooError as error:
        (run / "error.txt").write_text(str(error))
        sys.exit(error.exit_code)
    sys.exit(outcome.exit_code)


def assembled(
    recipe: Path, overrides: tuple[str, ...] = (), workers: int = 0, lazy: bool = False
) -> tuple[Any, Any]:
    """Return the parts of a run and the registry."""
    import dataclasses

    import torch

    from ganzoo.common.data_root import DataRoot
    from ganzoo.plugin.registry import load_plugins
    from ganzoo.recipe.check import load_recipe
    from ganzoo.training.feed import Feed
    from ganzoo.training.machine import Machine
    from ganzoo.training.parts import assemble

    torch.set_num_threads(1)
    registry = load_plugins()
    machine = Machine(torch.device("cpu"), threads=1, workers=workers)
    parts = assemble(
        load_recipe(recipe, registry, overrides),
        registry,
        DataRoot(HERE, False),
        machine,
        warn=print,
    )
    if lazy:
        data = dataclasses.replace(parts.data, images=OneByOne(parts.data.images))
        train_table = parts.recipe.train
        parts.feed = Feed(data, parts.shape, train_table, machine.device, workers=workers)
    return parts, registry


class OneByOne:
    """Images that are read one at a time, as from a large folder."""

    def __init__(self, images: Any) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index]


def empty_state(step: int) -> Any:
    """Return the state of a checkpoint that says nothing but its step."""
    from ganzoo.runs.checkpoint import State

    return State(
        step=step, log_lines=0, recipe="", optimizers={}, health={}, measures={}, machine={}
    )


TIMES = {"seconds", "images_per_second"}


def digest(run: Path) -> dict[str, str]:
    """Return hashes of everything a finished run leaves, times left out."""
    from ganzoo.runs import checkpoint
    from ganzoo.runs.folder import checkpoints

    newest = checkpoints(run / "checkpoints")[0]
    tensors, state = checkpoint.read_checkpoint(newest)
    found = {f"state/{name}": hashed(tensor.numpy().tobytes()) for name, tensor in tensors.items()}
    found["numbers"] = hashed(state.model_dump_json().encode())
    for sheet in (run / "samples").glob("*.png"):
        found[f"sheet/{sheet.name}"] = hashed(sheet.read_bytes())
    found["generator"] = hashed((run / "generator.safetensors").read_bytes())
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    kept = [{name: value for name, value in line.items() if name not in TIMES} for line in log]
    found["log"] = hashed(json.dumps(kept).encode())
    return found


def differing(a: dict[str, str], b: dict[str, str]) -> set[str]:
    """Return the names under which two digests differ."""
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def hashed(content: bytes) -> str:
    """Return a short SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]
