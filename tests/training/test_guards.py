"""Before step 1: parts that do not fit and terms that train nothing are named, on copies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from children import assembled, write_recipe
from heard import Heard
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.common.errors import GanzooError, PluginError
from ganzoo.plugin.specs import (
    AdversarialSpec,
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    OptimizerSpec,
    RegularizerSpec,
)
from ganzoo.plugin.types import Context, ImageShape
from ganzoo.recipe.model import Latent, Optimizers, Recipe, Train
from ganzoo.training.feed import Batch, Feed
from ganzoo.training.guards import couples, probe
from ganzoo.training.parts import Parts
from ganzoo.training.state import Silent
from ganzoo.training.trial import try_out

SHAPE = ImageShape(1, 2, 2)
N, Z = 4, 3


class Bce(LossSpec):
    """Plain non-saturating loss."""

    use: ClassVar[str] = "bce"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {
            "real": F.softplus(-ctx.real_logits).mean(),
            "fake": F.softplus(ctx.fake_logits).mean(),
        }

    def generator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"adversarial": F.softplus(-ctx.fake_logits).mean()}


class Sloppy(RegularizerSpec):
    """A gradient penalty that forgot create_graph: it trains nothing."""

    use: ClassVar[str] = "sloppy"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        images = ctx.real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(ctx.critic(images).sum(), images)
        return {"penalty": gradient.square().mean()}


class Bounded(GeneratorSpec):
    """Promises a range."""

    def output_range(self) -> tuple[float, float]:
        return 0.0, 1.0


class Net(nn.Module):
    """Any of the networks below, by a function of its one layer."""

    def __init__(self, layer: nn.Module, after: Any) -> None:
        super().__init__()
        self.layer = layer
        self.after = after

    def forward(self, inputs: Tensor) -> Tensor:
        return self.after(self.layer(inputs.flatten(1)))


def generator() -> Net:
    return Net(nn.Linear(Z, 4), lambda out: torch.tanh(out).view(-1, 1, 2, 2))


def discriminator(norm: bool = False) -> Net:
    layer = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)) if norm else nn.Linear(4, 1)
    return Net(layer, lambda out: out.flatten())


def problems(
    g: nn.Module | None = None,
    d: nn.Module | None = None,
    loss: LossSpec | None = None,
    spec: GeneratorSpec | None = None,
    regularizer: list[RegularizerSpec] | None = None,
    **step: Any,
) -> list[str]:
    torch.manual_seed(0)
    recipe = Recipe.model_construct(
        train=Train(steps=1),
        latent=Latent(size=Z),
        dataset=DatasetSpec(),
        generator=spec or named(GeneratorSpec),
        discriminator=named(DiscriminatorSpec),
        loss=loss or Bce(),
        optimizer=Optimizers.model_construct(generator=OptimizerSpec()),
        regularizer=regularizer or [],
        step=AdversarialSpec(**step),
    )
    batch = Batch(torch.rand(N, 1, 2, 2), None)
    return probe(recipe, g or generator(), d or discriminator(), batch, torch.randn(N, Z), SHAPE)


def named(base: type[Any]) -> Any:
    return type("Named", (base,), {"use": "it", "__annotations__": {"use": "ClassVar[str]"}})()


def test_parts_that_fit_have_no_problems() -> None:
    assert problems() == []


def test_images_of_another_shape_are_named() -> None:
    wide = Net(nn.Linear(Z, 8), lambda out: out.view(-1, 2, 2, 2))

    (problem,) = problems(g=wide)

    assert "generator 'it' returned (4, 2, 2, 2), the recipe needs (4, 1, 2, 2)" in problem


def test_logits_that_are_not_flat_are_named() -> None:
    (problem,) = problems(d=Net(nn.Linear(4, 1), lambda out: out.view(-1, 1, 1, 1)))

    assert "discriminator 'it' returned (4, 1, 1, 1)" in problem


def test_values_that_are_not_finite_are_named() -> None:
    broken = generator()
    broken.layer.weight.data.fill_(float("nan"))  # type: ignore[union-attr, operator]

    assert "not finite" in problems(g=broken)[0]


def test_a_penalty_without_create_graph_is_named() -> None:
    (problem,) = problems(regularizer=[Sloppy()])

    assert "'penalty' reaches no discriminator parameter" in problem
    assert "create_graph" in problem


def test_a_detached_generator_is_named_with_the_key_that_cuts_it() -> None:
    (problem,) = problems(generator_noise="detached")

    assert "'adversarial' reaches no generator parameter" in problem
    assert "step.generator_noise" in problem


def test_a_generator_in_another_value_range_is_named() -> None:
    class Unit(Bounded):
        """Ends in a sigmoid."""

        use: ClassVar[str] = "unit"

    (problem,) = problems(spec=Unit())

    assert "[0, 1]" in problem
    assert "[-1, 1]" in problem


def test_whatever_a_component_raises_becomes_one_line_with_its_place() -> None:
    class Broken(Bce):
        """Fails."""

        def generator_terms(self, ctx: Context) -> dict[str, Tensor]:
            raise KeyError("colour") if ctx.step == 0 else ValueError

    with pytest.raises(PluginError, match=r"failed at its terms: KeyError: 'colour' .*test_guards"):
        problems(loss=Broken())


def test_the_trial_leaves_no_trace_in_the_networks_or_generators() -> None:
    d = discriminator(norm=True)
    before = {name: value.clone() for name, value in d.state_dict().items()}
    torch.manual_seed(5)
    wanted = torch.rand(3)

    torch.manual_seed(0)
    g = generator()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    probe_state = problems(g=g, d=d)
    torch.set_rng_state(state)

    assert probe_state == []
    assert torch.equal(torch.rand(3), wanted)
    assert all(torch.equal(before[name], value) for name, value in d.state_dict().items())
    assert all(parameter.grad is None for parameter in d.parameters())


def test_batch_norm_couples_the_images_of_a_batch_and_a_plain_network_does_not() -> None:
    images = torch.rand(4, 1, 2, 2)

    assert couples(discriminator(norm=True), images, None)
    assert not couples(discriminator(), images, None)
    dropout = Net(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1)), lambda out: out.flatten())
    assert not couples(dropout, images, None)


def batch_norm_parts(tmp_path: Path, *overrides: str, images: int = 17) -> Parts:
    """Return the parts of a run on that many digits whose generator takes batch statistics."""
    parts, _ = assembled(write_recipe(tmp_path), ("train.steps=4", *overrides))
    data = parts.data
    few = replace(data, images=data.images[:images], labels=data.labels[:images])  # type: ignore[index]
    feed = Feed(few, parts.shape, parts.recipe.train, torch.device("cpu"))
    flat = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 64), nn.Tanh())
    network = Net(flat, lambda out: out.view(-1, 1, 8, 8))
    sides = {**parts.sides, "generator": replace(parts.generator, network=network)}
    return replace(parts, data=few, feed=feed, sides=sides)


@pytest.mark.parametrize(
    ("overrides", "where", "ways"),
    [
        (
            ("train.last_batch='keep'",),
            "the last batch of an epoch has 1 image (17 images, train.batch_size = 16, "
            "train.last_batch = 'keep')",
            "use train.last_batch = 'drop', another train.batch_size or a norm without",
        ),
        (
            ("train.batch_size=1",),
            "the networks are shown 1 image (train.batch_size = 1)",
            "use another train.batch_size or a norm without",
        ),
        (
            ("step.accumulate=16",),
            "the networks are shown 1 image (train.batch_size = 16, step.accumulate = 16)",
            "use another train.batch_size, a smaller step.accumulate or a norm without",
        ),
    ],
    ids=["kept", "one", "parts"],
)
def test_batch_norm_is_refused_a_batch_of_one_before_step_1_with_the_ways_out(
    tmp_path: Path, overrides: tuple[str, ...], where: str, ways: str
) -> None:
    parts = batch_norm_parts(tmp_path, *overrides)

    with pytest.raises(GanzooError) as caught:
        try_out(parts, Silent())

    assert where in str(caught.value)
    assert ways in str(caught.value)
    assert "Expected more than 1 value" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "images"),
    [
        ((), 17),
        (("train.last_batch='keep'",), 18),
        (("train.last_batch='keep'", "train.order='replacement'"), 17),
        (("train.last_batch='keep'", "train.steps=1"), 17),
    ],
    ids=["dropped", "two", "replacement", "never reached"],
)
def test_a_batch_of_one_that_never_comes_is_no_problem(
    tmp_path: Path, overrides: tuple[str, ...], images: int
) -> None:
    try_out(batch_norm_parts(tmp_path, *overrides, images=images), Silent())


def test_a_view_that_needs_more_images_than_the_last_batch_has_is_told_before_step_1(
    tmp_path: Path,
) -> None:
    overrides = ("train.last_batch='keep'", "view=[{use='pack', size=4}]")

    with pytest.raises(GanzooError, match=r"last batch .* 3 images .*pack.*last_batch = 'drop'"):
        try_out(batch_norm_parts(tmp_path, *overrides, images=19), Silent())


@pytest.mark.parametrize(
    ("chosen", "is_told"),
    [
        (("discriminator.norm='batch'",), True),
        (("discriminator.norm='batch'", "discriminator.minibatch_stddev=2"), True),
        (("discriminator.norm='layer'", "discriminator.minibatch_stddev=2"), False),
        (("discriminator.norm='layer'",), False),
    ],
)
def test_a_penalty_behind_batch_norm_is_told_but_not_stylegans_statistic(
    chosen: tuple[str, ...], is_told: bool, tmp_path: Path
) -> None:
    # StyleGAN2 has R1 and minibatch standard deviations (Karras et al. 2020, arXiv:1912.04958).
    heard = Heard()
    parts, _ = assembled(write_recipe(tmp_path), (*chosen, "regularizer=[{use='r1'}]"))

    try_out(parts, heard)

    told = [warning for warning in heard.warnings if "penalises something else" in warning]
    assert len(told) == is_told
