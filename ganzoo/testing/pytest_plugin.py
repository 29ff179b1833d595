"""``pytest --ganzoo NAME``: the conformance kit's checks as tests, beside those in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ganzoo.testing.findings import Case


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("ganzoo").addoption(
        "--ganzoo",
        action="append",
        default=[],
        metavar="NAME",
        help="check a ganzoo plugin or component: a name or a .py file; repeatable",
    )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add an item for each check of what was asked for."""
    for name in config.getoption("--ganzoo"):
        from ganzoo.common.errors import GanzooError
        from ganzoo.testing import cases

        try:
            found = cases(name)
        except GanzooError as error:
            raise pytest.UsageError(f"--ganzoo {name}: {error}") from error
        items += [
            Conformance.from_parent(session, name=f"ganzoo[{case.id}]", case=case) for case in found
        ]


class Conformance(pytest.Item):
    """One check."""

    def __init__(self, *, case: Case, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.case = case

    def runtest(self) -> None:
        """Run it.

        Raises:
            PluginError: with what is wrong.
        """
        from ganzoo.testing.findings import Report

        Report(tuple(self.case())).raise_for_problems()

    def repr_failure(  # type: ignore[override]
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """Return what is wrong, without a traceback through the kit."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[str, None, str]:
        """Return where it comes from."""
        return "ganzoo", None, self.name
