"""Standing statistics are the averages over batches, always the same, and leave no trace."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ganzoo.common.errors import GanzooError
from ganzoo.measure.fakes import Maker
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Measure, Recipe
from ganzoo.sampling.standing import BATCH, norms_of, take_standing
from ganzoo.session import Run
from ganzoo.training.randomness import draw, key, observing

RECIPES = Path(__file__).parents[2] / "recipes"
REGISTRY = load_plugins()
IMAGE = ImageShape(3, 8, 8, num_classes=3)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    changes = ["generator.channels=[6,5]", "generator.attention=[]", "latent.size=4",
               "generator.class_code=2"]  # fmt: skip
    return load_recipe(RECIPES / "biggan_cifar10.toml", REGISTRY, changes)


@pytest.fixture
def network(recipe: Recipe) -> nn.Module:
    torch.manual_seed(0)
    made = recipe.generator.build(4, IMAGE)
    for norm in norms_of(made):
        assert norm.running_mean is not None
        norm.running_mean.normal_()
    return made


def test_statistics_are_the_averages_that_float64_finds(recipe: Recipe, network: nn.Module) -> None:
    labels, batches = torch.tensor([0, 1, 2, 2]), 3
    network.eval()
    exact = recipe.generator.build(4, IMAGE).eval()
    exact.load_state_dict(network.state_dict())
    exact.double()
    norms = norms_of(exact)
    seen: dict[nn.Module, list[torch.Tensor]] = {norm: [] for norm in norms}

    def by_definition(norm: Any, given: tuple[torch.Tensor], _: torch.Tensor) -> torch.Tensor:
        maps = given[0]
        seen[norm].append(maps)
        mean = maps.mean((0, 2, 3), keepdim=True)
        variance = ((maps - mean) ** 2).mean((0, 2, 3), keepdim=True)
        found: torch.Tensor = (maps - mean) / (variance + norm.eps).sqrt()
        if norm.affine:
            found = found * norm.weight[:, None, None] + norm.bias[:, None, None]
        return found

    for norm in norms:
        norm.register_forward_hook(by_definition)
    with torch.no_grad():
        for number in range(batches):
            source = torch.Generator().manual_seed(key(5, "standing", number))
            latents = draw(recipe.latent, BATCH, source).double()
            chosen = labels[torch.randint(4, (BATCH,), generator=source)]
            exact(latents, chosen)

    take_standing(network, recipe, batches, seed=5, device=CPU, labels=labels)

    assert len(norms) == len(norms_of(network)) == 3
    for norm, found in zip(norms, norms_of(network), strict=True):
        means = torch.stack([maps.mean((0, 2, 3)) for maps in seen[norm]]).mean(0)
        n = seen[norm][0].numel() // seen[norm][0].shape[1]
        variances = torch.stack(
            [
                ((maps - maps.mean((0, 2, 3), keepdim=True)) ** 2).sum((0, 2, 3)) / (n - 1)
                for maps in seen[norm]
            ]
        ).mean(0)
        assert found.running_mean is not None
        assert found.running_var is not None
        assert torch.allclose(found.running_mean.double(), means, rtol=1e-4, atol=1e-5)
        assert torch.allclose(found.running_var.double(), variances, rtol=1e-4, atol=1e-6)
        assert found.momentum == 0.1
        assert not found.training


def test_the_same_fakes_come_whatever_was_there_before_and_nothing_is_left_behind(
    recipe: Recipe, network: nn.Module
) -> None:
    measure = recipe.measure.model_copy(update={"standing": 2})
    standing = recipe.model_copy(update={"measure": measure})
    labels = torch.tensor([0, 1, 2] * 10)

    def made(which: Recipe) -> torch.Tensor:
        with observing(network):
            maker = Maker(network, which, IMAGE, 30, device=CPU, labels=labels)
            return torch.cat([maker.make(number) for number in range(maker.batches)])

    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, plain = made(standing), made(recipe)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    norm = norms_of(network)[0]
    assert norm.running_var is not None
    norm.running_var.mul_(3)

    assert torch.equal(made(standing), first)
    assert not torch.equal(first, plain)
    assert not torch.equal(made(recipe), plain)


def test_what_has_no_use_for_them_is_refused(recipe: Recipe) -> None:
    network = nn.Linear(4, 4)

    with pytest.raises(GanzooError, match="the generator has no batch norm"):
        take_standing(network, recipe, 2, seed=0, device=CPU)
    with pytest.raises(ValidationError, match="in 'train' batch norm uses those of each batch"):
        Measure(standing=2, mode="train")


def test_a_model_with_standing_statistics_is_another_one(run: Run) -> None:
    model = run.generator
    plain = model.sample(4)

    standing = model.standing(2)

    assert not torch.equal(standing.sample(4), plain)
    assert torch.equal(standing.sample(4), model.standing(2).sample(4))
    assert torch.equal(model.sample(4), plain)
