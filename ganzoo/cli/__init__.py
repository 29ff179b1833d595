"""The command line: ``ganzoo VERB``. Parsing, calling and printing; the work is done elsewhere."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    # Before torch is imported: threads that wait by spinning starve their neighbours.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Else pydantic reads the metadata of everything installed, in search of extensions of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from ganzoo.cli.app import ganzoo
    from ganzoo.cli.leaving import watch

    try:
        ganzoo.main(prog_name="ganzoo")
    except SystemExit as leaving:
        watch(leaving.code if isinstance(leaving.code, int) else 0)
        raise
