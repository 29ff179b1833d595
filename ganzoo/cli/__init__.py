"""The command line: ``ganzoo VERB``. Parsing, calling and printing; the work is done elsewhere."""

from __future__ import annotations

import gc
import os
from typing import Any

OBJECTS = 200_000
"""Objects that a command makes before Python first looks for those that nobody needs."""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    collect_later()
    # Before torch is imported: threads that wait by spinning starve their neighbours.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Else pydantic reads the metadata of everything installed, in search of extensions of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from ganzoo.cli.app import ganzoo
    from ganzoo.cli.leaving import leave_all, watch

    try:
        ganzoo.main(prog_name="ganzoo")
    except SystemExit as leaving:
        watch(leaving.code if isinstance(leaving.code, int) else 0)
        leave_all()
        raise


def collect_later() -> None:
    """Have the search for cycles wait until a start is over, and be as it always is from then on.

    What is imported stays: looking through it several times is a tenth of a short command.
    """
    usual = gc.get_threshold()

    def begun(phase: str, info: dict[str, Any]) -> None:  # noqa: ARG001
        if begun in gc.callbacks:
            gc.callbacks.remove(begun)
            gc.set_threshold(*usual)

    gc.callbacks.append(begun)
    gc.set_threshold(OBJECTS, *usual[1:])
