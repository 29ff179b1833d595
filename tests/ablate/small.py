"""Experiments small enough to be really run by tests, through the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PLAN = """\
question = "Does it hold together?"
base = "dcgan_digits"
seeds = [0, 1]
metrics = ["frechet", "d/loss"]
[budget]
steps = {steps}
[recipe]
metric = [{{ use = "frechet" }}]
[recipe.train]
log_every = 2
batch_size = 16
[recipe.latent]
size = 4
[recipe.generator]
base_channels = 2
[recipe.discriminator]
base_channels = 2
[recipe.measure]
every = 3
samples = 40
reference = 60
network = "random"
[recipe.samples]
every = 3
[recipe.checkpoint]
every = 3
[variants.plain]
[variants.slow]
optimizer.generator.lr = 1e-5
{more}
"""
TABLES = ("table.json", "table.csv", "table.md")

FATAL = '''\
"""A loss that ends its process, and one that is no number, at the third step."""
import os
from typing import ClassVar
from ganzoo.api import LossSpec, hookimpl


class Fatal(LossSpec):
    """Leave without a word."""

    use: ClassVar[str] = "fatal"

    def discriminator_terms(self, ctx):
        if ctx.step >= 3:
            os._exit(9)
        return {"real": ctx.real_logits.mean(), "fake": -ctx.fake_logits.mean()}

    def generator_terms(self, ctx):
        return {"adversarial": ctx.fake_logits.mean()}


class Diverging(Fatal):
    """Become infinite."""

    use: ClassVar[str] = "diverging"

    def discriminator_terms(self, ctx):
        return {"real": ctx.real_logits.mean() * (float("inf") if ctx.step >= 3 else 1)}


@hookimpl
def ganzoo_losses():
    return [Fatal, Diverging]
'''


def plan(folder: Path, *, steps: int = 6, more: str = "", name: str = "small") -> Path:
    """Write the file of an experiment of four cells."""
    path = folder / f"{name}.toml"
    path.write_text(PLAN.format(steps=steps, more=more))
    return path


def start(folder: Path, file: Path, out: str, *options: str) -> subprocess.Popen[str]:
    """Begin ``ganzoo ablate`` in a process group of its own."""
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "from ganzoo.cli import main; main()"),
            *("ablate", str(file), "--out", str(folder / out), "--device", "cpu", *options),
        ],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GANZOO_DATA": str(folder / "data")},
    )


def ablate(folder: Path, file: Path, out: str, *options: str) -> tuple[int, str]:
    """Run ``ganzoo ablate`` to its end; return exit code and everything it wrote."""
    process = start(folder, file, out, *options)
    told = process.communicate(timeout=280)
    return process.returncode, "\n".join(told)


def tables(folder: Path) -> list[bytes]:
    """Return the bytes of an experiment's tables."""
    return [(folder / name).read_bytes() for name in TABLES]


def statuses(folder: Path) -> list[str]:
    """Return where the cells under ``folder`` stand."""
    found = []
    for path in folder.glob("cell-*/status.json"):
        try:
            found.append(json.loads(path.read_text())["status"])
        except (OSError, ValueError):
            continue
    return found


def stop_when(
    process: subprocess.Popen[str], folder: Path, done: int, number: signal.Signals
) -> int:
    """Send a signal to the whole group once so many cells are done; return the exit code."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        found = statuses(folder)
        if found.count("done") >= done and "running" in found:
            os.killpg(process.pid, number)
            break
        time.sleep(0.02)
    process.communicate(timeout=100)
    return process.returncode


def lines_of(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the files ``names`` of every cell, by cell and name."""
    return {
        f"{path.name}/{name}": (path / name).read_bytes()
        for path in sorted(folder.glob("cell-*"))
        for name in names
    }
