"""Fixtures that more than one file of tests uses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Two processes share the tests; each of them and of their children works with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from chromium import browser  # noqa: F401
from local_server import LocalServer, running
from posix_only import imports_posix, needs_posix
from tiny_run import folder, run, tiny  # noqa: F401

from ganzoo.common.data_root import CACHE


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is derived from data out of the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out files that Windows cannot import."""
    is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return (is_test and imports_posix(collection_path)) or None if is_windows() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of signals, links and devices that Windows has not."""
    for item in items if is_windows() else []:
        if isinstance(item, pytest.Function) and needs_posix(item.function):
            item.add_marker(pytest.mark.skip(reason="needs POSIX"))


def is_windows() -> bool:
    """Return whether this is Windows; GANZOO_AS_WINDOWS shows elsewhere what would be left."""
    return sys.platform == "win32" or "GANZOO_AS_WINDOWS" in os.environ


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
