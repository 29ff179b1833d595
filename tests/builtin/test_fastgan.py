"""FastGAN: parameter counts of its authors' code, values written out, its terms, whole runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import ganzoo
from ganzoo import testing
from ganzoo.api import GanzooError, ImageShape
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import checkpoints
from ganzoo.sampling.export import write_onnx
from ganzoo.session import build, measure, train
from ganzoo.training.loop import new_run
from ganzoo.training.place import Place
from ganzoo.training.state import Silent, TrainingState
from ganzoo_fastgan import distances, layers, networks
from ganzoo_fastgan.drawing import quarters
from ganzoo_fastgan.loss import PatchHinge
from ganzoo_fastgan.reconstruction import Reconstruction
from ganzoo_fastgan.specs import FastganDiscriminator, FastganGenerator

COUNTS = {
    256: (29_127_846, 11_526_160),
    512: (29_174_392, 11_526_496),
    1024: (29_176_512, 11_528_192),
}
SMALL = ImageShape(3, 64, 64)
BOTH = [FastganGenerator(base_channels=8), FastganDiscriminator(base_channels=8)]


def numbers(*networks: nn.Module) -> int:
    """Return how many parameters they have."""
    return sum(each.numel() for network in networks for each in network.parameters())


@pytest.mark.parametrize("side", COUNTS)
def test_it_has_the_number_of_parameters_of_its_authors_code(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ImageShape(3, side, side)
    for module in (layers, networks):  # which adds no parameter, and takes long
        monkeypatch.setattr(module, "spectral_norm", lambda layer: layer)
    monkeypatch.setattr(nn.init, "normal_", lambda *_: None)
    made = FastganGenerator().build(256, image)
    judge = FastganDiscriminator().build(image)
    decoders = Reconstruction().module(256, image)
    assert decoders is not None

    assert numbers(made) == COUNTS[side][0]
    assert numbers(decoders) == 3_139_488
    assert numbers(judge, decoders) == COUNTS[side][1]


class Written:
    """A state's layers, written out."""

    def __init__(self, network: nn.Module) -> None:
        self.state = network.state_dict()

    def weight(self, at: str) -> Tensor:
        """A weight over u'Wv, u and v being what the power iteration has come to."""
        raw, u, v = (
            self.state[f"{at}.parametrizations.weight.{name}"]
            for name in ("original", "0._u", "0._v")
        )
        matrix = raw.transpose(0, 1) if at.startswith("first") else raw
        return raw / torch.einsum("i,ij,j->", u, matrix.flatten(1), v)

    def norm(self, maps: Tensor, at: str) -> Tensor:
        """Batch norm by running statistics."""
        mean, variance, scale, shift = (
            self.state[f"{at}.{name}"][:, None, None]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / (variance + 1e-5).sqrt() * scale + shift

    def gate(self, maps: Tensor) -> Tensor:
        half = maps.shape[1] // 2
        return maps[:, :half] / (1 + (-maps[:, half:]).exp())

    def up(self, maps: Tensor, at: str, noisy: bool) -> Tensor:
        maps = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
        for layer in (0, 4) if noisy else (0,):
            maps = F.conv2d(maps, self.weight(f"{at}.layers.{layer}"), padding=1)
            if noisy:
                name = f"{at}.layers.{layer + 1}"
                maps = maps + self.state[f"{name}.weight"] * self.state[f"{name}.fixed"]
            maps = self.gate(self.norm(maps, f"{at}.layers.{layer + (2 if noisy else 1)}"))
        return maps

    def excite(self, small: Tensor, large: Tensor, at: str) -> Tensor:
        cells = small.shape[2] // 4
        pooled = small.unflatten(3, (4, cells)).unflatten(2, (4, cells)).mean((3, 5))
        inner = torch.einsum("ochw,nchw->no", self.weight(f"{at}.layers.0"), pooled)
        inner = inner / (1 + (-inner).exp())
        inner = inner @ self.weight(f"{at}.layers.2")[:, :, 0, 0].T
        return large / (1 + (-inner[..., None, None]).exp())

    def leaky(self, maps: Tensor) -> Tensor:
        return torch.where(maps > 0, maps, 0.2 * maps)

    def down(self, maps: Tensor, at: str) -> Tensor:
        maps = F.conv2d(maps, self.weight(f"{at}.0"), stride=2, padding=1)
        return self.leaky(self.norm(maps, f"{at}.1"))

    def two_ways(self, maps: Tensor, at: str) -> Tensor:
        main = self.down(maps, f"{at}.main.0.layers")
        main = F.conv2d(main, self.weight(f"{at}.main.1"), padding=1)
        main = self.leaky(self.norm(main, f"{at}.main.2"))
        mean = (maps[..., ::2, ::2] + maps[..., 1::2, ::2] + maps[..., ::2, 1::2]) / 4
        mean = mean + maps[..., 1::2, 1::2] / 4
        direct = F.conv2d(mean, self.weight(f"{at}.direct.1"))
        return (main + self.leaky(self.norm(direct, f"{at}.direct.2"))) / 2


def shaken(network: nn.Module) -> nn.Module:
    """Return the network in float64 with every number moved, so that no zero hides a term."""
    torch.manual_seed(1)
    network.double()
    for name, value in network.state_dict().items():
        if name.endswith(("_u", "_v", "original", "fixed")) or not value.is_floating_point():
            continue
        moved = 0.3 * torch.randn_like(value)
        value.add_(moved.abs() if name.endswith("running_var") else moved)
    return network.eval()


def test_both_networks_compute_what_their_layers_say() -> None:
    torch.manual_seed(0)
    made = shaken(FastganGenerator(base_channels=8, output="tanh").build(5, SMALL))
    judge = shaken(FastganDiscriminator(base_channels=8).build(SMALL))
    latent = torch.randn(3, 5).double()

    there = Written(made)
    maps = torch.einsum("nz,zchw->nchw", latent, there.weight("first.0"))
    maps = first = there.gate(there.norm(maps, "first.1"))
    for side in (8, 16, 32):
        maps = there.up(maps, f"ups.{side}", noisy=side != 16)
    small = torch.einsum("oi,nihw->nohw", there.weight("to_small")[:, :, 0, 0], maps).tanh()
    maps = there.excite(first, there.up(maps, "ups.64", noisy=False), "excitations.64")
    images = F.conv2d(maps, there.weight("to_image"), padding=1).tanh()
    found = made(latent)
    assert torch.allclose(found["images"], images, rtol=1e-9, atol=1e-12)
    assert torch.allclose(found["small"], small, rtol=1e-9, atol=1e-12)

    there = Written(judge)
    maps = part = stem = there.leaky(F.conv2d(images, there.weight("stem.0"), padding=1))
    for side in (32, 16, 8):
        maps = there.two_ways(maps, f"downs.{side}")
        part = maps if side == 16 else part
    maps = there.excite(stem, maps, "excitations.8")
    head = F.conv2d(maps, there.weight("head.0"))
    head = F.conv2d(there.leaky(there.norm(head, "head.1")), there.weight("head.3")).flatten(1)
    little = F.conv2d(images[..., ::2, ::2], there.weight("small.0"), stride=2, padding=1)
    little = there.down(there.leaky(little), "small.2.layers")
    small_head = F.conv2d(little, there.weight("small_head")).flatten(1)
    found = judge(images)
    assert torch.allclose(found["patches"], head, rtol=1e-9, atol=1e-12)
    assert torch.allclose(found["small_patches"], small_head, rtol=1e-9, atol=1e-12)
    assert torch.allclose(found["logits"], torch.cat([head, small_head], 1).mean(1))
    for name, wanted in {"whole": maps, "part": part, "small": little}.items():
        assert torch.allclose(found[name], wanted, rtol=1e-9, atol=1e-12)
    assert torch.equal(judge(images[..., ::2, ::2])["small"], found["small"])


class Told:
    """A context that says what the test wants said."""

    def __init__(self, **said: Any) -> None:
        self.__dict__.update(said)

    def uniform(self, *shape: int) -> Tensor:
        """Return a quarter, everywhere."""
        return torch.full(shape, 0.25)

    def view(self, images: Tensor, which: str) -> Tensor:
        """Return what a view would: the double."""
        assert which == "fake"
        return 2 * images

    def outputs(self, images: Tensor, labels: None) -> dict[str, Tensor]:
        """Score by the sum."""
        assert labels is None
        return {"small_patches": images.sum((1, 2, 3))[:, None]}


def test_the_game_is_a_hinge_over_patches_of_both_images_with_a_drawn_margin() -> None:
    out = {"logits": torch.zeros(1), "small_patches": torch.tensor([[9.0]])}
    context: Any = Told(
        real_out={"patches": torch.tensor([[0.35, 2.0]]), "small_patches": -torch.ones(1, 1)},
        fake_out={**out, "patches": torch.tensor([[-0.5, -3.0]])},
        made={"small": torch.full((1, 1, 1, 1), 0.05)},
        fake_labels=None,
    )  # fmt: skip

    terms = PatchHinge(margin=[0.8, 1.0]).discriminator_terms(context)
    (score,) = PatchHinge().generator_terms(context).values()

    # Margin 0.8 + 0.25 · 0.2 = 0.85; the small fake's patch is 2 · 0.05, not what fake_out has.
    assert float(terms["real"]) == pytest.approx((0.5 + 0 + 1.85) / 3)
    assert float(terms["fake"]) == pytest.approx((0.35 + 0 + 0.95) / 3)
    assert float(score) == pytest.approx(-(-0.5 - 3.0 + 0.1) / 3)


def test_a_quarter_of_a_map_is_that_of_the_image() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4).expand(4, 1, 4, 4)

    found = quarters(image, torch.arange(4))

    assert [int(each[0, 0, 0]) for each in found] == [0, 2, 8, 10]
    assert torch.equal(found[3, 0], torch.tensor([[10.0, 11.0], [14.0, 15.0]]))


