"""ganzoo: a plugin-architecture GAN zoo. Importing it imports nothing heavy."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "load", "open_run", "run"]

if TYPE_CHECKING:
    from ganzoo.notebook import load, open_run, run


def __getattr__(name: str) -> Any:
    if name in {"load", "open_run", "run"}:
        from ganzoo import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "load", "open_run", "run"]
