"""One self-checking file per checkpoint: safetensors with the state as JSON in its header.

A SHA-256 over the whole file, its own 64 digits counted as zeros, stands in the header. Plain
safetensors accepts almost every flipped bit; here none passes. Nothing in a checkpoint is executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, NonNegativeInt, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError, DamagedError, LostError, RefusedError
from ganzoo.common.files import new_file, parse_json
from ganzoo.common.inside import open_inside, too_large
from ganzoo.plugin.table import Table
from ganzoo.runs.folder import checkpoints, step_of

FORMAT = 1
MAX_HEADER = 16 * 1024 * 1024
MOST_WEIGHTS = 16 * 1024**3
"""Bytes of a file of weights, whatever its header says."""
CHECKPOINTS = "checkpoints"
_METADATA = "__metadata__"
_ZEROS = "0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')


class State(Table):
    """What a checkpoint says beside its tensors."""

    format: NonNegativeInt = FORMAT
    step: NonNegativeInt
    """Steps finished."""
    log_lines: NonNegativeInt
    """Lines of the log at that step."""
    recipe: str
    """Digest of the recipe."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The recipe itself; empty in what earlier versions wrote."""
    optimizers: dict[str, dict[str, bool | int | float]]
    """Numbers of each optimizer: everything in its state that is not a tensor."""
    health: dict[str, Any]
    """What the health watch remembers."""
    measures: dict[str, Any]
    """Last and best scores so far."""
    machine: dict[str, Any]
    """Device, precision, threads and versions."""


def write(path: Path, tensors: Mapping[str, Tensor], state: State) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        MachineError: if the disk refuses it.
    """
    header, order = begin(tensors, state.model_dump_json())
    size = len(header) + sum(tensor.nbytes for tensor in order)
    with new_file(path, size) as file:
        digest = hashlib.sha256()
        for part in parts(header, order):
            digest.update(part)
            file.write(part)
        file.go_to(digits_in(header))
        file.write(digest.hexdigest().encode())


def seal(tensors: Mapping[str, Tensor], state: str) -> bytes:
    """Return the bytes of a self-checking safetensors file."""
    header, order = begin(tensors, state)
    content = bytearray().join(parts(header, order))
    place = digits_in(header)
    content[place : place + len(_ZEROS)] = hashlib.sha256(content).hexdigest().encode()
    return bytes(content)


def begin(tensors: Mapping[str, Tensor], state: str) -> tuple[bytes, list[Tensor]]:
    """Return a file's start, its digest 64 zeros, and the tensors in the order they follow in.

    Names that share their numbers are written each with its own, and nothing is copied here.
    """
    # The order is safetensors' own, by size of numbers and name: asked with tensors of nothing.
    empty = {name: torch.empty(0, dtype=tensor.dtype) for name, tensor in tensors.items()}
    blank = header_of(to_safetensors(empty, metadata={"sha256": _ZEROS, "state": state}))
    table = json.loads(blank)
    order, end = [], 0
    for name, entry in table.items():
        if name == _METADATA:
            continue
        start, end = end, end + tensors[name].nbytes
        entry["shape"], entry["data_offsets"] = list(tensors[name].shape), [start, end]
        order.append(tensors[name])
    return sorted_header(table), order


def parts(header: bytes, order: Iterable[Tensor]) -> Iterator[bytes | memoryview]:
    """Yield a file piece by piece; of tensors on the host and in one piece no copy is made."""
    yield header
    for tensor in order:
        own = tensor.detach().cpu().contiguous()
        if own.numel():
            numbers: Any = own.reshape(-1).view(torch.uint8).numpy()
            yield memoryview(numbers)


def digits_in(header: bytes) -> int:
    """Return the place of the digest's digits."""
    return header.index(f'"sha256":"{_ZEROS}"'.encode()) + len('"sha256":"')


