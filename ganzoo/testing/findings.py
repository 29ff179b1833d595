"""What a check found, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ganzoo.common.errors import PluginError

if TYPE_CHECKING:
    from ganzoo.plugin.specs import Spec

Status = Literal["ok", "failed", "noted"]
Target: TypeAlias = "str | Path | Spec | type[Spec]"
"""A spec class, a spec with values, a .py file, or the name of a plugin or of a component."""


class Note(str):
    """Something worth knowing about a component that breaks no promise."""

    __slots__ = ()


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        component: "loss 'hinge'".
        claim: what should be true.
        status: 'ok', 'failed', or 'noted' where there is something to know.
        text: what is wrong or worth knowing, with the values found; empty where all is well.
    """

    component: str
    claim: str
    status: Status
    text: str = ""

    def __str__(self) -> str:
        return f"{self.component}: {self.claim}: {self.text or self.status}"


@dataclass(frozen=True)
class Case:
    """One check of one component, which runs when it is called."""

    component: str
    claim: str
    body: Callable[[], list[str]]

    @property
    def id(self) -> str:
        """A name for pytest: ``loss-hinge: order of the batch does not matter``."""
        return f"{self.component.replace(' ', '-').replace(chr(39), '')}: {self.claim}"

    def __call__(self) -> list[Finding]:
        """Run the check."""
        said = self.body()
        return [
            Finding(
                self.component, self.claim, "noted" if isinstance(text, Note) else "failed", text
            )
            for text in said
        ] or [Finding(self.component, self.claim, "ok")]


@dataclass(frozen=True)
class Report:
    """All that was found."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, cases: Iterable[Case]) -> Report:
        """Run ``cases`` and collect what they find."""
        return cls(tuple(finding for case in cases for finding in case()))

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What breaks a promise."""
        return tuple(each for each in self.findings if each.status == "failed")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is worth knowing."""
        return tuple(each for each in self.findings if each.status == "noted")

    def raise_for_problems(self) -> None:
        """Do nothing if every promise is kept.

        Raises:
            PluginError: with every problem, a line each.
        """
        if self.problems:
            raise PluginError("\n".join(map(str, self.problems)))
