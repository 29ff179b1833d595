"""Fixtures that more than one file of tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Two processes share the tests; each of them and of their children works with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from local_server import LocalServer, running


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """Return a file server on this machine."""
    with running() as local:
        yield local


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data sets, or skip."""
    folder = os.environ.get("GANZOO_DATA")
    if not folder:
        pytest.skip("needs real data: set GANZOO_DATA to a folder with MNIST/raw in it")
    return Path(folder)
