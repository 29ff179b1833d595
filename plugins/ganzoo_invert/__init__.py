"""The latent of a picture: what a generator would have to start from to make it."""

from collections.abc import Mapping

from ganzoo.api import hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_commands() -> Mapping[str, tuple[str, str]]:
    """Add the verb; ganzoo reads this dict for its help, and imports the command on a call."""
    return {"invert": ("ganzoo_invert.command:invert", "Find the latent of a picture.")}