@pytest.mark.parametrize("distance", ["random", "discriminator", "pixels"])
def test_decoders_learn_to_draw_what_the_maps_hold(distance: Any) -> None:
    torch.manual_seed(0)
    image = ImageShape(3, 32, 32)
    spec = Reconstruction(base_channels=8, distance=distance)
    judge, own = FastganDiscriminator(base_channels=8).build(image), spec.module(0, image)
    assert own is not None
    real = torch.rand(4, 3, 32, 32) * 2 - 1
    moved = [*judge.parameters(), *own.parameters()]
    optimizer = torch.optim.SGD(moved, lr=0.0)

    def terms() -> dict[str, Tensor]:
        torch.manual_seed(1)
        said: Any = Told(real=real, real_out=judge(real), own=own, discriminator=judge)
        return dict(spec.discriminator_terms(said))

    first = terms()
    sum(first.values()).backward()  # type: ignore[union-attr]
    untouched = {name for name, each in judge.named_parameters() if each.grad is None}
    assert all(each.grad is not None for each in own.parameters())
    # All of it learns but what judges.
    assert {name.split(".")[0] for name in untouched} == {"head", "small_head"}
    optimizer.param_groups[0]["lr"] = 0.5
    for _ in range(8):
        optimizer.step()
        optimizer.zero_grad()
        later = terms()
        sum(later.values()).backward()  # type: ignore[union-attr]

    assert first.keys() == {"draw_whole", "draw_part", "draw_small"}
    assert all(bool(later[name] < first[name]) for name in first)


