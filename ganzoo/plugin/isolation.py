"""Running a plugin's code so that it cannot write on stdout or leave traces behind."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


@contextlib.contextmanager
def stdout_on_stderr() -> Iterator[None]:
    """Send to stderr whatever the block, C code and child processes included, writes on stdout."""
    with contextlib.ExitStack() as stack:
        _flush()
        # Without a stdout or stderr there is nothing to keep clean.
        with contextlib.suppress(OSError):
            kept = os.dup(1)
            stack.callback(os.close, kept)
            os.dup2(2, 1)
            stack.callback(os.dup2, kept, 1)
        stack.callback(_flush)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield


def _flush() -> None:
    for stream in {sys.stdout, sys.__stdout__}:
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()


class Trait(NamedTuple):
    """Something of the whole process that a plugin has no business to change."""

    name: str
    module: str
    """Looked at only where this module has been imported."""
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    initial: Any = None
    """Its value right after the module's import, where that is known."""


def _signal_handlers(signals: Any) -> dict[int, Any]:
    return {number: signals.getsignal(number) for number in signals.valid_signals()}


def _set_signal_handlers(signals: Any, handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signals.getsignal(number) != handler:
            signals.signal(number, handler)


def _working_directory(os_module: Any) -> str:
    try:
        return str(os_module.getcwd())
    except FileNotFoundError:
        return ""


def _set_working_directory(os_module: Any, path: str) -> None:
    if path:
        os_module.chdir(path)


def _numpy_random(random: Any) -> dict[str, Any]:
    state: dict[str, Any] = random.get_state(legacy=False)
    plain = {
        key: value.tolist() if hasattr(value, "tolist") else value
        for key, value in state["state"].items()
    }
    return {**state, "state": plain}


TRAITS = (
    Trait("the working directory", "os", _working_directory, _set_working_directory),
    Trait("signal handlers", "signal", _signal_handlers, _set_signal_handlers),
    Trait(
        "Python's random generator",
        "random",
        lambda random: random.getstate(),
        lambda random, state: random.setstate(state),
    ),
    Trait(
        "NumPy's random generator",
        "numpy.random",
        _numpy_random,
        lambda random, state: random.set_state(state),
    ),
    Trait(
        "torch's default dtype",
        "torch",
        lambda torch: str(torch.get_default_dtype()),
        lambda torch, name: torch.set_default_dtype(getattr(torch, name.removeprefix("torch."))),
        "torch.float32",
    ),
    Trait(
        "torch's default device",
        "torch",
        lambda torch: str(torch.get_default_device()),
        # None, not 'cpu': a default device that was set costs time in every call.
        lambda torch, name: torch.set_default_device(None if name == "cpu" else name),
        "cpu",
    ),
    Trait(
        "torch's random generator",
        "torch",
        lambda torch: torch.get_rng_state().tolist(),
        lambda torch, state: torch.set_rng_state(
            torch.tensor(state, dtype=torch.uint8, device="cpu")
        ),
    ),
    Trait(
        "torch's number of threads",
        "torch",
        lambda torch: torch.get_num_threads(),
        lambda torch, threads: torch.set_num_threads(threads),
    ),
    Trait(
        "torch's deterministic mode",
        "torch",
        lambda torch: torch.are_deterministic_algorithms_enabled(),
        lambda torch, mode: torch.use_deterministic_algorithms(mode),
        False,
    ),
    Trait(
        "torch's gradient mode",
        "torch",
        lambda torch: torch.is_grad_enabled(),
        lambda torch, mode: torch.set_grad_enabled(mode),
        True,
    ),
)


def snapshot() -> list[Any]:
    """Return the value of every trait, for ``restore``; None where it cannot be known."""
    modules = [sys.modules.get(trait.module) for trait in TRAITS]
    return [
        trait.initial if module is None else trait.read(module)
        for trait, module in zip(TRAITS, modules, strict=True)
    ]


def restore(before: list[Any]) -> list[str]:
    """Put every trait back to what it was ``before``; return the names of those that differed."""
    changed = []
    for trait, value in zip(TRAITS, before, strict=True):
        module = sys.modules.get(trait.module)
        if module is not None and value is not None and trait.read(module) != value:
            trait.write(module, value)
            changed.append(trait.name)
    return changed
