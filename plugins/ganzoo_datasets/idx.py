"""The IDX format of the MNIST family, plain or gzipped, read to the last byte and no further.

Layout (http://yann.lecun.com/exdb/mnist): two zero bytes, the type (8 for unsigned bytes), the
number of dimensions, one big-endian 32-bit size per dimension, then the values.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ganzoo.api import DataError

UNSIGNED_BYTE = 8
LIMIT = 4 << 30
"""Bytes at most in one file."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Idx:
    """The content of a file: sizes, and the values in row-major order."""

    path: Path
    shape: tuple[int, ...]
    values: bytearray


def read(path: Path, dimensions: int, *, again: str = "fetch it again") -> Idx:
    """Read an array of unsigned bytes with that many dimensions.

    Args:
        path: gunzipped on the way if it ends in '.gz'.
        again: what to do about a broken file, for the error.

    Raises:
        DataError: naming the file, for anything but exactly such an array.
    """
    try:
        with _opened(path) as file:
            return Idx(path, *_read(file, dimensions))
    except EOFError as error:
        raise DataError(f"'{path}': the gzip stream is truncated; {again}") from error
    except gzip.BadGzipFile as error:
        raise DataError(f"'{path}': {str(error) or 'not a gzip file'}; {again}") from error
    except zlib.error as error:
        raise DataError(f"'{path}': the gzip stream is damaged; {again}") from error
    except OSError as error:
        raise DataError(f"'{path}': {error.strerror or error}; {again}") from error
    except ValueError as error:
        raise DataError(f"'{path}': {error}; {again}") from error


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _read(file: BinaryIO | gzip.GzipFile, dimensions: int) -> tuple[tuple[int, ...], bytearray]:
    header = file.read(4 + 4 * dimensions)
    if not header:
        raise ValueError("the file is empty")
    if header[:1] == b"<":
        raise ValueError("a web page, not the data")
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if header[:4] != magic:
        raise ValueError(f"starts with 0x{header[:4].hex()}, not 0x{magic.hex()}")
    if len(header) < 4 + 4 * dimensions:
        raise ValueError("ends within its header")
    shape = tuple(int.from_bytes(header[at : at + 4], "big") for at in range(4, len(header), 4))
    size = math.prod(shape)
    if size == 0:
        raise ValueError(f"is empty: its header says {_times(shape)}")
    if size > LIMIT:
        raise ValueError(f"its header claims {_times(shape)}, more than {LIMIT} bytes")
    values = bytearray()
    # In pieces, so that a header that claims more than there is costs no memory.
    while len(values) < size and (piece := file.read(min(PIECE, size - len(values)))):
        values += piece
    if len(values) < size:
        raise ValueError(f"truncated: {len(values)} of {_times(shape)} values")
    if file.read(1):  # of a gzip stream this also compares the checksum at its end
        raise ValueError(f"has more than its {_times(shape)} values")
    return shape, values


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
