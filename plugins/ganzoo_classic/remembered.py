"""Numbers that a component remembers from step to step."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Remembered(nn.Module):
    """Named numbers, all from 0; they are saved with every checkpoint."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names:
            self.register_buffer(name, torch.zeros(()))

    def value(self, name: str) -> Tensor:
        """Return a number as it is now; it does not change when the buffer does."""
        buffer: Tensor = getattr(self, name)
        return buffer.clone()
