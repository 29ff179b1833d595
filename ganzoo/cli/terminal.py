"""What is drawn with rich: tables, and warnings nobody can miss."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

import click

from ganzoo.cli.streams import LONGEST, Steady
from ganzoo.errors import printable

if TYPE_CHECKING:
    from typing import IO

    from rich.console import Console

UNLIMITED = 10_000
"""Width where there is no terminal: a pipe gets every line whole."""


def console(stream: str, *, steady: bool = False) -> Console:
    """Return a console on 'stdout' or 'stderr' that takes no markup from anyone.

    Args:
        steady: whether it outlives its reader.
    """
    from rich.console import Console

    file = getattr(sys, stream)
    return Console(
        file=cast("IO[str]", Steady(file)) if steady else file,
        width=None if file.isatty() else UNLIMITED,
        markup=False,
        emoji=False,
        highlight=False,
    )


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


def paragraphs(text: str) -> str:
    """Return text as it is, or in lines of the terminal's width where there is one."""
    target = console("stdout")
    if not target.is_terminal:
        return text
    return "\n\n".join(textwrap.fill(part, target.width) for part in text.split("\n\n"))


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
