"""Images per second of one run in 1, 2 and 4 processes, and what the reduction takes of it.

    python -m benchmarks.processes --steps 30

Gloo on the CPU. On a machine whose processors are shared, the clock says little: told is what
processor time allows, images for each second of the busiest process, if each had a processor of
its own. The share of reduction is processor time inside exchanges and sums over processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = {"small": 8, "paper": 64}
"""Channels of a DCGAN on digits."""


def member(steps: int, channels: int, shards: int, batch: int, out: Path) -> None:
    """Train as one of the processes that torchrun started; write down the times."""
    from ganzoo.common import ranks
    from ganzoo.plugin.registry import load_plugins
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.source import find_recipe
    from ganzoo.session import build
    from ganzoo.training import in_parts
    from ganzoo.training.place import Place
    from ganzoo.training.state import Silent

    wanted = [
        f"train.shards={shards}", f"train.batch_size={batch}", "train.steps=1000000",
        "train.epochs=1000000", f"generator.base_channels={channels}",
        f"discriminator.base_channels={channels}", "metric=[]",
    ]  # fmt: skip
    registry = load_plugins([], [])
    recipe = load_recipe(find_recipe("dcgan_digits"), registry, wanted)
    parts = build(recipe, registry, Place("cpu", threads=1), Silent(), is_tried=False)
    inside = [0.0]

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*given: Any) -> Any:
            began = time.process_time()
            try:
                return call(*given)
            finally:
                inside[0] += time.process_time() - began

        return measured

    in_parts.everyones = timed(in_parts.everyones)
    in_parts.reduced = timed(in_parts.reduced)
    for step in range(3):
        parts.step(step, parts.feed)
    inside[0], cpu, wall = 0.0, time.process_time(), time.monotonic()
    for step in range(3, 3 + steps):
        parts.step(step, parts.feed)
    found = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.monotonic() - wall,
        "reduction_s": inside[0],
    }
    (out / f"{ranks.rank()}.json").write_text(json.dumps(found))


def main() -> None:
    """Measure each number of processes, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--member", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.member is not None:
        member(asked.steps, SIZES[asked.size], asked.shards, asked.batch, asked.member)
        return
    print("| processes | shards | images/s by processor time | by the clock | in reduction |")
    print(f"{'| --- ' * 5}|")
    for count, shards in ((1, 1), (1, asked.shards), (2, asked.shards), (4, asked.shards)):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count),
                "-m", "benchmarks.processes", "--member", folder, "--steps", str(asked.steps),
                "--batch", str(asked.batch), "--shards", str(shards), "--size", asked.size,
            ]  # fmt: skip
            subprocess.run(
                [sys.executable, *command], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            times = [json.loads(file.read_text()) for file in Path(folder).glob("*.json")]
        assert len(times) == count
        images = asked.steps * asked.batch
        busiest = max(each["cpu_s"] for each in times)
        share = sum(each["reduction_s"] for each in times) / sum(each["cpu_s"] for each in times)
        clock = max(each["wall_s"] for each in times)
        print(
            f"| {count} | {shards} | {images / busiest:.0f} | {images / clock:.0f} | {share:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
