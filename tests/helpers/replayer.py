"""A stand-in for a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Replayer:
    """Stands in for a CUDA graph on a CPU: does captured work at each replay, not before."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def warm_up(self, work: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        return work()

    def capture(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.captured += 1
        place: list[Tensor] = []

        def replay() -> Tensor:
            self.replayed += 1
            result = work()
            if not place:
                place.append(torch.empty_like(result))
            return place[0].copy_(result)

        return replay
