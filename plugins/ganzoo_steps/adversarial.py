"""The game of two: first the discriminator is updated, then the generator."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import AdversarialSpec


class Adversarial(AdversarialSpec):
    """One generator and one discriminator, updated in turn.

    Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1: in each step, the discriminator minimises
    its terms on real images and fakes, then the generator its own.
    """

    use: ClassVar[str] = "adversarial"
    is_captured: ClassVar[bool] = True
