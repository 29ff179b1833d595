"""What a plugin's verb promises: it can be loaded, and says how it is called."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.testing import CliRunner

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.verbs import Verb, command
from ganzoo.testing.findings import Case


def of_verb(verb: Verb) -> list[Case]:
    """Return the checks of a verb; none of them does what it is for."""
    who = f"command '{verb.name}'"
    return [
        Case(who, "is a click command", lambda: list(_is_a_command(verb))),
        Case(who, "prints its help", lambda: list(_prints_its_help(verb))),
        Case(who, "explains each option", lambda: list(_explains(verb))),
    ]


def _is_a_command(verb: Verb) -> Iterator[str]:
    changed: list[str] = []
    try:
        found = command(verb, changed.append)
    except GanzooError as error:
        yield str(error)
        return
    yield from changed
    if not isinstance(found, click.Command):
        yield f"{verb.place} is {found!r:.80}, which is not a click command"


def _prints_its_help(verb: Verb) -> Iterator[str]:
    if (found := _loaded(verb)) is None:
        return
    if not (found.help or "").strip():
        yield "its function has no docstring, which is its help"
    done = CliRunner().invoke(found, ["--help"])
    if done.exit_code != 0:
        said = done.output.strip()[-200:]
        yield f"--help ends with {done.exit_code}: {said} {done.exception!r:.200}"


def _explains(verb: Verb) -> Iterator[str]:
    if (found := _loaded(verb)) is None:
        return
    for option in found.params:
        if isinstance(option, click.Option) and not option.help and not option.hidden:
            yield f"option {option.opts[0]} has no help"


def _loaded(verb: Verb) -> click.Command | None:
    """Return the command, or nothing where the first check tells what is wrong."""
    try:
        found = command(verb, lambda text: None)  # noqa: ARG005
    except GanzooError:
        return None
    return found if isinstance(found, click.Command) else None
