"""Toy worlds: known points, known scores, and a game that need not converge."""

import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ganzoo.api import DataRoot, GanzooError, ImageShape
from ganzoo.measure.features import points
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import Scorer
from ganzoo.plugin.registry import load_plugins as load_registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Measure
from ganzoo.report.points import SIDE, scatter
from ganzoo.session import train
from ganzoo.training.loop import new_run
from ganzoo.training.machine import Machine
from ganzoo.training.parts import assemble
from ganzoo.training.state import Silent, TrainingState
from ganzoo_toys import Dirac, Grid, Linear, Mixture, Mlp, MlpDiscriminator, Offset, Ring

NOWHERE = DataRoot(Path("/nowhere"), download=False)
RECIPES = Path(__file__).parents[2] / "recipes"
PLANE = ImageShape(2, 1, 1)
LINE = ImageShape(1, 1, 1)
REGISTRY = load_registry()


def scorer(world: Ring | Grid) -> Scorer:
    train, test = world.build(NOWHERE), world.build(NOWHERE, "test")
    bench = Bench(Measure(samples=1000, reference=5000), PLANE, train, test, points())
    return Scorer(bench, [Mixture()], ema=False)


def test_a_ring_has_eight_gaussians_on_a_circle() -> None:
    data = Ring().build(NOWHERE)
    assert isinstance(data.images, torch.Tensor)
    assert data.labels is not None
    flat = data.images.flatten(1)

    assert data.images.shape == (50_000, 2, 1, 1)
    assert len(data.classes) == 8
    for number in range(8):
        own = flat[data.labels == number]
        turn = torch.tensor(number * torch.pi / 4)
        centre = torch.stack([turn.cos(), turn.sin()])
        torch.testing.assert_close(own.mean(0), centre, atol=1e-3, rtol=0)
        torch.testing.assert_close(own.std(0), torch.full((2,), 0.01), atol=5e-4, rtol=0)


def test_a_grid_has_the_centres_of_the_paper() -> None:
    assert set(Grid().centres()) == {(-4 + 2 * i, -4 + 2 * j) for i in range(5) for j in range(5)}


def test_worlds_are_the_same_every_time_and_their_splits_differ() -> None:
    first, again, test = Ring().build(NOWHERE), Ring().build(NOWHERE), Ring().build(NOWHERE, "test")

    assert first.fingerprint == again.fingerprint != test.fingerprint
    assert len(test) == 10_000
    assert Ring(seed=1).build(NOWHERE).fingerprint != first.fingerprint


@pytest.mark.parametrize(("world", "modes"), [(Ring(), 8), (Grid(), 25)])
def test_real_points_find_all_modes_at_the_share_of_a_gaussian(
    world: Ring | Grid, modes: int
) -> None:
    floor = scorer(world).floors()

    assert floor["modes"]["value"] == modes
    expected = 1 - float(torch.tensor(-4.5).exp())
    assert floor["high_quality"]["value"] == pytest.approx(expected, abs=0.015)


def test_points_between_the_modes_are_no_quality_and_one_mode_is_one() -> None:
    ring = scorer(Ring())

    nothing = ring.score([(torch.zeros(1000, 2, 1, 1), None)])
    one = ring.score([(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).repeat(1000, 1, 1, 1), None)])

    shares = Ring().build(NOWHERE).labels.bincount()[:8] / 50_000  # type: ignore[union-attr]
    assert nothing == {
        "high_quality": 0,
        "modes": 0,
        "reverse_kl": pytest.approx(-float(shares.log().min()), abs=0.1),
    }
    assert one == {
        "high_quality": 1,
        "modes": 1,
        "reverse_kl": pytest.approx(-float(shares[0].log()), abs=0.1),
    }


def test_the_reverse_kl_is_that_of_the_shares_of_the_modes() -> None:
    ring = scorer(Ring())
    centres = torch.tensor(Ring().centres())
    hit = centres[[0, 0, 0, 2]].repeat(250, 1).view(1000, 2, 1, 1)

    found = ring.score([(hit, None)])["reverse_kl"]

    uniform = 0.75 * math.log(0.75 * 8) + 0.25 * math.log(0.25 * 8)
    assert found == pytest.approx(uniform, abs=0.05)  # real points are not quite even
    even = ring.score([(centres.repeat(125, 1).view(1000, 2, 1, 1), None)])["reverse_kl"]
    assert 0 <= even < 0.01


def test_perceptrons_have_the_shapes_they_promise() -> None:
    image = ImageShape(3, 4, 5)

    made = Mlp(hidden=[7]).build(6, image)(torch.randn(2, 6))
    scored = MlpDiscriminator(hidden=[]).build(image)(made)

    assert made.shape == (2, 3, 4, 5)
    assert scored.shape == (2,)


