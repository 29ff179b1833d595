"""What every test of the command line needs: a way to call it, and something quick to train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ganzoo.cli.app import ganzoo

TINY = """\
# Three steps of two tiny networks on packaged digits.
extends = "dcgan_digits"
metric = []
[train]
steps = 3
batch_size = 8
log_every = 2
[generator]
base_channels = 2
[discriminator]
base_channels = 2
[samples]
rows = 2
columns = 2
every = 2
"""
LOSS = '''\
"""A loss of one's own."""

from typing import ClassVar

from ganzoo.api import LossSpec, hookimpl


class Mine(LossSpec):
    """Least squares."""

    use: ClassVar[str] = "mine"

    def discriminator_terms(self, ctx):
        real, fake = (ctx.real_logits - 1).square(), ctx.fake_logits.square()
        return {"real": real.mean(), "fake": fake.mean()}

    def generator_terms(self, ctx):
        return {"adversarial": (ctx.fake_logits - 1).square().mean()}


@hookimpl
def ganzoo_losses():
    return [Mine]
'''

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with ganzoo's own plugins alone and nothing to download."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANZOO_BLOCK", "*")
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def call() -> Call:
    """Call the command line in this process, as a shell would."""

    def invoke(*words: str | Path) -> Result:
        return CliRunner().invoke(ganzoo, [str(word) for word in words])

    return invoke


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a recipe that takes a moment."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def my_loss(tmp_path: Path) -> Iterator[Path]:
    """Return a plugin file with the loss 'mine'."""
    path = tmp_path / "my_own_loss.py"
    path.write_text(LOSS)
    before = list(sys.path)
    yield path
    sys.path[:] = before
    sys.modules.pop(path.stem, None)


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in bash; 'ganzoo' in it is the one under test."""
    command = f"ganzoo() {{ {sys.executable} -c 'from ganzoo.cli import main; main()' \"$@\"; }}\n"
    return subprocess.run(
        ["bash", "-c", command + line],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def start(*words: str) -> subprocess.Popen[str]:
    """Start the command line in a process group of its own, with signals as a terminal has them."""
    return subprocess.Popen(
        [sys.executable, "-c", "from ganzoo.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def parsed(result: Result) -> Any:
    """Return the JSON on stdout."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
