"""Extragradient: both players look half a step ahead and move from where they were.

Korpelevich 1976; for GANs Gidel et al. 2019, arXiv:1802.10551, algorithm 2 with one batch a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import StepSpec, Terms, hookimpl

if TYPE_CHECKING:
    from ganzoo.api import Part, Play


class Extragradient(StepSpec):
    """Move by the gradients that are met at an update ahead of the weights."""

    use: ClassVar[str] = "zoo_extragradient"

    def updates(self, player: str) -> int:  # noqa: ARG002
        """Return two: the look ahead is a move, too."""
        return 2

    def update(self, play: Play) -> Terms:
        """Look ahead with both players, come back, and move both."""
        import torch

        def judged(part: Part) -> Terms:
            return part.terms("discriminator", part.make("generator"))

        def liked(part: Part) -> Terms:
            return part.terms("generator", part.make("generator"))

        def both() -> Terms:  # neither has moved when the other is asked
            return {**play.gather("discriminator", judged), **play.gather("generator", liked)}

        weights = [each for name in self.players for each in play.networks[name].parameters()]
        before = [each.detach().clone() for each in weights]
        both()
        play.move("discriminator", "generator")
        found = both()
        with torch.no_grad():
            for weight, was in zip(weights, before, strict=True):
                weight.copy_(was)
        play.move("discriminator", "generator")
        return found


@hookimpl
def ganzoo_steps() -> list[type[StepSpec]]:
    """Supply the step."""
    return [Extragradient]
