"""``python -m benchmarks.apart``: ganzoo and the naive loop in processes of their own, in turns.

In one process (``benchmarks.step``) the naive loop finds memory and threads as ganzoo has set them
up, and each finds the other's data in the caches. Here both have what they have when a user runs
them: nothing of ganzoo touches torch's settings for the naive loop. Ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

import torch

from benchmarks.contestants import ganzoo_loop, naive_loop
from benchmarks.timing import interleaved
from benchmarks.works import WORKS
from ganzoo.training.machine import Machine, device_name, set_up

CONTESTANTS = ("naive", "ganzoo")
OWN_ENVIRONMENT = {"naive": {}, "ganzoo": {"OMP_WAIT_POLICY": "PASSIVE"}}
"""What each sets before torch is imported; the command line does it for ganzoo."""
TURNS = 5


def main(arguments: list[str] | None = None) -> int:
    """Let the contestants take turns and print a line for each work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apart", description=__doc__)
    parser.add_argument("--work", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="1: processor time; 0: as many as each takes by itself, by the clock",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one turn")
    parser.add_argument("--only", choices=CONTESTANTS, help="measure one, in this process")
    asked = parser.parse_args(arguments)
    if asked.only:
        print(own_time(asked.only, asked.work[0], asked.threads, asked.seconds))
        return 0
    print(f"{device_name(torch.device('cpu'))}, {asked.threads or 'all'} threads, "
          f"torch {torch.__version__}")  # fmt: skip
    for work in asked.work:
        found: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
        for turn in range(asked.rounds):
            for name in CONTESTANTS[:: 1 if turn % 2 else -1]:
                found[name].append(in_a_child(name, work, asked.threads, asked.seconds))
        ratios = [naive / ours for naive, ours in zip(*found.values(), strict=True)]
        told = "  ".join(
            f"{name} {statistics.median(each) * 1e3:.2f} ms" for name, each in found.items()
        )
        print(
            f"{work:10} {told}  {statistics.median(ratios):.2f} x naive "
            f"({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )
    return 0


def in_a_child(name: str, work: str, threads: int, seconds: float) -> float:
    """Return the seconds of a step of one contestant, measured in a new process."""
    own = ["--only", name, "--work", work, "--threads", str(threads), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "benchmarks.apart", *own]
    environment = {**os.environ, **OWN_ENVIRONMENT[name]}
    told = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return float(told.splitlines()[-1])


def own_time(name: str, work: str, threads: int, seconds: float) -> float:
    """Return the seconds of a step of one contestant: the median of some turns."""
    if name == "naive":  # nothing of ganzoo sets torch up
        if threads:
            torch.set_num_threads(threads)
        step = naive_loop(WORKS[work], Machine(torch.device("cpu")), workers=0)
    else:
        step = ganzoo_loop(WORKS[work], set_up("cpu", threads=threads)[0])
    times = interleaved({name: step}, rounds=TURNS, seconds=seconds)[name]
    return times.cpu_s if threads == 1 else times.wall_s


if __name__ == "__main__":
    sys.exit(main())
