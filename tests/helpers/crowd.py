"""Processes of one run, played by threads of this process, without a network between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganzoo.training.half_step import HalfStep
from ganzoo.training.together import Group

for _each in vars(HalfStep).values():
    if isinstance(_each, cached_property):
        # Python 3.11 locks a property of all objects while one computes it: threads that wait for
        # each other in one, as norms over processes do, would wait for ever. Processes do not.
        _each.lock = nullcontext()  # type: ignore[attr-defined]


class Crowd:
    """Processes played by threads of which one runs at a time: random numbers stay apart."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.given: list[Any] = [None] * count
        self.turn = threading.Condition()
        self.now = 0
        self.failed: list[BaseException] = []

    def run(self, work: Callable[[Group], Any]) -> list[Any]:
        found: list[Any] = [None] * self.count

        def one(rank: int) -> None:
            try:
                self.wait(rank)
                found[rank] = work(Member(self, rank))
            except BaseException as error:  # noqa: BLE001  told by the main thread
                self.failed.append(error)
            self.give(rank)

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        if self.failed:
            raise self.failed[0]
        return found

    def wait(self, rank: int) -> None:
        with self.turn:
            done = self.turn.wait_for(lambda: self.now == rank or self.failed, 60)
            if self.failed or not done:
                raise RuntimeError("another has failed")

    def give(self, rank: int) -> None:
        with self.turn:
            self.now = (rank + 1) % self.count
            self.turn.notify_all()

    def exchange(self, rank: int, value: Any) -> list[Any]:
        state = torch.get_rng_state()
        self.given[rank] = value
        self.give(rank)
        self.wait(rank)  # everybody after this one has given
        found = list(self.given)
        self.give(rank)
        self.wait(rank)  # and everybody has taken
        torch.set_rng_state(state)
        return found


class Member(Group):
    """One of them."""

    def __init__(self, crowd: Crowd, rank: int) -> None:
        self.crowd, self.rank, self.count = crowd, rank, crowd.count

    def gather(self, own: Tensor) -> Tensor:
        return torch.stack(self.crowd.exchange(self.rank, own.clone()))

    def swap(self, given: Tensor) -> Tensor:
        return torch.stack([each[self.rank] for each in self.crowd.exchange(self.rank, given)])

    def broadcast(self, value: Tensor) -> Tensor:
        found: Tensor = self.crowd.exchange(self.rank, value)[0]
        return found

    def say(self, what: Any = None) -> Any:
        return self.crowd.exchange(self.rank, what)[0]

    def hand(self, content: bytes = b"") -> bytes:
        found: bytes = self.crowd.exchange(self.rank, content)[0]
        return found

    def meet(self) -> None:
        self.crowd.exchange(self.rank, None)
