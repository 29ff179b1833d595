"""Small networks get one thread, unless somebody asked for more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_recipe import small
from torch import Tensor, nn

import ganzoo
from ganzoo import recipe, registry
from ganzoo.assembly import assemble
from ganzoo.machine import Machine, prepare
from ganzoo.specs import DataRoot
from ganzoo.threads import PER_THREAD, TRIED, operations, suited

CPU = torch.device("cpu")
FOUR = Machine(CPU, threads=4, chooses_threads=True)


class Product(nn.Module):
    """A matrix product of known cost."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(side, side))

    def forward(self, rows: Tensor) -> Tensor:
        """Multiply ``[N, S]``."""
        return rows @ self.weight


@pytest.fixture
def number(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of threads that torch is told; it is not really told."""
    told: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    return told


def product(side: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a network and its input."""
    return Product(side), (torch.zeros(TRIED, side),)


def test_operations_are_those_of_the_matrix_products() -> None:
    assert operations(product(8), product(16)) == TRIED * 2 * (8**2 + 16**2)


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (249, 1), (251, 2), (376, 3), (10_000, 4)])
def test_threads_grow_with_the_operations_of_a_pass_up_to_those_there_are(
    batch: int, threads: int, number: list[int]
) -> None:
    assert PER_THREAD == 250e6

    found = suited(FOUR, batch, product(1000))  # two million operations a row

    assert found.threads == threads
    assert number == [threads]


def test_threads_that_were_asked_for_stay(number: list[int]) -> None:
    asked, _ = prepare("cpu", threads=3)
    number.clear()

    assert not asked.chooses_threads
    assert suited(Machine(CPU, threads=3), 1, product(8)).threads == 3
    assert number == []


def test_a_network_that_cannot_be_called_keeps_the_threads(number: list[int]) -> None:
    found = suited(FOUR, 1, (Product(8), (torch.zeros(TRIED, 9),)))

    assert (found.threads, number) == (4, [])


def test_a_small_recipe_is_trained_on_one_thread_and_its_record_says_so(
    tmp_path: Path, number: list[int]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small())
    plugins = registry.load(block={"*"})
    checked = recipe.load(path, plugins)
    root = DataRoot(tmp_path, download=False)

    parts = assemble(checked, plugins, root, FOUR, warn=print)

    assert number == [1]
    assert parts.machine.state()["threads"] == 1


def test_counting_leaves_the_first_weights_as_they_are(tmp_path: Path, number: list[int]) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small())
    plugins = registry.load(block={"*"})
    checked = recipe.load(path, plugins)
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
