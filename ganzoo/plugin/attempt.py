"""Calling a component: whatever it raises becomes one line that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ganzoo.common.errors import GanzooError, PluginError
from ganzoo.common.memory import is_out_of_memory
from ganzoo.plugin.limits import signals_noted
from ganzoo.plugin.specs import Spec

T = TypeVar("T")


def attempt(spec: Spec, what: str, call: Callable[[], T]) -> T:
    """Return ``call()``; whatever a component raises becomes one line that names it.

    Raises:
        PluginError: naming the component, the error and the place.
    """
    with signals_noted() as is_stop:
        try:
            return call()
        except GanzooError:
            raise
        except BaseException as error:  # sys.exit() in a plugin, too
            if is_stop(error) or is_out_of_memory(error):
                raise
            place = last_place(error)
            raise PluginError(
                f"{spec.kind} {spec.use!r} failed at {what}: {type(error).__name__}: {error}{place}"
            ) from error


def last_place(error: BaseException) -> str:
    """Return `` (file:line)`` of the innermost frame outside torch, or nothing."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/torch/" not in file and "/ganzoo/plugin/attempt.py" not in file:
            place = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place
