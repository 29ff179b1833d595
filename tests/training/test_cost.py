"""What a step costs, against operations and bytes counted by hand."""

from __future__ import annotations

import pytest

from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
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
