"""``python -m benchmarks.shares RECIPE``: what a run spends beside its steps.

A real run in a temporary folder; the clock is read around the log, the sheets, the checkpoints and
the measures, and around the whole.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.measure.watch import watch
from ganzoo.plugin import registry
from ganzoo.recipe import source
from ganzoo.recipe.check import load_recipe
from ganzoo.training import loop as train
from ganzoo.training.machine import set_up
from ganzoo.training.parts import assemble
from ganzoo.training.state import Silent


def main(arguments: list[str] | None = None) -> int:
    """Train, then print what each kind of work took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shares", description=__doc__)
    parser.add_argument("recipe", nargs="?", default="dcgan_mnist")
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="key=value over the recipe")
    asked = parser.parse_args(arguments)
    machine, _ = set_up(asked.device, threads=asked.threads, precision="auto")
    found = registry.load_plugins([])
    overrides = (f"train.steps={asked.steps}", *asked.set)
    recipe = load_recipe(source.find_recipe(asked.recipe), found, overrides)
    parts = assemble(recipe, found, DataRoot(data_root()), machine, warn=print)
    spent: Counter[str] = Counter()
    times: Counter[str] = Counter()

    def timed(owner: Any, name: str, label: str) -> None:
        inside = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return inside(*args, **kwargs)
            finally:
                spent[label] += time.perf_counter() - started  # type: ignore[assignment]
                times[label] += 1

        setattr(owner, name, call)

    with tempfile.TemporaryDirectory() as folder:
        run = train.new_run(parts, Path(folder), asked.recipe)
        training = train.at_the_start(
            parts, found, run, Silent(), lambda: watch(parts, found, print)
        )
        timed(training, "_log", "log")
        timed(training, "_sample", "sheets")
        timed(training, "save", "checkpoints")
        timed(training.measures, "take", "measures")
        timed(training, "_finish", "the end")
        timed(parts, "step", "steps")
        started = time.perf_counter()
        with train.stopping(lambda: None) as stop:
            training.loop(stop, None)
        whole = time.perf_counter() - started
    print(f"{asked.recipe}, {asked.steps:,} steps: {whole:.1f} s")
    for label, seconds in spent.most_common():
        each = seconds / times[label]
        print(f"{label:12} {seconds:9.2f} s  {seconds / whole:7.2%}  "
              f"{times[label]:6} times, {1e3 * each:9.2f} ms each")  # fmt: skip
    rest = whole - sum(spent.values())
    print(f"{'the rest':12} {rest:9.2f} s  {rest / whole:7.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
