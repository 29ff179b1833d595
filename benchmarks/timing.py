"""Interleaved timing: A B A B in one process, so that a busy neighbour slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Times:
    """Seconds of one call, by the clock and on the processor, one number for each round."""

    wall: list[float]
    cpu: list[float]

    def told(self, *, on_processor: bool) -> list[float]:
        """Return processor time, or time by the clock."""
        return self.cpu if on_processor else self.wall

    @property
    def wall_s(self) -> float:
        """Median by the clock."""
        return statistics.median(self.wall)

    @property
    def cpu_s(self) -> float:
        """Median of processor time: all threads of the process, none of other processes."""
        return statistics.median(self.cpu)


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float = 0.5,
    cuda: bool = False,
) -> dict[str, Times]:
    """Time each call, taking turns.

    Every turn begins with one call that is not timed, since the one before has left other things in
    the caches; the order of turns is another in each round.

    Args:
        seconds: length of one turn; quick calls are repeated until it is over.
        cuda: wait for the device at the ends of a turn.
    """
    repeats = {}
    for name, call in calls.items():
        for _ in range(2):
            call()
        started = _now(cuda)
        call()
        repeats[name] = max(1, round(seconds / max(_now(cuda) - started, 1e-6)))
    found: dict[str, Times] = {name: Times([], []) for name in calls}
    names = list(calls)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            call = calls[name]
            call()
            wall, cpu = _now(cuda), time.process_time()
            for _ in range(repeats[name]):
                call()
            found[name].wall.append((_now(cuda) - wall) / repeats[name])
            found[name].cpu.append((time.process_time() - cpu) / repeats[name])
    return found


def ratio(a: list[float], b: list[float]) -> float:
    """Return the median over rounds of how many times longer ``a`` took than ``b``."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def _now(cuda: bool) -> float:
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter()
