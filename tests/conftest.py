"""Fixtures that more than one file of tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Two processes share the tests; each of them and of their children works with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from local_server import LocalServer, running
from tiny_run import folder, run, tiny  # noqa: F401

from ganzoo.common.data_root import CACHE


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is derived from data out of the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """Return a file server on this machine."""
    with running() as local:
        yield local


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data sets, or skip."""
    root = os.environ.get("GANZOO_DATA")
    if not root or not (Path(root) / "MNIST" / "raw").is_dir():
        pytest.skip("needs real data: set GANZOO_DATA to a folder with MNIST/raw in it")
    return Path(root)


@pytest.fixture(scope="session")
def photographs(real_data: Path) -> str:
    """Return the name of an archive of real photographs in the folder of real data, or skip."""
    name = "cifar10-jpg.zip"
    if not (real_data / name).is_file():
        pytest.skip(f"needs {name}, 5,000 photographs in folders by class, in GANZOO_DATA")
    return name