def test_perceptrons_of_unrolled_gans_are_orthogonal_with_tanh() -> None:
    plane = ImageShape(2, 1, 1)
    both: list[nn.Module] = [
        Mlp(hidden=[16], activation="tanh", init_gain=1.4).build(16, plane),
        MlpDiscriminator(hidden=[16, 16], activation="tanh", init_gain=1.4).build(plane),
    ]

    for network in both:
        assert any(isinstance(each, nn.Tanh) for each in network.modules())
        assert not any(isinstance(each, nn.ReLU | nn.LeakyReLU) for each in network.modules())
        for name, each in network.named_parameters():
            if name.endswith("bias"):
                assert not bool(each.any())
            elif each.shape == (16, 16):
                torch.testing.assert_close(each @ each.T, 1.4**2 * torch.eye(16))
    with pytest.raises(ValidationError, match="init_std and init_gain both"):
        Mlp(init_std=0.02, init_gain=1.0)


def test_perceptrons_of_pacgan_have_maxout_norms_and_dropout() -> None:
    plane = ImageShape(2, 1, 1)
    generator = Mlp(hidden=[400] * 4, norm="batch", init_std=0.02).build(2, plane)
    spec = MlpDiscriminator(hidden=[200] * 3, pieces=5, init_std=0.02)
    discriminator = spec.build(ImageShape(4, 1, 1))

    # 2·400 + 3·400² + 400·2 + 2, and a scale and a shift of each norm
    assert sum(p.numel() for p in generator.parameters()) == 800 + 480_000 + 802 + 4 * 800
    assert sum(p.numel() for p in discriminator.parameters()) == (
        (4 + 1) * 1000 + 2 * (200 + 1) * 1000 + 201
    )
    first = discriminator[1]  # type: ignore[index]
    assert float(first.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not bool(first.bias.any())
    points = torch.randn(3, 4, 1, 1)
    pieces = first(points.flatten(1)).view(3, 5, 200)
    torch.testing.assert_close(discriminator[2](first(points.flatten(1))), pieces.max(1).values)  # type: ignore[index]
    with_dropout = MlpDiscriminator(hidden=[8], input_dropout=0.2, dropout=0.5).build(plane)
    rates = [m.p for m in with_dropout.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.2, 0.5]


def test_the_two_numbers_of_the_dirac_gan_are_for_points_only() -> None:
    assert Offset(start=2.0).build(1, LINE)(torch.randn(3, 1)).flatten().tolist() == [2, 2, 2]
    with pytest.raises(GanzooError, match="for datasets of points"):
        Linear().build(ImageShape(1, 28, 28))
    assert float(Dirac().build(NOWHERE).images[0]) == 0  # type: ignore[arg-type]


def by_hand(steps: int, rate: float, gamma: float) -> list[float]:
    """Return θ² after every 50th step of the alternating Dirac game, from θ = 1 and ψ = 0."""

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    theta, psi, course = 1.0, 0.0, []
    for step in range(1, steps + 1):
        psi -= rate * (sigmoid(psi * theta) * theta + gamma * psi)
        theta += rate * sigmoid(-psi * theta) * psi
        if step % 50 == 0:
            course.append(theta**2)
    return course


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_the_dirac_gan_goes_home_only_with_a_gradient_penalty(tmp_path: Path, gamma: float) -> None:
    regularizer = f'[{{use="r1", weight={gamma}}}]' if gamma else "[]"
    overrides = [f"regularizer={regularizer}", "train.steps=200", "samples.every=0"]
    recipe = load_recipe(RECIPES / "toy_dirac.toml", REGISTRY, overrides)
    parts = assemble(recipe, REGISTRY, NOWHERE, Machine(torch.device("cpu")), warn=print)
    run = new_run(parts, tmp_path, "dirac")

    said: list[str] = []

    class Paces(Silent):
        def stepped(self, training: TrainingState) -> None:
            said.append(training.pace)

    outcome = train(parts, run, REGISTRY, Paces())
    assert said
    assert all(each.endswith(" points/s") for each in said)
    course = [line["m/frechet"] for line in run.read_log() if "m/frechet" in line]

    assert course == pytest.approx(by_hand(200, 0.2, gamma), rel=1e-3, abs=1e-9)
    # Mescheder et al. 2018, section 2.2 and theorem 4.1; the Fréchet distance of points is θ².
    assert (course[-1] < 1e-9) == (gamma > 0)
    assert outcome.result["metrics"]["frechet"]["floor"]["value"] == 0
    assert (run.path / "samples" / "step-000200.png").is_file()


def test_a_picture_shows_real_points_grey_and_fakes_coloured() -> None:
    real = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).view(2, 2, 1, 1)
    picture = scatter(torch.zeros(1, 2, 1, 1), real)

    assert picture.size == (SIDE, SIDE)
    assert picture.getpixel((SIDE // 2, SIDE // 2)) == (214, 69, 65)
    found = {colour for _, colour in picture.getcolors(10_000) or []}
    assert {(255, 255, 255), (170, 170, 170), (214, 69, 65)} <= found
    line = scatter(None, torch.zeros(5, 1, 1, 1))
    assert line.getpixel((SIDE // 2, SIDE // 2)) == (170, 170, 170)
