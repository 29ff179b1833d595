"""Every hook a plugin may implement. This file is the reference manual of the plugin system."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from ganzoo.plugin.kinds import KINDS, Kind

if TYPE_CHECKING:
    from ganzoo.plugin.models import TrainedModel
    from ganzoo.plugin.types import RunInfo

API_VERSION = 1
"""Version of the plugin contract. A plugin module may say ``GANZOO_API = 1``."""

hookspec = pluggy.HookspecMarker("ganzoo")
hookimpl = pluggy.HookimplMarker("ganzoo")


def on_demand(module: str, *hooks: Callable[[], Sequence[type[Any]]]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package: the classes that its hooks supply, by their names.

    Hooks that import what they supply are asked only when a class is, so that a package loads
    without its parts: ``__getattr__ = on_demand(__name__, ganzoo_losses)``.
    """

    def find(name: str) -> Any:
        # Names with a small letter are modules, which may just be about to be imported.
        for hook in hooks if name[0].isupper() else ():
            for spec in hook():
                if spec.__name__ == name:
                    return spec
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


@hookspec
def ganzoo_trackers() -> list[str]:  # type: ignore[empty-body]
    """Name what ``--track`` may ask for; a tracker stays silent unless ``run.trackers`` has it."""


@hookspec
def ganzoo_commands() -> Mapping[str, tuple[str, str]]:  # type: ignore[empty-body]
    """Add verbs to the command line: where the click command is, and a line on what it does."""


@hookspec
def ganzoo_models() -> list[TrainedModel]:  # type: ignore[empty-body]
    """Ship trained generators, each used as ``zoo:NAME`` wherever a run is named."""


@hookspec
def ganzoo_run_started(run: RunInfo) -> None:
    """Follow a run: its first step, or its first one after a pause, is about to be made."""


@hookspec
def ganzoo_logged(run: RunInfo, step: int, values: Mapping[str, float]) -> None:
    """Follow a run: a line with these values was added to its log after ``step`` steps."""


@hookspec
def ganzoo_sampled(run: RunInfo, step: int, path: Path) -> None:
    """Follow a run: a sheet of samples was written to the PNG file ``path``."""


@hookspec
def ganzoo_checkpointed(run: RunInfo, step: int, path: Path) -> None:
    """Follow a run: a checkpoint was written to ``path``; older ones may have been removed."""


@hookspec
def ganzoo_run_finished(run: RunInfo, step: int, status: str, result: Mapping[str, Any]) -> None:
    """Follow a run: it is 'done', 'interrupted' or 'failed' (``result`` is empty then)."""


def known() -> dict[str, Callable[..., Any]]:
    """Return every hook by its name: one a kind of component, then those above."""
    own = {name: hook for name, hook in globals().items() if name.startswith("ganzoo_")}
    return {kind.hook: _supplying(kind) for kind in KINDS.values()} | own


def _supplying(kind: Kind) -> Callable[..., Any]:
    """Return the hook that supplies a kind's specs, as if it were written out above."""

    def hook() -> None:
        """Supply components."""

    hook.__name__ = hook.__qualname__ = kind.hook
    hook.__doc__ = f"Supply {kind.plural}."
    hook.__annotations__ = {"return": f"list[type[{kind.base}]]"}
    return hookspec(hook)
