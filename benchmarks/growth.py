"""``python -m benchmarks.growth``: does a step cost more with more images, or after more steps?

The loop of ``ganzoo run`` on a small network, so that what grows would be seen: images a second and
memory, first with 1,000 to 60,000 images of 28×28 in turns, then along one run of many steps.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.contestants import ganzoo_loop
from benchmarks.timing import interleaved
from benchmarks.works import WORKS
from ganzoo.training.machine import set_up

COUNTS = (1_000, 10_000, 60_000)
LENGTHS = (100, 1_000, 10_000)
AT_ONCE = 50
"""Steps of one timing along the run."""


def main(arguments: list[str] | None = None) -> int:
    """Measure both and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args(arguments)
    machine, _ = set_up(asked.device, threads=asked.threads, precision="fp32")
    small, tiny = WORKS["small"], WORKS["tiny"]

    cuda = machine.device.type == "cuda"
    loops = {
        f"{count:,}": ganzoo_loop(small, machine, f"dataset.count={count}") for count in COUNTS
    }
    times = interleaved(loops, rounds=asked.rounds, cuda=cuda)
    print("images   images/s (processor time)")
    for name, each in times.items():
        print(f"{name:8} {small.load()[0].train.batch_size / each.cpu_s:10,.0f}")

    size = tiny.load()[0].train.batch_size
    print("steps    images/s (processor time)   memory")
    for steps, seconds, memory in along(ganzoo_loop(tiny, machine), LENGTHS):
        print(f"{steps:<8,} {size / seconds:10,.0f}   {memory / 2**20:17,.1f} MiB")
    return 0


def along(turn: Callable[[], object], lengths: tuple[int, ...]) -> list[tuple[int, float, int]]:
    """Return steps made, seconds of processor time a step around there, and resident bytes."""
    found, seen = [], []
    for step in range(AT_ONCE, lengths[-1] + 1, AT_ONCE):
        started = time.process_time()
        for _ in range(AT_ONCE):
            turn()
        seen.append((time.process_time() - started) / AT_ONCE)
        if step in lengths:
            found.append((step, statistics.median(seen[-20:]), resident()))
    return found


def resident() -> int:
    """Return the bytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
