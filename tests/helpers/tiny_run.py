"""One tiny run on packaged digits, trained from Python, for everything that uses a model."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganzoo
from ganzoo.session import Run

TINY = {
    "train.epochs": 100,
    "train.steps": 4,
    "train.batch_size": 8,
    "train.log_every": 2,
    "generator.base_channels": 4,
    "discriminator.base_channels": 4,
    "samples.every": 2,
    "samples.rows": 2,
    "samples.columns": 3,
    "metric": [],
}


@pytest.fixture(scope="session")
def tiny() -> dict[str, object]:
    """Return the values that make ``dcgan_digits`` tiny."""
    return dict(TINY)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run."""
    out = tmp_path_factory.mktemp("runs")
    return ganzoo.run("dcgan_digits", TINY, out=out, device="cpu", offline=True, quiet=True)


@pytest.fixture(scope="session")
def folder(run: Run) -> Path:
    """Return the run's folder."""
    return run.path
