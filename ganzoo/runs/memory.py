"""What the components of a run remember, read from its newest checkpoint without torch.

Only looked at: whether a checkpoint is whole is for those who go on from it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ganzoo.runs.folder import RunDir, checkpoints

OWN = "own/"
"""What tensors of components' modules begin with: 'own/regularizer.0/mean'."""
FEW = 4
"""Numbers that are shown one by one; of more, how many there are."""
MAX_HEADER = 16 * 1024 * 1024
FORMATS = {
    "F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b", "U8": "B",
    "BOOL": "?",
}  # fmt: skip
Number = float | int | bool
Memory = dict[str, list[Number] | int]


def memory(run: RunDir) -> Memory:
    """Return the tensors of components' modules by name: their numbers, or how many there are.

    Names are as in a recipe: 'loss.k', 'regularizer.0.mean'. Empty where there is nothing.
    """
    for path in checkpoints(run.checkpoints):
        try:
            with path.open("rb") as file:
                return dict(_read(file, path))
        except (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError,
                OverflowError, struct.error):  # fmt: skip
            continue  # an earlier one tells more than none
    return {}


def _read(file: IO[bytes], path: Path) -> Iterator[tuple[str, list[Number] | int]]:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(MAX_HEADER, path.stat().st_size):
        raise ValueError("no header")
    header = json.loads(file.read(length))
    for name, entry in sorted(header.items()):
        if not name.startswith(OWN):
            continue
        key = name.removeprefix(OWN).replace("/", ".")
        count = math.prod(entry["shape"])
        if not isinstance(count, int) or count < 0:
            raise ValueError("no shape")
        yield key, count if count > FEW else _numbers(file, 8 + length, entry, count)


def _numbers(file: IO[bytes], start: int, entry: Mapping[str, Any], count: int) -> list[Number]:
    file.seek(start + entry["data_offsets"][0])
    if entry["dtype"] == "BF16":  # the upper half of an F32
        halves = struct.unpack(f"<{count}H", file.read(2 * count))
        return [struct.unpack("<f", struct.pack("<I", each << 16))[0] for each in halves]
    form = f"<{count}{FORMATS[entry['dtype']]}"
    return list(struct.unpack(form, file.read(struct.calcsize(form))))
