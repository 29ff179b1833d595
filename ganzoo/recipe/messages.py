"""Pydantic's errors in the words of someone who writes recipes."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from ganzoo.common.errors import printable, suggest
from ganzoo.common.text import is_number

FEW = 12
"""Choices that are listed; of more, only the nearest is named."""


def in_words(error: ErrorDetails) -> str:
    """Return what is wrong with a value, and what it should be."""
    say = _WORDS.get(error["type"])
    context = error.get("ctx", {})
    if say is not None:
        return say(error["input"], context)
    return error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the message for ``key`` in a table that has the keys ``known``."""
    begun = [name for name in known if len(key) > 2 and name.startswith(key)]
    near = suggest(key, begun or known) or suggest(key.lower(), known)
    if not near and known:
        near = f"; there {'are' if len(known) > 1 else 'is only'} {listed(known)}"
    return f"unknown key{near}"


def listed(names: Iterable[object]) -> str:
    """Return names in quotes, as many as fit into a message."""
    names = list(names)
    shown = ", ".join(quoted(name) for name in names[:FEW])
    return f"{shown} and {len(names) - FEW} more" if len(names) > FEW else shown


def quoted(value: object) -> str:
    """Return a recipe's value as a message shows it: briefly, text in single quotes."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{printable(value, 60)}'"
        case dict():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case datetime.date() | datetime.time():
            return f"the date or time {value}"
        case int() if abs(value) >= 10**40:
            return "a number of more than 40 digits"
        case _:
            return printable(str(value), 60)


def _needs(what: str) -> Callable[[Any, dict[str, Any]], str]:
    def say(value: Any, context: dict[str, Any]) -> str:
        bounds = {name: f"{bound:.12g}" for name, bound in context.items() if is_number(bound)}
        return f"needs {what.format(**(context | bounds))}, got {quoted(value)}"

    return say


def _integer(value: Any, context: dict[str, Any]) -> str:  # noqa: ARG001
    whole = isinstance(value, float) and abs(value) < 1e15 and value == int(value)
    advice = f"; write {int(value)}" if whole else ""
    return f"needs an integer, got {quoted(value)}{advice}"


def _choice(value: Any, context: dict[str, Any]) -> str:
    # Pydantic has "'a', 'b' or 'c'".
    choices = [part.strip(" '") for part in context["expected"].replace(" or ", ",").split(",")]
    near = suggest(value, choices) if isinstance(value, str) else ""
    return f"needs {context['expected']}, got {quoted(value)}{near}"


def _list(value: Any, context: dict[str, Any]) -> str:  # noqa: ARG001
    if isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        return "has no items that could be changed; the recipe has no such list"
    if isinstance(value, dict):
        return "needs a list of tables, got a table; write its header in double brackets: [[...]]"
    return f"needs a list in [brackets], got {quoted(value)}"


def _items(value: Any, context: dict[str, Any]) -> str:
    bound, limit = next(
        (words, context[name])
        for name, words in (("min_length", "at least"), ("max_length", "at most"))
        if name in context
    )
    return f"needs {bound} {limit} item{'s' * (limit != 1)}, got {len(value)}"


_WORDS: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "int_type": _integer,
    "int_from_float": _integer,
    "float_type": _needs("a number"),
    "finite_number": _needs("a finite number"),
    "bool_type": _needs("true or false"),
    "string_type": _needs("text in quotes"),
    "dict_type": _needs("a table"),
    "model_type": _needs("a table"),
    "model_attributes_type": _needs("a table"),
    "list_type": _list,
    "literal_error": _choice,
    "greater_than": _needs("a number above {gt}"),
    "greater_than_equal": _needs("at least {ge}"),
    "less_than": _needs("a number below {lt}"),
    "less_than_equal": _needs("at most {le}"),
    "too_short": _items,
    "too_long": _items,
    "string_too_long": _needs("at most {max_length} characters"),
    "string_too_short": _needs("at least {min_length} characters"),
    "string_pattern_mismatch": _needs("text of the form {pattern}"),
}
