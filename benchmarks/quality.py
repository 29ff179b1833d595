"""``python -m benchmarks.quality``: processor time until samples are as good as asked.

``dcgan_mnist`` as ganzoo trains it and in PyTorch's own layers and optimizers, the same seeds, 50
steps of one and 50 of the other in turns. Only steps count; measuring does not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.recipes import make_plain
from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.measure.watch import watch
from ganzoo.plugin import registry
from ganzoo.recipe import source
from ganzoo.recipe.check import load_recipe
from ganzoo.runs.log import MEASURES
from ganzoo.training import loop as train
from ganzoo.training.machine import Machine, set_up
from ganzoo.training.parts import assemble
from ganzoo.training.state import Silent


class Racer:
    """One run that is timed until it is good enough."""

    def __init__(
        self, recipe: str, machine: Machine, seed: int, folder: Path, *, plainly: bool, every: int
    ) -> None:
        found = registry.load_plugins([])
        fixed = (
            'metric=[{use="frechet"}]', f"measure.every={every}", "samples.every=0",
            "checkpoint.every=0", f"train.seed={seed}", "train.steps=1000000",
        )  # fmt: skip
        parts = assemble(
            load_recipe(source.find_recipe(recipe), found, fixed),
            found,
            DataRoot(data_root()),
            machine,
            warn=print,
        )
        if plainly:
            make_plain(parts)
        self.every = every
        self.seconds = 0.0
        self.training = train.at_the_start(
            parts,
            found,
            train.new_run(parts, folder, f"{seed}{plainly}"),
            Silent(),
            lambda: watch(parts, found, print),
        )
        inside: Any = parts.step

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            terms = inside(*args, **kwargs)
            self.seconds += time.process_time() - started
            return terms

        parts.step = timed

    def go_on(self) -> float:
        """Make the next steps; return the distance after them."""
        for _ in range(self.every):
            self.training.advance()
        return float(self.training.run.read_log()[-1][f"{MEASURES}frechet"])


def main(arguments: list[str] | None = None) -> int:
    """Let both run for each seed and print when each got there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--recipe", default="dcgan_mnist")
    parser.add_argument("--frechet", type=float, default=50.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--most", type=int, default=2_000, help="steps after which it is given up")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args(arguments)
    machine, _ = set_up(asked.device, threads=asked.threads, precision="fp32")
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            racers = {
                name: Racer(
                    asked.recipe,
                    machine,
                    seed,
                    Path(folder),
                    plainly=name == "plain",
                    every=asked.every,
                )
                for name in ("plain", "ganzoo")
            }
            while racers and next(iter(racers.values())).training.step < asked.most:
                for name, racer in list(racers.items()):
                    distance = racer.go_on()
                    if distance <= asked.frechet:
                        print(
                            f"seed {seed}: {name:6} {racer.training.step:5,} steps, "
                            f"{racer.seconds:7.1f} s to frechet {distance:.1f}",
                            flush=True,
                        )
                        del racers[name]
            for name in racers:
                print(f"seed {seed}: {name:6} not there after {asked.most:,} steps", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
