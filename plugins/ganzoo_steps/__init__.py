"""Built-in steps: what one update of all players is."""

from __future__ import annotations

from ganzoo.api import StepSpec, hookimpl
from ganzoo_steps.adversarial import Adversarial

GANZOO_API = 1


@hookimpl
def ganzoo_steps() -> list[type[StepSpec]]:
    """Supply the steps of this package."""
    return [Adversarial]
