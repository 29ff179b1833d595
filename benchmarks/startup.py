"""Processor seconds of commands that train and sample nothing: ``python -m benchmarks.startup``.

Each is a process of its own, started five times after a first one that counts for nothing, so that
bytecode and the index of plugins are there; the table has the median of user and system time
together, which others on the machine disturb less than the clock. ``--json`` prints the figures,
``--turns`` sets their number.
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
from collections.abc import Sequence
from pathlib import Path

COMMANDS = (
    "--version",
    "--help",
    "run --help",
    "check dcgan_digits",
    "list",
    "list losses",
    "list recipes",
    "list runs",
    "show bce",
    "show dcgan_digits",
    "plugins",
    "schema",
    "doctor",
    "data path",
    "data get digits",
    "new recipe mine --from fast_digits",
    "speedrun",
    "runs",
    "data cache list",
    "new plugin mine",
    "run",
    "run nope",
    "run dcgan_digits --epochs 3",
    "measure nope",
    "sample nope -n 4",
    "resume nope",
    "report nope",
    "export nope --to onnx",
    "compare nope other",
    "ablate nope",
    "bench nope",
    "speedrun nope",
    "invert nope x.png",
    "play nope",
    "translate nope pictures",
    "board nope",
)


def seconds(words: Sequence[str], folder: Path) -> tuple[float, int]:
    """Return the processor seconds of one start, and its exit code."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ganzoo", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if not hasattr(os, "wait4"):  # Windows tells of no child's time
        code = process.wait()
        return time.perf_counter() - begun, code
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, process.returncode


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for command in COMMANDS:
        words = command.split()
        took = []
        for turn in range(given.turns + 1):
            # A new folder each time: what a command makes is not there for the next.
            with tempfile.TemporaryDirectory() as folder:
                used, code = seconds(words, Path(folder))
            if turn:
                took.append(used)
        rows.append((command, statistics.median(took), min(took), max(took), code))
    if given.json:
        keys = ("command", "median", "least", "most", "exit_code")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
        return
    print(f"{'ganzoo ...':<30} median  least   most  exit code")
    for command, median, least, most, code in rows:
        print(f"{command:<30} {median:6.2f} {least:6.2f} {most:6.2f}  {code}")


if __name__ == "__main__":
    main()
