"""Before step 1: parts that do not fit and terms that train nothing are named, on copies."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.common.errors import PluginError
from ganzoo.plugin.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    OptimizerSpec,
    RegularizerSpec,
)
from ganzoo.plugin.types import Context, ImageShape
from ganzoo.recipe.model import Latent, Optimizers, Recipe, Step, Train
from ganzoo.training.feed import Batch
from ganzoo.training.guards import couples, probe

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
        step=Step(**step),
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

    assert "generator 'it' returned (4, 2, 2, 2), the recipe wants (4, 1, 2, 2)" in problem


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
