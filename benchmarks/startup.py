"""Processor seconds of commands that train and sample nothing: ``python -m benchmarks.startup``.

Every command that there is, with its help page and in a form that ends at once. Each start is a
process of its own in an empty folder. The first of a command counts for nothing, so that bytecode
and the index of plugins are there; the table has the least of five, and the most, of user and
system time together: others on the machine disturb it less than the clock, and only upwards.
``--json`` prints the figures, ``--markdown`` the table of docs/speed.md, ``--turns`` sets their
number, ``--only WORDS`` takes the commands that begin with these.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from ganzoo.cli.app import ganzoo

COMMANDS = (
    "--version",
    "nope",
    "run",
    "run nope",
    "run dcgan_digits --epochs 3",
    "resume nope",
    "ablate nope",
    "speedrun",
    "speedrun nope",
    "runs",
    "runs list",
    "runs logs nope",
    "runs note nope",
    "runs prune nope",
    "runs remove nope",
    "runs stop nope",
    "runs tag nope good",
    "compare nope other",
    "report nope",
    "board nope",
    "measure nope",
    "measure of nope",
    "measure prepare nope",
    "measure adopt nope",
    "sample nope -n 4",
    "translate nope pictures",
    "play nope",
    "export nope --to onnx",
    "invert nope x.png",
    "list",
    "list recipes",
    "list runs",
    "list models",
    "list losses",
    "list nope",
    "show bce",
    "show conv",
    "show dcgan_digits",
    "show protocol",
    "show nope",
    "check dcgan_digits",
    "check nope",
    "new",
    "new recipe mine --from fast_digits",
    "new recipe mine --dataset digits --loss hinge",
    "new plugin mine",
    "plugins",
    "plugins check nope",
    "schema",
    "data",
    "data get digits",
    "data get nope",
    "data look nope",
    "data path",
    "data cache",
    "data cache list",
    "data cache clear",
    "doctor",
    "bench nope",
    "completion bash",
)
"""What is called, of every command one at least."""
MOST = 1.0
"""Seconds that a command should take at most ..."""
GOALS = {"--version": 0.14, "--help": 0.2, "check dcgan_digits": 0.4, "list": 0.4, "plugins": 0.5}
"""... and those that are called most."""
FIRST = "list"
"""What is called once more each time with an empty cache, as after an installation."""


class Row(NamedTuple):
    """The seconds of one command."""

    command: str
    best: float
    median: float
    most: float
    exit_code: int
    goal: float


def leaves(command: click.Command = ganzoo, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the words of every command, of groups as well, those of plugins included."""
    yield " ".join(words)
    if isinstance(command, click.Group):
        context = click.Context(command)
        known = getattr(command, "known", command.list_commands)
        for name in known(context):
            if (found := command.get_command(context, name)) is not None:
                yield from leaves(found, (*words, name))


def seconds(words: Sequence[str], folder: Path, **variables: str) -> tuple[float, int]:
    """Return the processor seconds of one start, and its exit code."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ganzoo", *words],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if not hasattr(os, "wait4"):  # Windows tells of no child's time
        code = process.wait()
        return time.perf_counter() - begun, code
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, process.returncode


def measured(command: str, turns: int, *, with_cache: bool = True) -> Row:
    """Start a command so many times, and once before."""
    took = []
    for turn in range(turns + 1):
        # A new folder each time: what a command makes is not there for the next.
        with tempfile.TemporaryDirectory() as folder:
            empty = {} if with_cache else {"GANZOO_CACHE": str(Path(folder) / "cache")}
            used, code = seconds(command.split(), Path(folder), **empty)
        if turn:
            took.append(used)
    name = command if with_cache else f"{command} (with an empty cache)"
    goal = GOALS.get(command, MOST) if with_cache else float("inf")
    return Row(name, min(took), statistics.median(took), max(took), code, goal)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    pages = [f"{words} --help".strip() for words in leaves()]
    rows = [
        measured(command, given.turns)
        for command in (*COMMANDS, *pages)
        if command.startswith(given.only)
    ]
    if FIRST.startswith(given.only):
        rows.append(measured(FIRST, given.turns, with_cache=False))
    if given.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    elif given.markdown:
        print("| command | best | median | most |\n|---|---|---|---|")
        for row in rows:
            print(
                f"| `ganzoo {row.command}` | {row.best:.2f} | {row.median:.2f} | {row.most:.2f} |"
            )
    else:
        print(f"{'ganzoo ...':<46}  best median  most  exit code")
        for row in rows:
            late = f"  over {row.goal:g} s" if row.best > row.goal else ""
            figures = f"{row.best:6.2f} {row.median:6.2f} {row.most:5.2f}  {row.exit_code}"
            print(f"{row.command:<46}{figures}{late}")


if __name__ == "__main__":
    main()
