"""Nested tables, as TOML and JSON hold them: their values with their keys, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Keys = tuple[str | int, ...]
"""The way to a value: keys of tables, positions in lists."""


def leaves(value: Any, keys: Keys = (), *, each_item: bool = False) -> Iterator[tuple[Keys, Any]]:
    """Yield every value in nested tables with its keys; empty tables and lists are values.

    Lists of tables are gone into by position. Any other list is one value, or with ``each_item``
    as many as it has items.
    """
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list) and (
        each_item or any(isinstance(item, Mapping) for item in value)
    ):
        inner = enumerate(value)
    if not inner or not value:
        yield keys, value
        return
    for key, one in inner:
        yield from leaves(one, (*keys, key), each_item=each_item)


def dotted(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in nested tables by dotted keys: 'optimizer.lr', 'metric.0.use'."""
    return {".".join(map(str, keys)): value for keys, value in leaves(tables) if keys}


def differing(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    """Return the keys with unlike values, and both values; None where there is no such key."""
    return [
        (key, first.get(key), second.get(key))
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]
