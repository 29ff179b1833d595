"""What a family makes of its batches does not depend on how many processes share them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from crowd import Crowd
from families import FAMILIES, SMALL, built
from torch import Tensor

from ganzoo.common.errors import GanzooError
from ganzoo.runs.optimizer_state import pack_optimizer
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import HalfStep, half_step
from ganzoo.training.together import Group

STEPS = 4


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(before)


def trained(name: str, overrides: list[str], group: Group | None = None) -> dict[str, Tensor]:
    """Train some steps in float64; return all that is then known."""
    parts = built(name, overrides, group)
    found: dict[str, Tensor] = {}

    def batch(number: int) -> Batch:
        found = parts.feed(number)
        inputs = None if found.inputs is None else found.inputs.double()
        return found._replace(images=found.images.double(), inputs=inputs)

    for step in range(STEPS):
        terms = parts.step(step, batch, observe=True)
        if parts.average is not None:
            parts.average.follow(parts.generator.network, step)
        found |= {f"{step} {key}": value.detach().clone() for key, value in terms.items()}
    for place, network in parts.networks.items():
        found |= {f"{place}/{key}": value.clone() for key, value in network.state_dict().items()}
    for role, side in parts.sides.items():
        found |= pack_optimizer(role, side.optimizer)[0]
    return found


def far(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Return the largest difference; counts, and shares that torch has as float32, are equal."""
    assert first.keys() == second.keys()
    worst = 0.0
    for key, value in first.items():
        other = second[key]
        if not torch.equal(value, other) and value.dtype == torch.float64:
            apart = (value.double() - other.double()).abs().max() / max(
                1.0, float(value.abs().max())
            )
            worst = max(worst, float(apart))
        elif value.dtype != torch.float64:
            torch.testing.assert_close(value, other)
    return worst


# One of each stands for all where time is short; the others are taken with ``-m slow``.
QUICK = {"lazy"}
ALL = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow], id=name)
    for name in FAMILIES
]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_ends_in_the_bits_of_one_process_at_equal_shards(family: str) -> None:
    name, overrides = FAMILIES[family]
    cut = [*overrides, "train.shards=12"]
    if family != "uneven":  # two images a part, for batch norm
        cut += ["train.batch_size=24", "train.last_batch='drop'"]
    one = trained(name, cut)
    for count in (2, 3, 4):
        for found in Crowd(count).run(lambda group: trained(name, cut, group)):
            assert far(found, one) == 0, count


@pytest.mark.parametrize("family", ALL)
def test_two_processes_train_as_one_does_without_parts(family: str) -> None:
    name, overrides = FAMILIES[family]
    # Adam with a small epsilon turns gradients of 1e-17, which are zeros, into steps.
    overrides = [
        *overrides,
        *(f"optimizer.{role}.eps=1e-3" for role in ("generator", "discriminator")),
    ]
    one = trained(name, overrides)
    cut = [*overrides, "train.shards=2", "train.sync_norm=true"]
    both = Crowd(2).run(lambda group: trained(name, cut, group))
    for found in both:
        assert far(found, one) < 1e-12
    assert far(both[0], both[1]) == 0


ADA = "view=[{use='ada', interval=1, images=50, target=-1}]"


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("dcgan_digits", [*SMALL, ADA, "step.accumulate=2", "train.batch_size=10"]),
        (
            "pix2pix_digits",
            [*FAMILIES["pix2pix"][1], ADA, "step.accumulate=2", "train.batch_size=10"],
        ),
    ],
    ids=["images", "patches"],
)
def test_what_views_observe_comes_together_from_parts_unlike_in_size(
    name: str, overrides: list[str]
) -> None:
    overrides = [*overrides, "train.shards=2"]  # of three images and of two
    one = trained(name, overrides)
    assert any(bool(one[key] > 0) for key in one if key.startswith("0 s/"))
    for found in Crowd(2).run(lambda group: trained(name, overrides, group)):
        assert far(found, one) == 0


def test_a_last_batch_with_fewer_images_than_parts_is_refused() -> None:
    overrides = [*SMALL, "train.batch_size=24", "train.shards=12", "train.last_batch='keep'"]
    with pytest.raises(GanzooError, match="has 10 of 1,498 images, fewer than the 12 parts"):
        Crowd(2).run(lambda group: built("dcgan_digits", overrides, group))


def shown(
    overrides: list[str], monkeypatch: pytest.MonkeyPatch, count: int = 1
) -> dict[tuple[int, str], str]:
    """Return the digest of what each half of a step is shown: images as seen, labels, latents."""
    seen: dict[int, dict[tuple[int, str], list[list[Tensor]]]] = {}
    rank_of = threading.local()

    def watched(game: Any, role: Any, step: int, batch: Any, *rest: Any) -> HalfStep:
        context = half_step(game, role, step, batch, *rest)
        assert context.real_labels is not None
        seen.setdefault(rank_of.value, {}).setdefault((step, role), []).append(
            [context.real, context.real_labels, context.latent]
        )
        return context

    def work(group: Group) -> None:
        rank_of.value = group.rank
        trained("cdcgan_digits", overrides, group)

    with monkeypatch.context() as patched:
        patched.setattr("ganzoo.training.step.half_step", watched)
        if count == 1:
            work(Group())
        else:
            Crowd(count).run(work)
    found = {}
    for key in seen[0]:
        pieces = [piece for rank in sorted(seen) for piece in seen[rank][key]]
        whole = [torch.cat(each).double().numpy().tobytes() for each in zip(*pieces, strict=True)]
        found[key] = hashlib.sha256(b"".join(whole)).hexdigest()
    return found


def test_inputs_are_the_same_for_any_parts_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [*SMALL, "view=[{use='flip'}, {use='diffaugment'}]"]
    one = shown(plain, monkeypatch)
    assert len(one) == 2 * STEPS
    assert len(set(one.values())) == 2 * STEPS
    assert shown([*plain, "step.accumulate=3"], monkeypatch) == one
    assert shown([*plain, "train.shards=4"], monkeypatch, 2) == one
