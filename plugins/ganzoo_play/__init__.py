"""A page to move through a generator's latents: on this machine, or as one file without Python."""

from collections.abc import Mapping

from ganzoo.api import hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_commands() -> Mapping[str, tuple[str, str]]:
    """Add the verb; ganzoo reads this dict for its help, and imports the command on a call."""
    return {"play": ("ganzoo_play.command:play", "Move through a generator's latents on a page.")}