def canonical(content: bytes) -> bytes:
    """Return a safetensors file with its header in sorted order: equal content, equal bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    return sorted_header(json.loads(content[8 : 8 + length])) + content[8 + length :]


def sorted_header(table: Mapping[str, Any]) -> bytes:
    """Return how a safetensors file with that table begins, names in sorted order."""
    header = json.dumps(table, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], State]:
    """Read a checkpoint back.

    Raises:
        DamagedError: if its content is not what was written.
        CheckpointError: if it cannot be read, or was written by another version.
    """
    content, header = verified(path)
    try:
        metadata = parse_json(header)[_METADATA]
        _refuse_newer(path, parse_json(metadata["state"].encode()))
        state = State.model_validate_json(metadata["state"])
        tensors = parse_safetensors(content)
    except ValidationError as error:
        wrong = ", ".join(f"'{'.'.join(map(str, each['loc']))}'" for each in error.errors()[:5])
        raise CheckpointError(
            f"checkpoint '{path}' was written by another version of ganzoo: {wrong} of its state "
            "do not fit; use that version, or train again"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint '{path}' is not a ganzoo checkpoint: {error}") from error
    return tensors, state


def _refuse_newer(path: Path, state: object) -> None:
    # Before the fields are looked at: a newer format may well have others.
    found = state.get("format") if isinstance(state, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise CheckpointError(
            f"checkpoint '{path}' has format {found}; this ganzoo reads {FORMAT}: update it"
        )


def verified(path: Path) -> tuple[bytes, bytes]:
    """Return a sealed file's bytes and its header, after the digest has been compared.

    Raises:
        DamagedError: if anything differs from what was written.
        LostError: if the system does not let it be read.
    """
    try:
        content = sized(path)
    except RefusedError as error:
        raise LostError(f"a checkpoint cannot be read: {error}") from error
    except OSError as error:
        raise LostError(f"checkpoint '{path}' cannot be read: {error.strerror}") from error
    damaged = DamagedError(
        f"checkpoint '{path}' is damaged: its content does not match its SHA-256; "
        "use an earlier one"
    )
    if len(content) < 8:
        raise damaged
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(MAX_HEADER, len(content) - 8):
        raise damaged
    header = content[8 : 8 + length]
    match = _DIGEST.search(header)
    if match is None:
        raise damaged
    start, end = match.start(1) + 8, match.end(1) + 8
    blank = hashlib.sha256(content[:start])
    blank.update(_ZEROS.encode())
    blank.update(memoryview(content)[end:])
    if blank.hexdigest().encode() != match.group(1):
        raise damaged
    return content, header


def sized(path: Path) -> bytes:
    """Return a safetensors file's bytes, no more than a little beyond what its header tells.

    It lies in a folder of its own inside a run's, or in the run's itself; none of them is a link.

    Raises:
        RefusedError: if it is a link, no regular file, or too large for any network.
        OSError: if it is not there, or the system refuses.
    """
    inside = (path.parent.name, path.name) if path.parent.name == CHECKPOINTS else (path.name,)
    folder = path.parent.parent if len(inside) > 1 else path.parent
    with open_inside(folder, *inside) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_WEIGHTS:
            raise too_large(path, size, MOST_WEIGHTS)
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(MAX_HEADER, size - 8):
            return start
        header = file.read(length)
        return start + header + file.read(min(max(0, _told(header)) + 1, size))


def header_of(content: bytes) -> bytes:
    """Return the header of a safetensors file."""
    return content[8 : 8 + struct.unpack("<Q", content[:8])[0]]


def _told(header: bytes) -> int:
    """Return how many bytes of tensors a header says that follow it."""
    try:
        tensors = parse_json(header)
        ends = [each["data_offsets"][1] for name, each in tensors.items() if name != _METADATA]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return 0
    return max((end for end in ends if isinstance(end, int)), default=0)


def newest_readable(
    folder: Path, why_not: str, warn: Callable[[str], None], *, after: int = -1
) -> tuple[Path, dict[str, Tensor], State]:
    """Return the newest checkpoint in ``folder`` that can be read, and its file.

    Args:
        folder: where checkpoints lie.
        why_not: what is told where there is none.
        warn: is told of every newer one that was passed over.
        after: step of which they must be beyond.

    Raises:
        CheckpointError: with the reason for every checkpoint that cannot be read.
    """
    reasons: list[str] = []
    for path in checkpoints(folder):
        if step_of(path) <= after:
            continue
        try:
            tensors, state = read_checkpoint(path)
        except CheckpointError as error:
            reasons.append(str(error))
            continue
        if reasons:
            passed = "\n".join(reasons)
            warn(f"{passed}\nusing an older one instead: '{path}', of step {state.step}")
        return path, tensors, state
    raise CheckpointError("\n".join([why_not, *reasons]))


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Name the file whose content does not fit what it is put into.

    Raises:
        CheckpointError: for whatever a forged file may raise: its digest is no signature.
    """
    try:
        yield
    except (
        CheckpointError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RuntimeError,
    ) as error:
        raise CheckpointError(f"'{path}' does not fit the run: {error}") from error


def pack_module(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Return a module's whole state under ``prefix``."""
    return {f"{prefix}/{name}": value for name, value in module.state_dict().items()}


def unpack_module(prefix: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load what ``pack_module`` returned; names and shapes must agree to the last.

    Raises:
        CheckpointError: naming what differs.
    """
    found = select(prefix, tensors)
    wanted = module.state_dict()
    problems = [f"'{name}' is missing" for name in wanted.keys() - found.keys()]
    problems += [f"'{name}' is unknown" for name in found.keys() - wanted.keys()]
    problems += [
        f"'{name}': the checkpoint has {tuple(found[name].shape)}, here {tuple(wanted[name].shape)}"
        for name in wanted.keys() & found.keys()
        if found[name].shape != wanted[name].shape
    ]
    problems += [
        f"'{name}': the checkpoint has {found[name].dtype}, here {wanted[name].dtype}"
        for name in wanted.keys() & found.keys()
        if found[name].dtype != wanted[name].dtype
    ]
    problems += [f"'{name}' is not finite" for name, value in found.items() if not is_finite(value)]
    if problems:
        raise CheckpointError(
            f"{prefix} does not fit the checkpoint: {'; '.join(sorted(problems)[:5])}"
        )
    module.load_state_dict(found)


def is_finite(value: Any) -> bool:
    """Tell whether a number, or every number of a tensor, is finite."""
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    return math.isfinite(value)


def select(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under ``prefix``, by the rest of their names."""
    start = f"{prefix}/"
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
