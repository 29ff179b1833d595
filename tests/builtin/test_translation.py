"""pix2pix and CycleGAN: counts, terms, the order of updates, the pool, and going on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from ganzoo import testing
from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.common.errors import GanzooError
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.feed import Batch
from ganzoo.training.machine import set_up
from ganzoo.training.parts import Parts, assemble
from ganzoo_translation import CycleGan, Patch, Pix2Pix, ResnetTranslator, UNet
from ganzoo_translation.modules import ImagePool

SMALL = ["generator.base_channels=2", "discriminator.base_channels=2", "dataset.size=16"]
PIX2PIX = [*SMALL, "generator.levels=3", "generator.dropout=0.0", "train.batch_size=6"]
CYCLEGAN = [*SMALL, "generator.blocks=1", "train.batch_size=4", "step.pool=5", "step.identity=0.5"]
STEPS = 4

test_pix2pix_keeps_its_promises = testing.suite(Pix2Pix)
test_cyclegan_keeps_its_promises = testing.suite(CycleGan)


@pytest.fixture
def _double() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(before)


def image(side: int, channels: int = 3) -> ImageShape:
    return ImageShape(channels, side, side, input_shape=(3, side, side))


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize(
    ("spec", "shape", "wanted"),
    [
        (UNet(), image(256), 54_413_955),
        (UNet(levels=7), image(128), 41_828_995),
        (ResnetTranslator(), image(256), 11_378_179),
        (ResnetTranslator(blocks=6), image(128), 7_837_699),
    ],
    ids=["unet_256", "unet_128", "resnet_9", "resnet_6"],
)
def test_a_generator_has_the_weights_of_the_published_one(
    spec: Any, shape: ImageShape, wanted: int
) -> None:
    with torch.device("meta"):
        assert count(spec.build(1, shape)) == wanted


def test_a_patch_discriminator_has_the_weights_of_the_published_one() -> None:
    with torch.device("meta"):
        assert count(Patch().build(image(256, 6))) == 2_768_705
        assert count(Patch(norm="instance").build(image(256))) == 2_764_737


def test_a_patch_is_70_pixels_wide() -> None:
    network = Patch(norm="none").build(image(128)).double()
    images = torch.randn(1, 3, 128, 128, dtype=torch.double, requires_grad=True)

    # The logits are 14×14; the one in the middle sees what reaches it.
    (slope,) = torch.autograd.grad(network(images)[7 * 14 + 7], images)

    rows = slope.abs().sum((0, 1, 3)).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == 70


def test_sides_that_cannot_be_halved_so_often_are_told() -> None:
    with pytest.raises(GanzooError, match="256 divides height and width, and images are 100×100"):
        UNet().build(1, image(100))
    with pytest.raises(GanzooError, match=r"discriminator\.layers = 3 leave nothing"):
        Patch().build(image(16))


def built(name: str, overrides: list[str], dtype: torch.dtype = torch.float64) -> Parts:
    registry = load_plugins()
    recipe = load_recipe(find_recipe(name), registry, overrides)
    machine, _ = set_up("cpu", threads=1)
    parts = assemble(recipe, registry, DataRoot(data_root(None), False), machine, warn=print)
    for network in parts.networks.values():
        network.to(dtype)
    return parts


def double(parts: Parts, number: int) -> Batch:
    return parts.feed(number).each(lambda each: each.double() if each.is_floating_point() else each)


def copies(parts: Parts) -> dict[str, nn.Module]:
    import copy

    return {name: copy.deepcopy(side.network) for name, side in parts.sides.items()}


def adam(*networks: nn.Module, lr: float) -> torch.optim.Optimizer:
    weights = [each for network in networks for each in network.parameters()]
    return torch.optim.Adam(weights, lr=lr, betas=(0.5, 0.999))


def apart(parts: Parts, networks: dict[str, nn.Module]) -> float:
    return max(
        float((a - b).detach().abs().max())
        for name, network in networks.items()
        for a, b in zip(network.parameters(), parts.sides[name].network.parameters(), strict=True)
    )


@pytest.mark.usefixtures("_double")
def test_pix2pix_is_its_equations_in_their_order() -> None:
    constant = [f"optimizer.{role}.schedule='constant'" for role in ("generator", "discriminator")]
    parts = built("pix2pix_digits", [*PIX2PIX, *constant])
    networks = copies(parts)
    first, second = networks["generator"], networks["discriminator"]
    moves = adam(first, lr=2e-4), adam(second, lr=2e-4)

    for step in range(STEPS):
        found = parts.step(step, lambda number: double(parts, number))
        batch = double(parts, step)
        given, wanted = batch.inputs, batch.images
        assert given is not None
        made = first(given)
        real, fake = (
            second(torch.cat([given, wanted], 1)),
            second(torch.cat([given, made], 1).detach()),
        )
        terms = {
            "d/real": bce(real, torch.ones_like(real)) / 2,
            "d/fake": bce(fake, torch.zeros_like(fake)) / 2,
        }
        moves[1].zero_grad()
        (terms["d/real"] + terms["d/fake"]).backward()
        moves[1].step()
        fake = second(torch.cat([given, made], 1))
        terms["g/adversarial"] = bce(fake, torch.ones_like(fake))
        terms["g/l1"] = 100 * (made - wanted).abs().mean()
        moves[0].zero_grad()
        (terms["g/adversarial"] + terms["g/l1"]).backward()
        moves[0].step()

        assert found.keys() == terms.keys()
        for name, value in terms.items():
            torch.testing.assert_close(found[name], value.detach())
        assert apart(parts, networks) < 1e-10


class ListPool:
    """A pool of fakes as one would write it with a list."""

    def __init__(self, size: int) -> None:
        self.size, self.images = size, list[Tensor]()

    def query(self, fakes: Tensor, drawn: Tensor) -> Tensor:
        found = []
        for fake, (chance, which) in zip(fakes, drawn.tolist(), strict=True):
            if len(self.images) < self.size:
                self.images.append(fake)
                found.append(fake)
            elif chance > 0.5:
                place = int(which * self.size)
                found.append(self.images[place])
                self.images[place] = fake
            else:
                found.append(fake)
        return torch.stack(found)


@pytest.mark.usefixtures("_double")
def test_cyclegan_is_its_equations_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    constant = [f"optimizer.{role}.schedule='constant'" for role in ("generator", "discriminator")]
    rates = ["optimizer.generator.lr=1e-3", "optimizer.discriminator.lr=5e-4"]
    parts = built("cyclegan_digits", [*CYCLEGAN, *constant, *rates])
    nets = copies(parts)
    there, back = nets["generator"], nets["generator_back"]
    moves = (
        adam(there, back, lr=1e-3),
        adam(nets["discriminator"], nets["discriminator_back"], lr=5e-4),
    )
    pools = {"": ListPool(5), "_back": ListPool(5)}
    drawn: list[Tensor] = []
    plain = ImagePool.exchanged

    def noted(self: ImagePool, fakes: Tensor, numbers: Tensor) -> Tensor:
        drawn.append(numbers)
        return plain(self, fakes, numbers)

    monkeypatch.setattr(ImagePool, "exchanged", noted)
    for step in range(STEPS):
        found = parts.step(step, lambda number: double(parts, number))
        batch = double(parts, step)
        a, b = batch.inputs, batch.images
        assert a is not None
        for each in (nets["discriminator"], nets["discriminator_back"]):
            each.requires_grad_(False)
        fake, fake_back = there(a), back(b)
        terms = {
            "g/adversarial": (nets["discriminator"](fake) - 1).square().mean(),
            "g/adversarial_back": (nets["discriminator_back"](fake_back) - 1).square().mean(),
            "g/cycle": 10 * (back(fake) - a).abs().mean(),
            "g/cycle_back": 10 * (there(fake_back) - b).abs().mean(),
            "g/identity": 5 * (there(b) - b).abs().mean(),
            "g/identity_back": 5 * (back(a) - a).abs().mean(),
        }
        moves[0].zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        moves[0].step()
        moves[1].zero_grad()
        for name, made, real in (("", fake, b), ("_back", fake_back, a)):
            judge = nets[f"discriminator{name}"]
            judge.requires_grad_(True)
            shown = pools[name].query(made.detach(), drawn.pop(0))
            terms[f"d/real{name}"] = (judge(real) - 1).square().mean() / 2
            terms[f"d/fake{name}"] = judge(shown).square().mean() / 2
            (terms[f"d/real{name}"] + terms[f"d/fake{name}"]).backward()
        moves[1].step()

        assert found.keys() == terms.keys()
        for name, value in terms.items():
            torch.testing.assert_close(found[name], value.detach())
        # Biases before a norm have gradients of 1e-17, of which Adam makes small steps.
        assert apart(parts, nets) < 1e-8
    kept = parts.memory["pool"].get_buffer("images")
    torch.testing.assert_close(kept, torch.stack(pools[""].images))


def test_a_pool_gives_every_second_image_for_one_of_before() -> None:
    pool = ImagePool(50, (1,))
    drawn = torch.rand(5000, 2, generator=torch.Generator().manual_seed(0))
    numbers = torch.arange(5000.0).view(-1, 1)

    found = torch.cat([pool.exchanged(numbers[i : i + 1], drawn[i : i + 1]) for i in range(5000)])

    assert torch.equal(found[:50], numbers[:50])
    old = (found != numbers).float().mean()
    assert 0.47 < float(old) < 0.53
    # Of those kept each is as likely: the mean age is two pools, for every second goes in.
    ages = (numbers - found)[(found != numbers).flatten()]
    assert 90 < float(ages.mean()) < 110


@pytest.mark.parametrize(
    ("name", "overrides"), [("pix2pix_digits", PIX2PIX), ("cyclegan_digits", CYCLEGAN)]
)
def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(
    name: str, overrides: list[str], tmp_path: Path
) -> None:
    from ganzoo.runs import checkpoint
    from ganzoo.runs.folder import checkpoints
    from ganzoo.session import build, train
    from ganzoo.training.loop import new_run
    from ganzoo.training.place import Place
    from ganzoo.training.state import Silent, TrainingState

    class Dies(Silent):
        def stepped(self, training: TrainingState) -> None:
            if training.step == 4:
                raise ZeroDivisionError

    registry = load_plugins()
    more = ["train.steps=6", "checkpoint.every=3", "ema.half_life=3", "samples.every=0"]
    few = ["samples.rows=1", "samples.columns=1", "measure.samples=8", "measure.reference=8"]
    recipe = load_recipe(
        find_recipe(name), registry, [*overrides, *more, *few, "generator.dropout=0.5", "metric=[]"]
    )
    place = Place("cpu", None, 1, offline=True)
    ends = []
    for dies in (False, True):
        parts = build(recipe, registry, place, Silent())
        run = new_run(parts, tmp_path / str(dies), "run")
        if dies:
            with pytest.raises(ZeroDivisionError):
                train(parts, run, registry, Dies())
            train(build(recipe, registry, place, Silent()), run, registry, Silent(), resume=True)
        else:
            train(parts, run, registry, Silent())
        ends.append(checkpoint.read_checkpoint(checkpoints(run.checkpoints)[0])[0])

    first, second = ends
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    if "cyclegan" in name:
        assert {"memory/pool/images", "average.generator_back/1.weight"} <= first.keys()
        assert int(first["memory/pool/count"]) == 5
