"""Random numbers are pure functions of seed, stream and position."""

import itertools
import random

import numpy as np
import pytest
import torch

from ganzoo.recipe.model import Latent
from ganzoo.training.randomness import Noise, key, observing

CPU = torch.device("cpu")


def test_a_key_depends_on_seed_stream_and_position() -> None:
    keys = {key(s, name, p) for s in range(5) for name in ("a", "b") for p in range(5)}

    assert len(keys) == 50
    assert key(1, "a", 2) == key(1, "a", 2)
    assert all(0 <= number < 2**63 for number in keys)


def test_latents_do_not_depend_on_what_was_drawn_before() -> None:
    noise = Noise(3, CPU)
    first = noise.latents(Latent(), 4, "latent", 7)
    noise.latents(Latent(), 100, "other", 1)

    torch.testing.assert_close(noise.latents(Latent(), 4, "latent", 7), first, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("prior", "mean", "std"),
    [
        ("normal", 0.0, 1.0),
        ("uniform", 0.0, 3**-0.5),
        # 1 - 2 t φ(t) / (2 Φ(t) - 1) at t = 2
        ("truncated", 0.0, (1 - 4 * 0.05399096651 / 0.9544997361) ** 0.5),
        ("sphere", 0.0, 1.0),
    ],
)
def test_a_prior_has_its_mean_and_spread(prior: str, mean: float, std: float) -> None:
    latents = Noise(0, CPU).latents(Latent(size=200, prior=prior), 500, "latent", 0)  # type: ignore[arg-type]

    assert float(latents.mean()) == pytest.approx(mean, abs=0.01)
    assert float(latents.std()) == pytest.approx(std, abs=0.01)
    if prior == "uniform":
        assert float(latents.min()) >= -1
        assert float(latents.max()) < 1
    if prior == "truncated":
        assert 1.99 < float(latents.abs().max()) <= 2
    if prior == "sphere":
        torch.testing.assert_close(latents.norm(dim=1), torch.full((500,), 200**0.5))


def test_global_generators_are_seeded_by_the_step_alone() -> None:
    noise = Noise(3, CPU)

    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    noise.seed_globals(5)
    first = drawn()
    drawn()
    noise.seed_globals(5)

    assert drawn() == first


def test_no_two_libraries_draw_the_same_bits() -> None:
    noise = Noise(3, CPU)
    bits: dict[str, list[int]] = {"torch": [], "numpy": [], "python": [], "latents": []}

    for step in range(20):
        noise.seed_globals(step)
        bits["torch"] += torch.randint(0, 2, (100,)).tolist()
        bits["numpy"] += np.random.randint(0, 2, 100).tolist()
        bits["python"] += [random.getrandbits(1) for _ in range(100)]
        stream = noise.stream("latent", step)
        bits["latents"] += torch.randint(0, 2, (100,), generator=stream).tolist()

    # 2,000 fair bits agree in half of the places, give or take 5 standard deviations.
    for one, other in itertools.combinations(bits.values(), 2):
        assert abs(np.mean(np.equal(one, other)) - 0.5) < 5 * 0.5 / 2000**0.5


def test_a_step_s_torch_numbers_are_those_of_its_key() -> None:
    Noise(3, CPU).seed_globals(5)

    own = torch.Generator().manual_seed(key(3, "global", 5))
    assert torch.equal(torch.rand(9), torch.rand(9, generator=own))


def test_a_look_in_train_mode_leaves_the_running_statistics_as_they_were() -> None:
    norm = torch.nn.BatchNorm1d(2)
    before = {name: value.clone() for name, value in norm.state_dict().items()}

    with observing(norm):
        norm(torch.randn(8, 2))
        assert not torch.equal(norm.running_mean, before["running_mean"])  # type: ignore[arg-type]

    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())


def test_looking_leaves_generators_and_modes_as_they_were() -> None:
    module = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm1d(2))
    module[1].eval()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = random.random(), float(np.random.rand()), float(torch.rand(()))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)

    with observing(module):
        module.eval()
        random.random(), np.random.rand(), torch.rand(3)

    assert (random.random(), float(np.random.rand()), float(torch.rand(()))) == wanted
    assert [part.training for part in module] == [True, False]
