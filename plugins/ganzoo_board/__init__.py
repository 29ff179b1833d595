"""The board: all runs of a folder on one page of this machine."""

from collections.abc import Mapping

from ganzoo.api import hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_commands() -> Mapping[str, tuple[str, str]]:
    """Add the verb; ganzoo reads this dict for its help, and imports the command on a call."""
    return {"board": ("ganzoo_board.command:board", "Show all runs on one page.")}
