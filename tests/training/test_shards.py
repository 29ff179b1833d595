"""A batch in parts and in processes: one tree of sums; every part draws what the whole would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from crowd import Crowd
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.training.drawing import Part, Rows
from ganzoo.training.in_parts import joined
from ganzoo.training.shards import Branches, Cut, summed
from ganzoo.training.whole_norm import WholeNorm


def plus(first: str, second: str) -> str:
    return f"({first}{second})"


@pytest.mark.parametrize("parts", [1, 2, 4, 6, 7, 12, 24])
def test_any_number_of_processes_sums_in_the_order_of_one(parts: int) -> None:
    one: Branches[str] = Branches(plus)
    for leaf in range(parts):
        one.put(chr(97 + leaf))
    for processes in (count for count in range(1, parts + 1) if parts % count == 0):
        shipped: list[str] = []
        for rank in range(processes):
            cut = Cut(parts, processes, rank)
            own: Branches[str] = Branches(plus, cut.unit)
            for leaf in cut.own:
                own.put(chr(97 + leaf))
            shipped += own.values
        ends: Branches[str] = Branches(plus)
        for branch in shipped:
            ends.put(branch)
        assert ends.total() == one.total()
        if parts & (parts - 1) == 0:
            assert len(shipped) == processes


def draws(images: Tensor) -> list[Tensor]:
    count = len(images)
    weights = torch.randn(5, 2)
    found = [
        torch.rand(count, 1, 1, 1),
        torch.randn((count, 3)) + weights[0, 0],
        torch.randint(-4, 5, (count, 1)),
        torch.randn_like(images),
        F.dropout(images, 0.4),
        nn.Dropout2d(0.4, inplace=True)(images.clone()),
        nn.AlphaDropout(0.3)(images),
        torch.empty(count * 8).random_(100).view(count, 8),
        torch.bernoulli(torch.full((count, 2), 0.5)) * torch.rand(()),
    ]
    return [*found, torch.normal(0.0, 1.0, (count, 2))]


def test_a_part_draws_its_rows_of_what_the_whole_batch_draws() -> None:
    images = torch.randn(12, 2, 4, 4)
    torch.manual_seed(5)
    whole = draws(images)
    for start, stop in ((0, 3), (3, 6), (5, 12)):
        torch.manual_seed(5)
        with Part(Rows(start, stop - start, 12)):
            part = draws(images[start:stop])
        for of_all, own in zip(whole, part, strict=True):
            torch.testing.assert_close(of_all[start:stop], own, rtol=0, atol=0)


def test_real_images_and_fakes_in_one_pass_and_packs_draw_theirs() -> None:
    torch.manual_seed(5)
    joint, packs = torch.rand(24, 3), torch.rand(6, 3)
    torch.manual_seed(5)
    rows = Rows(4, 4, 12)
    with Part(rows):
        with rows.shown(8, 2):
            own = torch.rand(8, 3)
        with rows.shown(2):
            packed = torch.rand(2, 3)
    assert torch.equal(own, torch.cat([joint[4:8], joint[16:20]]))
    assert torch.equal(packed, packs[2:4])


def test_buffers_come_together_as_they_say() -> None:
    was, parts = torch.tensor([1.0, 1.0]), [torch.tensor([2.0, 0.1]), torch.tensor([5.0, 0.1])]
    shares = [1 / 3, 2 / 3]
    mean = joined("mean", was, parts, shares)
    assert mean[0] == 4.0
    assert mean[1] == parts[0][1]  # to the last bit
    assert joined("sum", was, parts, shares)[0] == 6.0
    assert joined("max", was, parts, shares)[0] == 5.0
    assert joined("first", was, parts, shares)[0] == 2.0


def test_batch_norm_over_processes_is_torchs_up_to_the_second_derivative() -> None:
    torch.manual_seed(0)
    images = torch.randn(6, 3, 2, 2, dtype=torch.double)
    weight = torch.rand(3, dtype=torch.double)

    def penalty(norm: Callable[..., Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x.clone().requires_grad_()
        scale = weight.clone().requires_grad_()
        mean, variance = torch.zeros(3).double(), torch.ones(3).double()
        out = norm(x, mean, variance, scale, None, True, 0.1, 1e-5).tanh().square().sum()
        (slope,) = torch.autograd.grad(out, x, create_graph=True)
        grads = torch.autograd.grad(slope.square().sum(), [x, scale])
        return grads[0], grads[1], torch.cat([mean, variance])

    whole = penalty(F.batch_norm, images)
    halves = Crowd(2).run(
        lambda group: penalty(
            WholeNorm(group, Rows(3 * group.rank, 3, 6)), images[3 * group.rank :][:3]
        )
    )
    torch.testing.assert_close(
        torch.cat([half[0] for half in halves]), whole[0], atol=1e-12, rtol=0
    )
    torch.testing.assert_close(summed([half[1] for half in halves]), whole[1], atol=1e-12, rtol=0)
    torch.testing.assert_close(halves[1][2], whole[2], atol=1e-12, rtol=0)
