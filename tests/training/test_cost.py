"""What a step costs, against operations and bytes counted by hand."""

from __future__ import annotations

import pytest
from every_recipe import put_together

from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe, shipped
from ganzoo.session import build
from ganzoo.training.cost import Cost, cost_of_a_step
from ganzoo.training.place import Place
from ganzoo.training.state import Silent

OWN = registry.load_plugins(block={"*"})


def cost(*overrides: str) -> Cost:
    """Return the cost of a step between perceptrons with hidden layers of 32 and 16."""
    small = ("generator.hidden=[32,16]", "discriminator.hidden=[32,16]", *overrides)
    recipe = load_recipe(find_recipe("toy_ring"), OWN, small)
    return cost_of_a_step(build(recipe, OWN, Place("cpu", None, 1, offline=True), Silent()))


def test_operations_and_bytes_are_those_counted_by_hand() -> None:
    found = cost("train.batch_size=64")

    # A layer of I to O numbers: 2·I·O operations forward, as many for the weights, as many for what
    # came in. 2 → 32 → 16 → 2 and 2 → 32 → 16 → 1.
    made, judged = 2 * (2 * 32 + 32 * 16 + 16 * 2), 2 * (2 * 32 + 32 * 16 + 16)
    first = 2 * 2 * 32  # a first layer that hands nothing back
    discriminator = 2 * judged + 2 * (2 * judged - first)  # real and fake
    generator = made + judged + judged + 2 * made - first
    assert found.tried == 2
    assert found.gflop * 1e9 == pytest.approx(64 * (discriminator + generator))
    numbers = (2 * 32 + 32 + 32 * 16 + 16 + 16 * 2 + 2) + (2 * 32 + 32 + 32 * 16 + 16 + 16 + 1)
    assert found.weights == 2 * 4 * numbers  # and their gradients
    assert found.optimizers == pytest.approx(2 * 4 * numbers, rel=0.02)  # Adam's, and its counts
    # The discriminator's half: what comes into each layer, of real images and fakes.
    assert found.kept >= 64 * 4 * 2 * (2 + 32 + 16)
    assert found.kept == 2 * cost("train.batch_size=32").kept


def test_a_pack_is_tried_with_as_many_images_as_it_takes() -> None:
    assert cost('view=[{use="pack",size=4}]').tried == 16


@pytest.mark.parametrize(
    "penalty", ["{use='r1'}", "{use='gradient_penalty'}"], ids=["r1", "gradient_penalty"]
)
def test_a_penalty_that_takes_a_gradient_within_the_step_is_counted(penalty: str) -> None:
    plain, penalised = cost(), cost(f"regularizer=[{penalty}]")

    # Another way back through the discriminator, and the way back of that.
    assert penalised.gflop > 1.2 * plain.gflop
    assert penalised.kept > plain.kept


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_every_recipe_has_a_cost(name: str) -> None:
    found = cost_of_a_step(put_together(name))

    assert found.gflop > 0 or name == "toy_dirac"
    assert found.memory > 0
