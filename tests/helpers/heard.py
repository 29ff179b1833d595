"""A reporter that only listens."""

from __future__ import annotations

from ganzoo.training.state import Silent


class Heard(Silent):
    """Keeps the warnings it was told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)