def test_a_distance_is_0_of_equal_images_and_sums_squares_of_unit_vectors() -> None:
    apart = distances.RandomFeatures(3)
    first, second = torch.rand(2, 2, 3, 16, 16) * 2 - 1

    assert float(apart(first, first)) == 0.0
    wanted = 0.0
    for one, other in zip(apart.maps(first), apart.maps(second), strict=True):
        cosines = F.cosine_similarity(one, other)
        lengths = (one.norm(dim=1) > 1e-4).float() + (other.norm(dim=1) > 1e-4).float()
        wanted += float((lengths - 2 * cosines).mean())  # |a - b|² = |a|² + |b|² - 2 ab
    assert float(apart(first, second)) == pytest.approx(wanted, rel=1e-3)


def vgg(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write weights of a VGG-16 of one eighth's width, and have that one expected."""
    narrow = tuple(tuple(width // 8 for width in stage) for stage in distances.VGG)
    monkeypatch.setattr(distances, "VGG", narrow)
    torch.manual_seed(0)
    shapes = distances._shapes()
    save_file({name: torch.rand(shape) - 0.3 for name, shape in shapes.items()}, path)


def test_lpips_is_read_from_a_file_and_that_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vgg.safetensors"
    assert len(distances._shapes()) == 13 * 2 + 5
    assert distances._shapes()["features.28.weight"] == (512, 512, 3, 3)  # torchvision's last
    vgg(path, monkeypatch)
    own = Reconstruction(distance="lpips", path=str(path), base_channels=8).module(0, SMALL)
    assert own is not None
    apart: Any = own.get_submodule("distance")
    image = torch.rand(1, 3, 32, 32)

    assert float(apart(image, image)) == 0.0
    assert float(apart(image, image.flip(3))) != 0.0
    assert [each.shape[1] for each in apart.maps(image)] == [8, 16, 32, 64, 64]
    assert not any("features" in name for name in own.state_dict())  # not in every checkpoint
    with pytest.raises(GanzooError, match="is another file: its SHA-256 is"):
        Reconstruction(distance="lpips", path=str(path), sha256="0" * 64).module(0, SMALL)
    save_file({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(GanzooError, match=r"lacks features\.0\.weight, .* of 31 tensors"):
        Reconstruction(distance="lpips", path=str(path)).module(0, SMALL)
    with pytest.raises(GanzooError, match="cannot be read"):
        Reconstruction(distance="lpips", path=str(tmp_path / "none")).module(0, SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [*BOTH, PatchHinge(), Reconstruction(base_channels=8)],
    ids=lambda spec: f"{spec.kind}-{spec.use}",
)  # fmt: skip
def test_it_keeps_its_promises(spec: Any) -> None:
    beside = {"beside": BOTH} if spec.kind == "regularizer" else {}

    report = testing.check(spec, **beside)

    report.raise_for_problems()


def test_other_sizes_are_refused() -> None:
    for image in (
        ImageShape(3, 48, 48),
        ImageShape(3, 64, 32),
        replace(SMALL, height=2048, width=2048),
    ):
        with pytest.raises(GanzooError, match="are not one of 32×32"):
            FastganGenerator().build(10, image)
        with pytest.raises(GanzooError, match="are not one of 32×32"):
            FastganDiscriminator().build(image)


TINY = (
    "train.steps=20",
    "train.batch_size=4",
    "samples.every=0",
    "samples.rows=1",
    "samples.columns=2",
    "checkpoint.every=10",
    "metric=[]",
    "measure.samples=64",
    "measure.reference=100",
    'measure.network="random"',
)


class Dies(Silent):
    """Kills a run two steps beyond its checkpoint."""

    def stepped(self, training: TrainingState) -> None:
        """Raise."""
        if training.step == 12:
            raise ZeroDivisionError


@pytest.mark.slow
def test_it_trains_and_goes_on_after_a_kill_bit_for_bit_is_sampled_exported_and_measured(
    tmp_path: Path,
) -> None:
    known = registry.load_plugins(block={"*"})
    recipe = load_recipe(find_recipe("fastgan_64"), known, TINY)
    place = Place("cpu", None, 1, offline=True)
    ends = []
    for name in ("whole", "killed"):
        parts = build(recipe, known, place, Silent())
        run = new_run(parts, tmp_path / name, "fastgan")
        if name == "killed":
            with pytest.raises(ZeroDivisionError):
                train(parts, run, known, Dies())
            parts = build(recipe, known, place, Silent())
        train(parts, run, known, Silent(), resume=name == "killed")
        ends.append(checkpoint.read_checkpoint(checkpoints(run.checkpoints)[0])[0])

    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    done = ganzoo.open_run(run.path)
    model = done.model(average=False)
    latent = torch.randn(3, 64)
    assert torch.equal(model(latent), model(latent))  # noise stands still
    write_onnx(model, tmp_path / "generator.onnx")  # which is tried against the network
    frechet = load_recipe(find_recipe("fastgan_64"), known, (*TINY, 'metric=[{use="frechet"}]'))
    found = measure(run, frechet, known, place, Silent())
    assert found.result["metrics"]["frechet"]["last"]["value"] > 0
