"""ganzoo: a plugin-architecture GAN zoo. Importing it imports nothing heavy."""

from typing import TYPE_CHECKING, Any

from ganzoo._version import __version__

__all__ = ["__version__", "load", "open_run", "run"]

if TYPE_CHECKING:
    from ganzoo.session import load, open_run, run


def __getattr__(name: str) -> Any:
    if name in {"load", "open_run", "run"}:
        from ganzoo import session

        return getattr(session, name)
    raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
