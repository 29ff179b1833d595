"""What goes to the terminal: results to stdout, messages to stderr, whatever they are made of."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import re
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

import click

from ganzoo.common.errors import printable
from ganzoo.common.files import finite

if TYPE_CHECKING:
    from rich.console import Console

PLAIN = {
    "×": "x", "·": "-", "…": "...", "–": "-", "→": "->", "←": "<-", "±": "+-", "’": "'",
    "✓": "+", "✗": "x", "▸": ">", "‖": "|", "∕": "/", "√": "sqrt ", "∗": "*", "∘": "o", "ø": "o",
    "⟨": "<", "⟩": ">", "∇": "grad ", "⌈": "ceil(", "⌉": ")", "−": "-", "⁄": "/", "¦": "|",
}  # fmt: skip
"""What stands for a character that the terminal's encoding does not have."""
LONGEST = 40_000
"""Characters of one message at most."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a disk that has no room for a result."""
UNLIMITED = 10_000
"""Width where there is no terminal: a pipe gets every line whole."""


def open_streams() -> None:
    """Make the standard streams usable: open, and able to write any character."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file to be opened, a checkpoint maybe, would become stdout.
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error("ganzoo", _replace)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ganzoo")


def say(text: str = "") -> None:
    """Write a result to stdout, inert whatever it contains."""
    result(text)


def result(content: Any, *, steady: bool = False, whole: bool = False) -> None:
    """Write a result to stdout: text as it is, anything else as strict JSON in ASCII.

    Args:
        content: text or JSON.
        steady: whether a closed stdout is nobody's business, as after hours of training; a full
            disk under it is.
        whole: whether text is for a program, and its lines stay whole on a terminal, too.
    """
    if isinstance(content, str):
        text = printable(content, LONGEST)
        text = text if whole else fitted(text, sys.stdout)
    else:
        text = json.dumps(finite(content), indent=2, allow_nan=False)
    try:
        click.echo(text)
    except (OSError, ValueError) as error:
        if not steady or getattr(error, "errno", None) in FULL:
            raise
        hush(sys.stdout)


def tell(text: str) -> None:
    """Write a message to stderr; where that is closed, to nobody."""
    steady = Steady(sys.stderr)
    steady.write(fitted(printable(text, LONGEST), sys.stderr) + "\n")
    steady.flush()


def warn(text: str) -> None:
    """Write a warning to stderr."""
    tell(f"WARNING {text}")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of results to stdout; the last column takes what room there is."""
    from rich.table import Table
    from rich.text import Text

    is_wide = len(columns) > 8
    table = Table(box=None, pad_edge=False, header_style="dim", collapse_padding=is_wide)
    for index, name in enumerate(columns):
        table.add_column(name, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell), LONGEST)) for cell in row))
    target = console("stdout")
    if title:
        target.print(Text(printable(title), style="bold"))
    if target.is_terminal:
        target.print(table)
        return
    with target.capture() as captured:
        target.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_warning(target: Console, text: str) -> None:
    """Print a warning: framed on a terminal, after 'WARNING' elsewhere."""
    from rich.panel import Panel
    from rich.text import Text

    clean = Text(printable(text, LONGEST))
    if not target.is_terminal:
        target.print(Text(f"WARNING {clean.plain}"), soft_wrap=True)
        return
    target.print(
        Panel(clean, title="WARNING", title_align="left", border_style="bold yellow", expand=False)
    )


def paragraphs(text: str) -> str:
    """Return text as it is, or in lines of the terminal's width where there is one."""
    target = console("stdout")
    if not target.is_terminal:
        return text
    return "\n\n".join(textwrap.fill(part, target.width) for part in text.split("\n\n"))


def console(stream: str, *, steady: bool = False) -> Console:
    """Return a console on 'stdout' or 'stderr' that takes no markup from anyone.

    Args:
        steady: whether it outlives its reader.
    """
    from rich.console import Console

    class Inert(Console):
        def on_broken_pipe(self) -> None:
            """Let the error reach whoever ends the command; rich would leave with 1."""
            raise

    file = getattr(sys, stream)
    return Inert(
        file=cast(IO[str], Steady(file)) if steady else file,
        width=None if file.isatty() else UNLIMITED,
        markup=False,
        emoji=False,
        highlight=False,
    )


def fitted(text: str, stream: TextIO) -> str:
    """Return text in lines that end between words, where ``stream`` is a terminal."""
    width = 0
    with suppress(OSError, ValueError):
        width = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    if not width:
        return text
    return "\n".join(hanging(*label_and_text(line), width) for line in text.split("\n"))


def hanging(label: str, text: str, width: int) -> str:
    """Return a row of label and text in lines of ``width``, the text indented.

    A text with a word that fills half a line, like a path, is left whole, so that it can be copied.
    """
    room = width - len(label)
    words = text.split()
    if len(text) <= room or not words or max(map(len, words)) > room // 2:
        return label + text
    lines = textwrap.wrap(text, room, break_on_hyphens=False)
    return label + ("\n" + " " * len(label)).join(lines)


def label_and_text(line: str) -> tuple[str, str]:
    """Split 'data      digits: …' after its blanks, and '  what follows' before its first word."""
    found = re.match(r"\S+ {2,}|\s*", line)
    start = found.end() if found else 0
    return line[:start], line[start:]


class Steady:
    """A stream whose reader may leave without stopping us."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or be silent from now on."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            hush(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush, or be silent from now on."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            hush(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def hush(stream: TextIO) -> None:
    """Send the rest of what ``stream`` is given to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_plain(character) for character in lost), error.end


def _plain(character: str) -> str:
    """Return what stands for it in ASCII: a letter without its marks, a Greek one's name."""
    if character in PLAIN:
        return PLAIN[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK") and "LETTER" in name:
        return name.rpartition(" ")[2].lower().replace("lamda", "lambda")
    parts = unicodedata.normalize("NFKD", character)
    rest = "".join(PLAIN.get(part, part) for part in parts if not unicodedata.combining(part))
    if rest.isascii():
        return rest
    # '⊗', CIRCLED TIMES: the last word says what is done.
    return name.rpartition(" ")[2].lower() if unicodedata.category(character) == "Sm" else "?"
