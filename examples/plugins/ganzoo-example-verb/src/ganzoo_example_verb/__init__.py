"""A verb of the command line, as a package of its own."""

from collections.abc import Mapping

from ganzoo.api import hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_commands() -> Mapping[str, tuple[str, str]]:
    """Add the verb; ganzoo reads this dict for its help, and imports the command on a call."""
    return {"sparks": ("ganzoo_example_verb.command:sparks", "Draw the losses of RUN as blocks.")}
