"""The adversarial step moves what it should, by the gradients it should, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.ramps import at_step
from ganzoo.plugin.specs import (
    AdversarialSpec,
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    OptimizerSpec,
    RegularizerSpec,
    ViewSpec,
)
from ganzoo.plugin.types import Context
from ganzoo.recipe.model import Latent, Optimizers, Recipe, Train
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import Player, accuracy
from ganzoo.training.randomness import Noise
from ganzoo.training.step import AdversarialStep, Ramps, Side, cut_of, rate
from ganzoo.training.together import Group
from ganzoo_optimizers.adam import Adam

CPU = torch.device("cpu")
N, Z = 6, 3


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


class Penalty(RegularizerSpec):
    """R1, to see needs, every and constrain at work."""

    use: ClassVar[str] = "penalty"
    needs: ClassVar[frozenset[str]] = frozenset({"real_gradient"})

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        gradient = ctx.image_gradient("real")
        return {"penalty": self.weight * gradient.flatten(1).square().sum(1).mean()}

    def constrain(self, discriminator: nn.Module) -> None:
        for parameter in discriminator.parameters():
            parameter.clamp_(-10, 10)


class Sgd(OptimizerSpec):
    """Plain gradient descent."""

    use: ClassVar[str] = "sgd"

    def build(self, parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=self.lr)


class GeneratorNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(Z, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, latent: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.linear(latent))).view(-1, 1, 2, 2)


class DiscriminatorNet(nn.Module):
    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.norm = nn.BatchNorm1d(5) if norm else nn.Identity()
        self.last = nn.Linear(5, 1)
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return self.last(torch.tanh(self.norm(self.first(images.flatten(1))))).flatten()


def recipe(
    regularizer: list[RegularizerSpec] | None = None,
    optimizer: OptimizerSpec | None = None,
    **step: Any,
) -> Recipe:
    sgd = optimizer or Sgd(lr=0.1)
    return Recipe.model_construct(
        train=Train(steps=10, batch_size=N),
        latent=Latent(size=Z),
        dataset=DatasetSpec(),
        generator=GeneratorSpec(),
        discriminator=DiscriminatorSpec(),
        loss=Bce(),
        optimizer=Optimizers.model_construct(generator=sgd, discriminator=sgd),
        regularizer=regularizer or [],
        view=[],
        step=AdversarialSpec(**step),
    )


def build(of: Recipe, norm: bool = False) -> AdversarialStep:
    torch.manual_seed(0)
    generator, discriminator = GeneratorNet().double(), DiscriminatorNet(norm).double()
    both = of.step.generator_step_trains == "both"
    moved_by_generator = [*generator.parameters(), *(discriminator.parameters() if both else [])]
    sides = [
        Side(network, spec.build(moved), spec, 10, moved)
        for network, spec, moved in (
            (generator, of.optimizer.generator, moved_by_generator),
            (discriminator, of.optimizer.discriminator, list(discriminator.parameters())),
        )
    ]
    return AdversarialStep(of, sides[0], sides[1], DoubleNoise(5, CPU))


class DoubleNoise(Noise):
    def latents(self, *args: Any) -> Tensor:
        return super().latents(*args).double()


def batches(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    return Batch(torch.rand(N, 1, 2, 2, generator=generator, dtype=torch.double), None)


def weights(module: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def moved(step: AdversarialStep, call: Callable[[], object]) -> tuple[bool, bool]:
    before = weights(step.generator.network), weights(step.discriminator.network)
    call()
    after = weights(step.generator.network), weights(step.discriminator.network)
    return not torch.equal(before[0], after[0]), not torch.equal(before[1], after[1])


def test_one_step_equals_the_algorithm_written_out() -> None:
    step = build(recipe())
    generator, discriminator = (
        build(recipe()).generator.network,
        build(recipe()).discriminator.network,
    )
    real, noise = batches(0).images, DoubleNoise(5, CPU)
    latent = noise.latents(Latent(size=Z), N, "latent", 0)

    terms = step(0, batches)

    fake = generator(latent)
    d_loss = (
        F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    )
    gradients = torch.autograd.grad(d_loss, list(discriminator.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(discriminator.parameters(), gradients, strict=True):
            parameter -= 0.1 * gradient
    g_loss = F.softplus(-discriminator(fake)).mean()
    gradients = torch.autograd.grad(g_loss, list(generator.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(generator.parameters(), gradients, strict=True):
            parameter -= 0.1 * gradient
    torch.testing.assert_close(weights(step.discriminator.network), weights(discriminator))
    torch.testing.assert_close(weights(step.generator.network), weights(generator))
    torch.testing.assert_close(terms["d/real"] + terms["d/fake"], d_loss.detach())
    torch.testing.assert_close(terms["g/adversarial"], g_loss.detach())


def test_the_generator_first_is_the_same_algorithm_in_the_other_order() -> None:
    step, other = build(recipe(first="generator")), build(recipe())
    generator, discriminator = other.generator.network, other.discriminator.network
    real, noise = batches(0).images, DoubleNoise(5, CPU)

    terms = step(0, batches)

    fake = generator(noise.latents(Latent(size=Z), N, "latent", 0))
    g_loss = F.softplus(-discriminator(fake)).mean()
    g_gradients = torch.autograd.grad(g_loss, list(generator.parameters()))
    # The fakes are those that the generator made before it moved, as in PyTorch-GAN's programs.
    d_loss = (
        F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    )
    d_gradients = torch.autograd.grad(d_loss, list(discriminator.parameters()))
    with torch.no_grad():
        for network, gradients in ((generator, g_gradients), (discriminator, d_gradients)):
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    torch.testing.assert_close(weights(step.generator.network), weights(generator))
    torch.testing.assert_close(weights(step.discriminator.network), weights(discriminator))
    torch.testing.assert_close(terms["g/adversarial"], g_loss.detach())
    torch.testing.assert_close(terms["d/real"] + terms["d/fake"], d_loss.detach())
    assert int(step.generator.network.norm.num_batches_tracked) == 1  # type: ignore[union-attr, arg-type]


def test_remade_fakes_come_from_the_generator_that_has_moved_first() -> None:
    found = {}
    for noise in ("shared", "same", "detached"):
        step = build(recipe(first="generator", generator_noise=noise))
        terms = step(0, batches)
        found[noise] = float(terms["d/fake"])

    assert found["shared"] != found["same"]
    assert found["shared"] == pytest.approx(found["detached"])


def test_after_several_generator_updates_the_discriminator_sees_the_last_ones_fakes() -> None:
    step = build(recipe(first="generator", generator_updates=2, discriminator_updates=2))
    made: list[Tensor] = []
    step.generator.network.register_forward_hook(lambda _, __, images: made.append(images))
    seen: list[Tensor] = []
    step.discriminator.network.register_forward_hook(lambda _, given, __: seen.append(given[0]))

    step(0, batches)

    # Two batches for the generator, one more for the discriminator's second update.
    assert len(made) == 3
    assert len(seen) == 2 + 2 * 2
    assert torch.equal(seen[3], made[1])
    assert torch.equal(seen[5], made[2])


def test_a_waiting_generator_is_left_alone_and_then_trained() -> None:
    step = build(recipe(generator_waits=2))

    assert [moved(step, lambda n=n: step(n, batches)) for n in range(3)] == [
        (False, True),
        (False, True),
        (True, True),
    ]


def test_a_waiting_generator_has_no_terms_and_leaves_the_discriminators_as_they_are() -> None:
    waiting, plain = build(recipe(generator_waits=1)), build(recipe())

    found, wanted = waiting(0, batches), plain(0, batches)

    assert set(found) == {"d/real", "d/fake"}
    assert all(torch.equal(found[name], wanted[name]) for name in found)


def test_shared_fakes_cannot_be_had_in_parts_after_the_generator_has_moved() -> None:
    with pytest.raises(ValueError, match="use 'same'"):
        AdversarialSpec(first="generator", accumulate=2)

    AdversarialSpec(first="generator", accumulate=2, generator_noise="same")


def test_shared_same_and_fresh_noise_differ_where_they_should() -> None:
    found = {}
    for noise in ("shared", "same", "fresh"):
        step = build(recipe(generator_noise=noise))
        step(0, batches)
        found[noise] = weights(step.generator.network)

    torch.testing.assert_close(found["shared"], found["same"])
    assert not torch.allclose(found["same"], found["fresh"])


def test_same_noise_passes_the_batch_norm_twice_and_shared_noise_once() -> None:
    seen = {}
    for noise in ("shared", "same"):
        step = build(recipe(generator_noise=noise))
        step(0, batches)
        seen[noise] = int(step.generator.network.norm.num_batches_tracked)  # type: ignore[union-attr, arg-type]

    assert seen == {"shared": 1, "same": 2}


def test_a_detached_batch_moves_no_generator_weight() -> None:
    step = build(recipe(generator_noise="detached"))

    assert moved(step, lambda: step(0, batches)) == (False, True)


def test_a_detached_batch_stays_detached_in_later_generator_updates() -> None:
    step = build(recipe(generator_noise="detached", generator_updates=3))

    assert moved(step, lambda: step(0, batches)) == (False, True)


def test_fakes_made_in_eval_mode_leave_the_running_statistics_alone() -> None:
    step = build(recipe(generator_noise="fresh", fakes_for_discriminator="eval"))
    step(0, batches)

    norm = step.generator.network.norm
    assert int(norm.num_batches_tracked) == 1  # type: ignore[union-attr, arg-type]
    assert norm.training  # type: ignore[union-attr]


def test_joint_batching_scores_real_and_fake_in_one_pass() -> None:
    separate, joint = build(recipe(), norm=True), build(recipe(batching="joint"), norm=True)
    separate_terms, joint_terms = separate(0, batches), joint(0, batches)

    assert separate.discriminator.network.batches == [N, N, N]
    assert joint.discriminator.network.batches == [2 * N, N]
    assert abs(float(separate_terms["d/real"] - joint_terms["d/real"])) > 1e-3


def test_the_generator_step_trains_the_discriminator_only_where_the_recipe_says_so() -> None:
    for trains, wanted in (("generator", False), ("both", True)):
        step = build(recipe(generator_step_trains=trains))
        step.discriminator.spec = Sgd(lr=1e-30)
        for group in step.discriminator.optimizer.param_groups:
            group["lr"] = 0.0

        assert moved(step, lambda step=step: step(0, batches)) == (True, wanted)


def test_several_discriminator_updates_use_several_batches() -> None:
    asked: list[int] = []
    step = build(recipe(discriminator_updates=3))

    def next_batch(number: int) -> Batch:
        asked.append(number)
        return batches(number)

    step(0, next_batch)
    step(1, next_batch)

    assert asked == list(range(6))


def test_a_lazy_regularizer_is_multiplied_by_its_interval() -> None:
    every = build(recipe([Penalty(weight=0.5)]))(0, batches)
    lazy = build(recipe([Penalty(weight=0.5, every=4)]))
    first = lazy(0, batches)

    torch.testing.assert_close(first["d/penalty"], 4 * every["d/penalty"])
    assert "d/penalty" not in lazy(1, batches)
    assert "d/penalty" in lazy(4, batches)


def test_gradient_clipping_bounds_each_element_or_the_whole() -> None:
    plain = build(recipe())
    by_value = build(recipe(optimizer=Sgd(lr=0.1, clip_value=1e-3)))
    by_norm = build(recipe(optimizer=Sgd(lr=0.1, clip_norm=1e-3)))
    start = weights(plain.discriminator.network)
    for step in (plain, by_value, by_norm):
        step(0, batches)

    changes = [weights(s.discriminator.network) - start for s in (plain, by_value, by_norm)]
    assert float(changes[1].abs().max()) == pytest.approx(1e-4)
    assert float(changes[2].norm()) == pytest.approx(1e-4, rel=1e-3)
    torch.testing.assert_close(changes[2] / changes[2].norm(), changes[0] / changes[0].norm())


def test_the_rate_follows_its_schedule() -> None:
    assert [rate("linear", 0, t, 10) for t in (0, 5, 10)] == [1, 0.5, 0]
    assert [rate("cosine", 0, t, 10) for t in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    assert rate("inverse_time", 6e-8, 1000, 10) == pytest.approx(1 / (1 + 6e-8 * 1000))
    step = build(recipe(optimizer=Sgd(lr=0.5, schedule="linear")))
    step(5, batches)
    assert step.generator.optimizer.param_groups[0]["lr"] == 0.25


def side_of(spec: OptimizerSpec, weight: nn.Parameter, total: int, updates: int) -> Side:
    first = at_step(spec, lambda ramp: ramp.at(0, total))
    return Side(nn.Identity(), first.build([weight]), spec, total, [weight], updates)


def test_both_sides_are_known_by_their_names() -> None:
    step = build(recipe())

    assert step.sides == {"generator": step.generator, "discriminator": step.discriminator}


def test_updates_are_numbered_through_the_run() -> None:
    seen: dict[str, list[int]] = {"generator": [], "discriminator": []}
    step = build(recipe(discriminator_updates=2, generator_updates=3))
    for side, numbers in (
        (step.generator, seen["generator"]),
        (step.discriminator, seen["discriminator"]),
    ):
        side.move = numbers.append  # type: ignore[assignment,method-assign]

    for number in range(3):
        step(number, batches)

    assert seen == {"generator": list(range(9)), "discriminator": list(range(6))}


def test_the_numbers_of_an_optimizer_move_by_steps_and_not_by_updates() -> None:
    weight = nn.Parameter(torch.ones(1))
    moving = {"lr": {"start": 0.1, "end": 0.5}, "betas": [0.0, {"start": 0.9, "end": 0.99}]}
    spec = Adam.model_validate(moving)
    side = side_of(spec, weight, 20, updates=2)

    assert not side.is_still
    for update in (10, 11):  # both of step 5 of 10
        weight.grad = torch.zeros(1)
        side.move(update)
        (group,) = side.optimizer.param_groups
        assert group["lr"] == pytest.approx(0.3)
        assert group["betas"] == (0.0, pytest.approx(0.945))


def test_a_rate_that_moves_and_falls_does_both() -> None:
    weight = nn.Parameter(torch.ones(1))
    spec = Adam.model_validate({"lr": {"start": 0.1, "end": 0.5}, "schedule": "linear"})
    first = at_step(spec, lambda ramp: ramp.at(0, 10))
    side = Side(nn.Identity(), first.build([weight]), spec, 10, [weight])

    side.adjust(5)

    assert side.optimizer.param_groups[0]["lr"] == pytest.approx(0.3 * 0.5)


def test_regularizers_take_turns_by_the_updates_and_those_of_every_update_are_made_once() -> None:
    lazy = build(recipe([Penalty(every=2), Penalty(weight=2.0)]))
    each = build(recipe([Penalty(), Penalty(weight=2.0)]))

    assert [len(lazy.players(0, number).regularizers) for number in range(4)] == [2, 1, 2, 1]
    assert each.players(0, 0) is each.players(1, 1)


def test_a_number_that_moves_reaches_the_component_at_its_step() -> None:
    step = build(recipe([Penalty.model_validate({"weight": {"start": 0.0, "end": 1.0}})]))
    step = AdversarialStep(step.recipe, step.generator, step.discriminator, step.noise, steps=10)

    weights_seen = [step.players(number, number).regularizers[0].spec.weight for number in (0, 5)]

    assert weights_seen == [0.0, 0.5]


def test_a_constraint_is_applied_to_the_discriminator_that_has_just_moved() -> None:
    class Small(Penalty):
        def constrain(self, discriminator: nn.Module) -> None:
            for parameter in discriminator.parameters():
                parameter.clamp_(-1e-3, 1e-3)

    step = build(recipe([Small(every=2)]))
    step(0, batches)
    assert float(weights(step.discriminator.network).abs().max()) == pytest.approx(1e-3)
    step(1, batches)
    assert float(weights(step.discriminator.network).abs().max()) > 1e-3


@pytest.mark.parametrize(("fakes", "rows"), [("full", N), ("matched", N - 2)])
def test_fakes_are_as_many_as_the_batch_or_as_its_real_images(fakes: str, rows: int) -> None:
    def short(number: int) -> Batch:
        return Batch(batches(number).images[: N - 2], None)

    found = build(recipe(fakes=fakes, generator_noise="fresh")).inputs(0, short)

    assert [len(each) for each in (*found.latents, *found.redrawn)] == [rows, rows]


def test_what_is_watched_is_the_last_updates_and_only_when_asked() -> None:
    step = build(recipe(discriminator_updates=2, generator_updates=2))
    seen: list[bool] = []
    leaf = step._leaf

    def noted(*given: Any) -> Any:
        seen.append(given[-1])
        return leaf(*given)

    step._leaf = noted  # type: ignore[assignment,method-assign]
    assert {"d/accuracy", "g/accuracy"} <= step(0, batches, observe=True).keys()
    assert seen == [False, True, False, True]
    seen.clear()
    assert not {"d/accuracy", "g/accuracy"} & step(1, batches).keys()
    assert not any(seen)


def test_a_captured_step_takes_its_rates_from_where_they_are_kept() -> None:
    weight = nn.Parameter(torch.ones(1))
    rates = [[torch.tensor(0.1)], [torch.tensor(0.2)]]
    side = Side(
        nn.Identity(), Sgd(lr=1.0).build([weight]), Sgd(lr=1.0), 10, [weight], 2, rates=rates
    )

    for update, lr in ((2, 0.1), (3, 0.2)):
        side.move(update)
        assert float(side.optimizer.param_groups[0]["lr"]) == pytest.approx(lr)


@pytest.mark.parametrize(("first", "rows"), [("generator", N), ("discriminator", N - 2)])
def test_the_halves_meet_in_the_batch_that_lies_between_them(first: str, rows: int) -> None:
    def shrinking(number: int) -> Batch:
        return Batch(batches(number).images[: N - 2 * number], None)

    step = build(
        recipe(first=first, discriminator_updates=2, generator_noise="fresh", fakes="matched")
    )
    inputs = step.inputs(0, shrinking)

    assert [len(each) for each in inputs.latents] == [N, N - 2]
    assert [len(each) for each in inputs.redrawn] == [rows]


def test_detached_fakes_in_parts_move_no_generator_weight() -> None:
    step = build(recipe(generator_noise="detached", generator_step_trains="both", accumulate=2))

    assert moved(step, lambda: step(0, batches)) == (False, True)


def test_what_components_remember_is_told_by_name_and_the_second_ones_by_place() -> None:
    class Remembers(Penalty):
        logged: ClassVar[tuple[str, ...]] = ("mean",)

        def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:  # noqa: ARG002
            return {}

    def holding(value: float) -> nn.Module:
        module = nn.Module()
        module.register_buffer("mean", torch.tensor(value))
        return module

    plain = build(recipe([Remembers(), Remembers()]))
    own = {"regularizer.0": holding(2.0), "regularizer.1": holding(3.0)}
    step = AdversarialStep(plain.recipe, plain.generator, plain.discriminator, plain.noise, own=own)

    found = step(0, batches, observe=True)

    told = {name: float(value) for name, value in found.items() if name.startswith("s/")}
    assert told == {"s/penalty.mean": 2.0, "s/regularizer.1.mean": 3.0}
    assert not any(name.startswith("s/") for name in step(1, batches))


def test_it_has_not_read_the_step_before_a_term_has() -> None:
    step = build(recipe())
    assert not step.reads_step
    step(0, batches)
    assert not step.reads_step


@pytest.mark.parametrize(
    ("count", "accumulate", "said"),
    [
        (2, 1, r"train.shards = 1; set"),
        (3, 2, "shards = 1 and step.accumulate = 2;"),
    ],
)
def test_parts_that_do_not_come_out_even_name_what_they_are_made_of(
    count: int, accumulate: int, said: str
) -> None:
    class Several(Group):
        pass

    Several.count = count
    with pytest.raises(GanzooError, match=said):
        cut_of(recipe(accumulate=accumulate), Several())


def test_a_captured_step_reads_moving_numbers_from_where_they_are_kept() -> None:
    spec = Penalty.model_validate({"weight": {"start": 0.0, "end": 1.0}})
    ramps = Ramps({"regularizer.0": spec}, 10)

    ramps.keep_on(CPU)
    weight = ramps.at(spec, 0).weight
    ramps.fill(5)

    assert isinstance(weight, Tensor)
    assert float(weight) == 0.5
    assert ramps.values(5) == {"regularizer.0.weight": 0.5}


def test_accuracy_is_the_share_of_both_kinds_on_their_side_of_zero() -> None:
    seen = SimpleNamespace(
        real_logits=torch.tensor([2.0, 0.5, -1.0, 0.0]), fake_logits=torch.tensor([-3.0, -0.5, 0.0])
    )

    assert float(accuracy(seen)) == pytest.approx((2 + 2) / 7)  # type: ignore[arg-type]


def test_watching_the_accuracy_changes_nothing() -> None:
    quiet, watched = build(recipe(), norm=True), build(recipe(), norm=True)
    quiet(0, batches)
    terms = watched(0, batches, observe=True)

    assert 0 <= float(terms["d/accuracy"]) <= 1
    assert 0 <= float(terms["g/accuracy"]) <= 1
    assert torch.equal(weights(quiet.discriminator.network), weights(watched.discriminator.network))


def test_a_term_that_is_no_scalar_is_named() -> None:
    class Vector(Bce):
        """Forgets the mean."""

        def generator_terms(self, ctx: Context) -> dict[str, Tensor]:
            return {"adversarial": ctx.fake_logits}

    broken = recipe().model_copy(update={"loss": Vector()})

    with pytest.raises(GanzooError, match=r"loss 'bce': term 'adversarial'.*scalar.*\(6,\)"):
        build(broken)(0, batches)


def test_an_image_gradient_that_was_not_declared_is_named() -> None:
    class Undeclared(Penalty):
        """Forgets its needs."""

        needs: ClassVar[frozenset[str]] = frozenset()

    with pytest.raises(GanzooError, match="real_gradient"):
        build(recipe([Undeclared()]))(0, batches)


def test_what_an_optimizers_adjust_raises_names_the_optimizer() -> None:
    class Faulty(Sgd):
        """Knows no group."""

        def adjust(self, optimizer: Any, update: int, total: int) -> None:  # noqa: ARG002
            raise IndexError("no such group")

    with pytest.raises(GanzooError, match=r"'sgd' failed at adjust\(\): IndexError"):
        build(recipe(optimizer=Faulty(lr=0.1)))(0, batches)


def test_the_generators_accuracy_is_the_share_of_fakes_above_zero() -> None:
    seen = SimpleNamespace(
        role="generator", has_fake_logits=True, fake_logits=torch.tensor([2.0, 0.5, -0.5, 0.0])
    )

    assert float(build(recipe())._watched(seen)["accuracy"]) == 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize(("noise", "alike"), [("shared", True), ("same", False)])
def test_parts_make_the_same_fakes_again_where_they_are_shared(noise: str, alike: bool) -> None:
    class Drawing(GeneratorNet):
        """Draws in its pass."""

        def forward(self, latent: Tensor) -> Tensor:
            made.append(torch.tanh(self.linear(latent) + torch.randn(len(latent), 4)))
            return made[-1].view(-1, 1, 2, 2)

    made: list[Tensor] = []
    step = build(recipe(generator_noise=noise, accumulate=2))
    step.generator.network.__class__ = Drawing
    step(0, batches)

    assert len(made) == 4
    assert all(torch.equal(made[n], made[n + 2]) == alike for n in (0, 1))


@pytest.mark.parametrize(("noise", "alike"), [("shared", False), ("detached", True)])
def test_later_updates_of_parts_see_fakes_of_their_own_unless_they_are_detached(
    noise: str, alike: bool
) -> None:
    class Noise(GeneratorNet):
        """Makes nothing but what it draws."""

        def forward(self, latent: Tensor) -> Tensor:
            drawn = torch.randn(len(latent), 4, dtype=latent.dtype)
            made.append(drawn)
            return (drawn + 0 * self.linear(latent)).view(-1, 1, 2, 2)

    made: list[Tensor] = []
    step = build(recipe(generator_noise=noise, accumulate=2, generator_updates=2))
    step.generator.network.__class__ = Noise
    step(0, batches)

    # Two parts for the discriminator, two for each of the generator's updates.
    assert len(made) == 6
    assert all(torch.equal(made[n], made[n + 2]) for n in (0, 1))
    assert all(torch.equal(made[n + 2], made[n + 4]) == alike for n in (0, 1))


def test_for_a_view_that_looks_on_no_part_is_scored_once_more() -> None:
    class Looking(ViewSpec):
        """Looks at the logits of the whole batch."""

        use: ClassVar[str] = "looking"

        def apply(self, images: Tensor, which: Any) -> Tensor:  # noqa: ARG002
            return images

        def observe(self, ctx: Context) -> None:
            seen.append((len(ctx.real_logits), len(ctx.fake_logits)))

    seen: list[tuple[int, int]] = []
    step = build(recipe(accumulate=2).model_copy(update={"view": [Looking()]}))
    step(0, batches)

    # Real images and fakes of each part in one half, the fakes alone in the other.
    assert step.discriminator.network.batches == [N // 2] * 6
    assert seen == [(N, N)]


def test_a_component_is_told_the_step_and_the_length_of_the_run_and_stays_as_it_is() -> None:
    told = []

    class Asking(Bce):
        """Asks where the run is."""

        def generator_terms(self, ctx: Context) -> dict[str, Tensor]:
            told.append((ctx.step, ctx.steps))
            return super().generator_terms(ctx)

    step = build(recipe().model_copy(update={"loss": Asking()}))
    step(3, batches)

    assert told == [(3, 1)]
    with pytest.raises(FrozenInstanceError):
        Player(Bce()).own = nn.Identity()  # type: ignore[misc]
