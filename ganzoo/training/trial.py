"""The first-step guards, whatever makes the steps."""

from __future__ import annotations

from ganzoo.training import guards, own_coupling, own_guards
from ganzoo.training.cost import plain
from ganzoo.training.own_step import OwnStep
from ganzoo.training.parts import Parts
from ganzoo.training.state import Reporter


def try_out(parts: Parts, reporter: Reporter) -> None:
    """Make a first step on copies.

    Raises:
        GanzooError: listing what is wrong, unless the recipe only wants to be warned.
    """
    if isinstance(plain(parts), OwnStep):
        problems = own_guards.problems_of(parts)
        if not problems:
            own_coupling.told_of_parts(parts, reporter.warn)
    else:
        problems = guards.try_halves(parts, reporter)
    guards.settle(parts, problems, reporter)
