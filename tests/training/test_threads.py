"""Small networks get one thread, unless somebody asked for more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_recipe import small
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import ganzoo
from ganzoo.common.data_root import DataRoot
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.training.machine import Machine, set_up
from ganzoo.training.parts import assemble
from ganzoo.training.threads import PER_THREAD, TRIED, operations, with_suited_threads

CPU = torch.device("cpu")
FOUR = Machine(CPU, threads=4, chooses_threads=True)


class Bare(nn.Module):
    """A network whose weights are in no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 8))

    def forward(self, rows: Tensor) -> Tensor:
        """Multiply ``[N, 8]``."""
        return rows @ self.weight


@pytest.fixture
def number(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of threads that torch is told; it is not really told."""
    told: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    return told


def product(side: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a network and its input."""
    return nn.Linear(side, side), (torch.zeros(TRIED, side),)


def test_operations_are_those_of_the_matrix_products() -> None:
    assert operations(product(8), product(16)) == TRIED * 2 * (8**2 + 16**2)


def test_operations_of_convolutions_are_those_that_torch_counts() -> None:
    down, up = nn.Conv2d(3, 5, 4, 2, 1), nn.ConvTranspose2d(5, 3, 4, 2, 1)
    images, maps = torch.zeros(TRIED, 3, 8, 8), torch.zeros(TRIED, 5, 4, 4)
    with FlopCounterMode(display=False) as counter:
        down(images)
        up(maps)

    assert operations((down, (images,)), (up, (maps,))) == counter.get_total_flops()


def test_a_network_of_which_nothing_is_known_keeps_the_threads(number: list[int]) -> None:
    found = with_suited_threads(FOUR, 1, product(8), (Bare(), (torch.zeros(TRIED, 8),)))

    assert (found.threads, number) == (4, [])


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (249, 1), (251, 2), (376, 3), (10_000, 4)])
def test_threads_grow_with_the_operations_of_a_pass_up_to_those_there_are(
    batch: int, threads: int, number: list[int]
) -> None:
    assert PER_THREAD == 250e6

    found = with_suited_threads(FOUR, batch, product(1000))  # two million operations a row

    assert found.threads == threads
    assert number == [threads]


def test_threads_that_were_asked_for_stay(number: list[int]) -> None:
    asked, _ = set_up("cpu", threads=3)
    number.clear()

    assert not asked.chooses_threads
    assert with_suited_threads(Machine(CPU, threads=3), 1, product(8)).threads == 3
    assert number == []


def test_a_network_that_cannot_be_called_keeps_the_threads(number: list[int]) -> None:
    found = with_suited_threads(FOUR, 1, (nn.Linear(8, 8), (torch.zeros(TRIED, 9),)))

    assert (found.threads, number) == (4, [])


def test_a_small_recipe_is_trained_on_one_thread_and_its_record_says_so(
    tmp_path: Path, number: list[int]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small())
    plugins = registry.load_plugins(block={"*"})
    checked = load_recipe(path, plugins)
    root = DataRoot(tmp_path, download=False)

    parts = assemble(checked, plugins, root, FOUR, warn=print)

    assert number == [1]
    assert parts.machine.state()["threads"] == 1


def test_counting_leaves_the_first_weights_as_they_are(tmp_path: Path, number: list[int]) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small())
    plugins = registry.load_plugins(block={"*"})
    checked = load_recipe(path, plugins)
    root = DataRoot(tmp_path, download=False)

    counted, plain = (
        assemble(checked, plugins, root, machine, warn=print)
        for machine in (FOUR, Machine(CPU, threads=4))
    )

    assert len(number) == 1
    for ours, theirs in (
        (counted.generator.network, plain.generator.network),
        (counted.discriminator.network, plain.discriminator.network),
    ):
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)
        assert ours.training
        assert theirs.training


def test_a_run_never_imports_the_compiler(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small(above="metric = []"))
    code = (
        "import sys\n"
        "from ganzoo.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('compiler:', 'torch._dynamo' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(path), "--out", str(tmp_path), "--device", "cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert "compiler: False" in done.stdout


def test_a_notebook_gets_its_threads_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    path = tmp_path / "small.toml"
    path.write_text(small(above="metric = []"))
    torch.set_num_threads(before + 1)
    try:
        made = ganzoo.run(path, out=tmp_path / "runs", device="cpu", quiet=True)

        assert torch.get_num_threads() == before + 1
        assert made.folder.read_json("environment.json")["threads"] == 1
    finally:
        torch.set_num_threads(before)


def test_vectors_that_are_looked_up_cost_no_operations() -> None:
    looked_up = nn.Embedding(10, 50)

    assert operations((looked_up, (torch.zeros(TRIED, dtype=torch.int64),)), product(8)) == (
        TRIED * 2 * 8**2
    )
