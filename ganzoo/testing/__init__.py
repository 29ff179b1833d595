"""A conformance kit for plugin authors: does a component keep what its kind promises?

Three ways to the same checks: ``ganzoo plugins check NAME``, ``pytest --ganzoo NAME`` or a line in
a test file, and a plain function::

    from ganzoo import testing

    test_my_loss_keeps_its_promises = testing.suite(MyLoss)
    testing.check(MyLoss).raise_for_problems()

Importing this module imports neither torch nor pydantic nor pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganzoo.testing.findings import Case, Finding, Note, Report, Target

__all__ = ["KINDS", "Case", "Finding", "Note", "Report", "Target", "cases", "check", "suite"]

if TYPE_CHECKING:
    KINDS: Mapping[str, str]
    """The module of this package that checks each kind."""


def __getattr__(name: str) -> Any:
    """Return ``KINDS``, which comes with pydantic, when it is asked for."""
    if name != "KINDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ganzoo.plugin.kinds import KINDS as TABLE

    return {name: kind.plural for name, kind in TABLE.items()}


def check(target: Target, **options: Any) -> Report:
    """Try everything that the kind of ``target`` promises.

    A component whose keys have no default is tried with values: ``check(Folder(path="faces"))``.

    Args:
        target: what to check; a plugin's name stands for all of its components.
        options: for one kind: ``root`` (a ``DataRoot``) for datasets; ``expected`` for penalties,
            the value that a critic of slope s everywhere must give, as a function of s.

    Raises:
        GanzooError: if there is no such thing.
    """
    return Report.of(cases(target, **options))


def cases(target: Target, **options: Any) -> list[Case]:
    """Return the checks of ``target`` one by one; each runs when it is called."""
    from ganzoo.testing.targets import cases as found

    return found(target, options)


def suite(target: Target, **options: Any) -> Callable[..., None]:
    """Return a test function for pytest, parametrized with the checks of ``target``."""
    import pytest

    found: Sequence[Case] = cases(target, **options)

    @pytest.mark.parametrize("case", found, ids=[case.id for case in found])
    def test_conforms(case: Case) -> None:
        Report(tuple(case())).raise_for_problems()

    return test_conforms
