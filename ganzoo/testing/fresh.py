"""A process that has never seen a component: what it remembers elsewhere than in 'own' shows there.

One process waits with torch imported and forks for every question, so that a question takes parts
of a second. Where there is no ``fork``, each question starts a process of its own.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import IO, Any

import torch
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors

from ganzoo.common import system
from ganzoo.plugin.attempt import last_place
from ganzoo.plugin.specs import Spec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing.examples import UntriedError
from ganzoo.testing.scene import Scene, Setting

SECONDS = 120
"""After which an answer is given up."""
_server: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Place:
    """Where a component's class is written, and its values."""

    module: str
    name: str
    file: str | None
    values: Mapping[str, Any]


def update(
    setting: Setting, state: Mapping[str, Mapping[str, torch.Tensor]], number: int
) -> dict[str, torch.Tensor]:
    """Return the terms of step ``number``, made from ``state`` in a fresh process.

    Raises:
        UntriedError: if the component cannot be found there.
        RuntimeError: if it fails there.
    """
    written: dict[str, Any] = {}
    for each in fields(setting):
        value = getattr(setting, each.name)
        if isinstance(value, Spec):
            written[each.name] = asdict(_place(value))
        elif isinstance(value, (list, tuple)):
            written[each.name] = [asdict(_place(spec)) for spec in value]
        elif isinstance(value, ImageShape):
            written[each.name] = asdict(value)
        else:
            written[each.name] = value
    tensors = {(place, name): each for place, own in state.items() for name, each in own.items()}
    question = {
        "path": sys.path,
        "threads": torch.get_num_threads(),
        "setting": written,
        "number": number,
        "state": list(tensors),
    }
    told, found = _read(_ask(_written(question, list(tensors.values()))))
    if "untried" in told:
        raise UntriedError(f"not tried: {told['untried']}")
    if "error" in told:
        raise RuntimeError(told["error"])
    return dict(zip(told["terms"], found, strict=True))


def _written(content: Mapping[str, Any], tensors: Sequence[torch.Tensor] = ()) -> bytes:
    """Return JSON and tensors as bytes; no pickle, as everywhere in ganzoo."""
    numbered = {str(number): each.detach().contiguous() for number, each in enumerate(tensors)}
    return to_safetensors(numbered, {"content": json.dumps(content)})


def _read(content: bytes) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """Return what ``_written`` was given."""
    length = int.from_bytes(content[:8], "little")
    told = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["content"])
    tensors = parse_safetensors(content)
    return told, [tensors[str(number)] for number in range(len(tensors))]


def _place(spec: Spec) -> Place:
    kind = type(spec)
    if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
        raise UntriedError(
            f"not tried: {kind.__name__} is written inside a function or a notebook, where a fresh "
            "process does not find it"
        )
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return Place(
        kind.__module__, kind.__qualname__, file, spec.model_dump(mode="json", exclude_none=True)
    )


def _ask(content: bytes) -> bytes:
    for _ in range(2):  # the second time if the process that waited was killed meanwhile
        server = _waiting()
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            _put(server.stdin, content)
            return _get(server.stdout)
        except (OSError, EOFError):
            _end()
    raise UntriedError("a fresh process could not be started")


def _waiting() -> subprocess.Popen[bytes]:
    if _server and _server[0].poll() is None:
        return _server[0]
    _server.clear()
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; from ganzoo.testing import fresh; fresh.serve()"
    )
    _server.append(
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    )
    atexit.register(_end)
    return _server[0]


def _end() -> None:
    for server in _server:
        for stream in (server.stdin, server.stdout):
            if stream is not None:
                stream.close()
        try:
            server.wait(timeout=1)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    _server.clear()


def serve() -> None:
    """Answer questions from standard input on standard output until it is closed."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a component prints is no answer
    while True:
        try:
            question = _get(questions)
        except EOFError:
            return
        if not system.CAN_FORK:
            _put(answers, _answer(question))
            return
        mine, theirs = os.pipe()
        child = system.fork()
        if child == 0:
            os.close(mine)
            if hasattr(signal, "alarm"):
                signal.alarm(SECONDS)
            with os.fdopen(theirs, "wb") as out:
                _put(out, _answer(question))
            os._exit(0)
        os.close(theirs)
        with os.fdopen(mine, "rb") as found:
            try:
                answer = _get(found)
            except EOFError:
                answer = _written({"error": "the process ended without an answer"})
        os.waitpid(child, 0)
        _put(answers, answer)


def _answer(question: bytes) -> bytes:
    try:
        asked, tensors = _read(question)
        sys.path[:] = asked["path"]
        torch.set_num_threads(asked["threads"])
        state: dict[str, dict[str, torch.Tensor]] = {}
        for (place, name), each in zip(asked["state"], tensors, strict=True):
            state.setdefault(place, {})[name] = each
        terms = _update(asked["setting"], state, asked["number"])
        return _written({"terms": list(terms)}, list(terms.values()))
    except UntriedError as error:
        return _written({"untried": str(error)})
    except BaseException as error:  # noqa: BLE001  anything a component does
        return _written({"error": f"{type(error).__name__}: {error}{last_place(error)}"})


def _update(
    written: Mapping[str, Any], state: Mapping[str, Mapping[str, torch.Tensor]], number: int
) -> dict[str, torch.Tensor]:
    values: dict[str, Any] = {}
    for name, value in written.items():
        if name == "shape":
            values[name] = ImageShape(**{**value, "label_shape": tuple(value["label_shape"])})
        elif isinstance(value, dict):
            values[name] = _spec(Place(**value))
        elif isinstance(value, list):
            values[name] = [_spec(Place(**place)) for place in value]
        else:
            values[name] = value
    scene = Scene(Setting(**values))
    # A network without weights and buffers has no line in what was sent.
    scene.load({place: state.get(place, {}) for place in scene.networks})
    return scene.update(number)


def _spec(place: Place) -> Spec:
    try:
        found: Any = _module(place)
        for name in place.name.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise UntriedError(
            f"a fresh process does not find {place.module}.{place.name}: {error}"
        ) from error
    spec: Spec = found.model_validate(place.values)
    return spec


def _module(place: Place) -> Any:
    if place.module in sys.modules:
        return sys.modules[place.module]
    find: Callable[[str], Any] = importlib.util.find_spec
    try:
        known = find(place.module)
    except (ImportError, ValueError):
        known = None
    if known is not None and known.origin == place.file:
        return importlib.import_module(place.module)
    assert place.file is not None
    spec = importlib.util.spec_from_file_location(place.module, place.file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[place.module] = module
    spec.loader.exec_module(module)
    return module


def _put(stream: IO[bytes], content: bytes) -> None:
    stream.write(len(content).to_bytes(8, "big") + content)
    stream.flush()


def _get(stream: IO[bytes]) -> bytes:
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    return stream.read(int.from_bytes(head, "big"))
