"""Every recipe in recipes/: it checks, freezes and says what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe, digest, freeze
from ganzoo.recipe.source import find_recipe, shipped

NAMES = sorted(shipped())


@pytest.fixture(scope="module")
def own() -> registry.Registry:
    return registry.load_plugins(block={"*"})


def of(name: str, own: registry.Registry) -> Recipe:
    return load_recipe(find_recipe(name), own)


def test_the_classic_games_are_there() -> None:
    assert {
        "dcgan_mnist",
        "dcgan_upsample_mnist",
        "dcgan_digits",
        "wgan_mnist",
        "wgan_gp_mnist",
        "lsgan_mnist",
        "hinge_sn_mnist",
        "r3gan_loss_mnist",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_checks_and_its_frozen_form_reads_back_equal(
    name: str, own: registry.Registry, tmp_path: Path
) -> None:
    recipe = of(name, own)
    frozen = tmp_path / "recipe.toml"
    frozen.write_text(freeze(recipe), encoding="utf-8")

    assert load_recipe(frozen, own) == recipe.model_copy(update={"fallback": None})


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_to_expect(name: str) -> None:
    header = shipped()[name].read_text(encoding="utf-8").split("\n\n")[0].splitlines()

    assert header[0] == "#:schema ./recipe.schema.json"
    assert all(line.startswith("#") for line in header)
    assert any(line.startswith("# Expect: ") for line in header)


def test_no_two_are_the_same(own: registry.Registry) -> None:
    assert len({digest(of(name, own)) for name in NAMES}) == len(NAMES)


def test_dcgan_has_the_figures_of_the_tutorial_and_the_paper(own: registry.Registry) -> None:
    recipe = of("dcgan_mnist", own)

    assert (recipe.train.epochs, recipe.train.batch_size, recipe.latent.size) == (25, 128, 100)
    assert (recipe.dataset.use, recipe.dataset.fallback) == ("mnist", "digits")
    for optimizer in (recipe.optimizer.generator, recipe.optimizer.discriminator):
        assert optimizer.model_dump(include={"lr", "betas"}) == {"lr": 2e-4, "betas": [0.5, 0.999]}
    assert recipe.discriminator.model_dump()["dropout"] == 0.3


def test_wgan_has_the_figures_of_algorithm_1(own: registry.Registry) -> None:
    recipe = of("wgan_mnist", own)

    assert recipe.optimizer.discriminator.use == "rmsprop"
    assert recipe.optimizer.discriminator == recipe.optimizer.generator
    assert recipe.optimizer.generator.lr == 5e-5
    assert (recipe.train.batch_size, recipe.step.discriminator_updates) == (64, 5)
    assert [(one.use, one.model_dump()["limit"]) for one in recipe.regularizer] == [
        ("weight_clip", 0.01)
    ]


def test_wgan_gp_has_the_figures_of_algorithm_1_and_a_critic_without_norm(
    own: registry.Registry,
) -> None:
    recipe = of("wgan_gp_mnist", own)

    assert recipe.optimizer.generator.model_dump(include={"lr", "betas"}) == {
        "lr": 1e-4,
        "betas": [0.0, 0.9],
    }
    assert [(one.use, one.weight) for one in recipe.regularizer] == [("gradient_penalty", 10.0)]
    assert recipe.discriminator.model_dump()["norm"] == "none"
    assert recipe.step.discriminator_updates == 5


def test_recipes_are_checked_without_torch() -> None:
    program = (
        "import sys\n"
        "from ganzoo.plugin import registry\n"
        "from ganzoo.recipe.check import load_recipe\n"
        "from ganzoo.recipe.source import shipped\n"
        "own = registry.load_plugins(block={'*'})\n"
        "for path in shipped().values(): load_recipe(path, own)\n"
        "sys.exit('torch' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
