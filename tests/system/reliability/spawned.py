"""The command line whose workers are spawned, as on macOS and Windows; Ctrl-C as they start.

Called with the number of the loader that is interrupted, and ganzoo's words.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from typing import Any

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    from torch.utils.data import dataloader

    import ganzoo_datasets.image_files
    from ganzoo.cli import main

    ganzoo_datasets.image_files.RESIDENT = 0
    begin = dataloader._MultiProcessingDataLoaderIter.__init__
    begun: list[int] = []
    which = int(sys.argv.pop(1))

    def interrupted(self: Any, *given: Any, **named: Any) -> None:
        begun.append(1)
        if len(begun) == which:
            # While the workers import torch.
            threading.Timer(0.3, os.killpg, (0, signal.SIGINT)).start()
        begin(self, *given, **named)

    dataloader._MultiProcessingDataLoaderIter.__init__ = interrupted
    main()
