"""A very small run around a component: networks it fits, data, and steps like those of a run."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.ramps import at_step, ramps_of
from ganzoo.plugin.specs import (
    AdversarialSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    OptimizerSpec,
    OwnerSpec,
    RegularizerSpec,
    Spec,
    ViewSpec,
)
from ganzoo.plugin.types import Context, ImageShape, Role, Terms
from ganzoo.recipe.model import Latent, Recipe, Train
from ganzoo.testing.claims import images
from ganzoo.testing.examples import UntriedError, example
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import (
    HalfStep,
    Players,
    half_step,
    owners,
    seen_shape,
    terms_of,
)
from ganzoo.training.randomness import Noise
from ganzoo.training.step import AdversarialStep, Inputs, Side

SIZES = ((1, 8, 8), (1, 16, 16), (1, 28, 28), (3, 32, 32), (2, 1, 1))
"""Channels, height and width of images; the first that nobody refuses is taken."""
LATENT = 12
COUNT = 8
CLASSES = 3
STEPS = 1000
"""Length of the run that a trial pretends to be in."""
ROLES: tuple[Role, Role] = ("discriminator", "generator")
PAIRS = 9
"""Networks that are tried at most until a component finds what it asks for."""


class PlainGenerator(GeneratorSpec):
    """A perceptron."""

    use: ClassVar[str] = "plain"

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        shape = (image.channels, image.height, image.width)
        size = shape[0] * shape[1] * shape[2]
        return nn.Sequential(
            nn.Linear(latent_size, 16),
            nn.Tanh(),
            nn.Linear(16, size),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        )


class PlainDiscriminator(DiscriminatorSpec):
    """A perceptron."""

    use: ClassVar[str] = "plain"

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        size = image.channels * image.height * image.width
        return nn.Sequential(
            nn.Flatten(), nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)
        )


class PlainLoss(LossSpec):
    """Wasserstein's, for components that are no loss."""

    use: ClassVar[str] = "plain"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'gap'."""
        return {"gap": ctx.fake_logits.mean() - ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'score'."""
        return {"score": -ctx.fake_logits.mean()}


class Descent:
    """Descent that remembers nothing, so that weights are all there is to a checkpoint.

    None of torch's optimizers: they import its compiler, which takes longer than all checks.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": 0.05}]

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=group["lr"])


@dataclass(frozen=True)
class Setting:
    """What a scene is made of; written out, it makes the same one in another process."""

    generator: GeneratorSpec = field(default_factory=PlainGenerator)
    discriminator: DiscriminatorSpec = field(default_factory=PlainDiscriminator)
    loss: LossSpec = field(default_factory=PlainLoss)
    regularizers: Sequence[RegularizerSpec] = ()
    views: Sequence[ViewSpec] = ()
    shape: ImageShape = field(default_factory=lambda: _shape(SIZES[0]))
    has_inputs: bool = False
    batching: Literal["separate", "joint"] = "separate"

    @property
    def specs(self) -> list[Spec]:
        """Every component in it."""
        return [self.generator, self.discriminator, self.loss, *self.regularizers, *self.views]

    @property
    def is_plain(self) -> bool:
        """Whether the networks are the kit's own."""
        return isinstance(self.generator, PlainGenerator) and isinstance(
            self.discriminator, PlainDiscriminator
        )

    @property
    def has_labels(self) -> bool:
        """Whether anybody wants labels."""
        asking: list[LossSpec | RegularizerSpec] = [self.loss, *self.regularizers]
        networks = self.generator.uses_labels or self.discriminator.uses_labels
        return networks or any("labels" in spec.needs for spec in asking)

    def of(self, spec: OwnerSpec) -> OwnerSpec:
        """Return the component in this setting that stands for ``spec``."""
        found = {"loss": [self.loss], "regularizer": self.regularizers, "view": self.views}
        (one,) = found[spec.kind]
        return one

    def with_other(self, spec: OwnerSpec) -> Setting:
        """Return the same with ``spec`` in place of the component of its kind."""
        spec = still(spec)
        if isinstance(spec, LossSpec):
            return replace(self, loss=spec)
        if isinstance(spec, RegularizerSpec):
            return replace(self, regularizers=[spec.model_copy(update={"every": 1})])
        assert isinstance(spec, ViewSpec)
        return replace(self, views=[spec])


class Scene:
    """Networks and a step between them.

    Args:
        setting: what it is made of.
        device: where it is made.
        cast: the type that networks are cast to, as under ``--precision bf16``.
    """

    def __init__(
        self, setting: Setting, device: str = "cpu", cast: torch.dtype | None = None
    ) -> None:
        self.setting = setting
        self.device = torch.device(device)
        self.recipe = Recipe.model_construct(  # type: ignore[call-arg]
            train=Train(steps=STEPS),
            generator=setting.generator,
            discriminator=setting.discriminator,
            loss=setting.loss,
            regularizer=list(setting.regularizers),
            view=list(setting.views),
            step=AdversarialSpec(batching=setting.batching),
            latent=Latent(size=LATENT),
        )
        seen = seen_shape(setting.views, setting.shape)
        torch.manual_seed(0)
        generator = _module(setting.generator.build(LATENT, setting.shape))
        discriminator = _module(setting.discriminator.build(seen))
        self.own: dict[str, nn.Module] = {}
        for place, spec in owners(self.recipe).items():
            module = spec.module(LATENT, seen)
            if module is not None:
                self.own[place] = _module(module, "module()")
        self.networks = {"generator": generator, "discriminator": discriminator, **self.own}
        for network in self.networks.values():
            network.to(self.device).train()
        self.step = AdversarialStep(
            self.recipe,
            self._side("generator"),
            self._side("discriminator"),
            Noise(0, torch.device("cpu")),  # the global generators, which also serve 'meta'
            cast,
            own=self.own,
            steps=STEPS,
        )

    def _side(self, role: Role) -> Side:
        network = self.networks[role]
        owned = [
            parameter
            for place, module in self.own.items()
            if owners(self.recipe)[place].trained_with == role
            for parameter in module.parameters()
        ]
        moved = [*network.parameters(), *owned]
        optimizer: Any = Descent(moved)
        return Side(network, optimizer, OptimizerSpec(), STEPS, moved, 1, owned)

    def batch(self, number: int) -> Batch:
        """Return real images of step ``number`` and what belongs to them."""
        shape, labels = self.setting.shape, None
        if self.setting.has_labels:
            labels = labels_of(shape, COUNT, number)
        inputs = images(shape, COUNT, 1000 + number) if self.setting.has_inputs else None
        found = Batch(images(shape, COUNT, number), labels, inputs)
        return found.each(lambda each: each.to(self.device))

    def latent(self, number: int) -> Tensor:
        """Return what the generator is given in step ``number``."""
        generator = torch.Generator().manual_seed(number)
        drawn = torch.randn(COUNT, LATENT, generator=generator).to(self.device)
        return self.setting.generator.latents(drawn)

    def update(self, number: int) -> dict[str, Tensor]:
        """Make step ``number``: both sides, constraints, ``observe``; return the terms by name."""
        self.step.noise.seed_globals(number)
        inputs = Inputs([self.batch(number)], [self.latent(number)], [])
        return self.step.update(number, inputs, observe=False)

    def half(self, role: Role, number: int = 0) -> tuple[HalfStep, Players]:
        """Return one side's context of step ``number`` and who is asked."""
        self.step.noise.seed_globals(number)
        batch, latent = self.batch(number), self.latent(number)
        made = self.step.game.make(latent, batch.labels)
        if role == "discriminator":
            made = {name: value.detach() for name, value in made.items()}
        players = self.step.players(number, number)
        return half_step(self.step.game, role, number, batch, made, latent, players), players

    def terms(self, role: Role, number: int = 0) -> dict[str, Tensor]:
        """Return one side's terms, nothing moved but what the components move themselves."""
        return terms_of(*self.half(role, number))

    def trained(self, role: Role) -> Iterator[tuple[str, nn.Module]]:
        """Yield the modules that a side trains, by their places."""
        yield role, self.networks[role]
        for place, module in self.own.items():
            if owners(self.recipe)[place].trained_with == role:
                yield place, module

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return everything a checkpoint would hold."""
        return {place: copy.deepcopy(each.state_dict()) for place, each in self.networks.items()}

    def load(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go back to what ``state`` returned."""
        for place, each in self.networks.items():
            each.load_state_dict(state[place])


Beside = Spec | type[Spec] | Sequence[Spec | type[Spec]] | None
"""Networks that a component is tried with."""


def setting_for(spec: OwnerSpec, beside: Beside = None) -> Setting:
    """Return a setting in which ``spec`` can be asked: with the kit's networks, or with others.

    Args:
        spec: the component.
        beside: networks to try first, for what it asks of them by name; by default those of the
            same package.

    Raises:
        UntriedError: if it asks for something that no network gives.
    """
    first: Exception | None = None
    found: Setting | None = None
    if isinstance(beside, (Spec, type)):
        beside = [beside]
    for setting in islice(_settings(spec, beside), PAIRS * 2):
        found = found or setting
        try:
            scene = Scene(setting)
            for role in ROLES:
                scene.terms(role)
        except Exception as error:  # noqa: BLE001  the next networks may be what it wants
            first = first or error
        else:
            return setting
    if found is None:
        raise UntriedError("it refuses every size of images")
    if isinstance(first, KeyError):
        name = spec.__class__.__name__
        raise UntriedError(
            f"not tried: it asks for {first} of a network, and no network of its package returns "
            f"that; say which does: check({name}, beside=[...])"
        )
    return found  # what is wrong is told by the checks


def _settings(spec: OwnerSpec, beside: Sequence[Spec | type[Spec]] | None) -> Iterator[Setting]:
    given = _networks(spec) if beside is None else [made for each in beside if (made := _of(each))]
    generators = [each for each in given if isinstance(each, GeneratorSpec)]
    discriminators = [each for each in given if isinstance(each, DiscriminatorSpec)]
    plain_first = beside is None
    both = (
        [PlainGenerator(), *generators] if plain_first else [*generators, PlainGenerator()],
        [PlainDiscriminator(), *discriminators]
        if plain_first
        else [*discriminators, PlainDiscriminator()],
    )
    for has_inputs in (False, True):
        for generator, discriminator in islice(product(*both), PAIRS):
            plain = Setting(generator, discriminator, has_inputs=has_inputs).with_other(spec)
            for size in SIZES:
                setting = replace(plain, shape=_shape(size))
                try:
                    Scene(setting)
                except Exception:  # noqa: BLE001  another size, or other networks
                    continue
                yield setting
                break
            else:
                if isinstance(generator, PlainGenerator) and isinstance(
                    discriminator, PlainDiscriminator
                ):
                    yield plain  # so that what it raises is told


def _networks(spec: Spec) -> list[Spec]:
    """Return the networks of the package or file that ``spec`` comes from."""
    package = type(spec).__module__.partition(".")[0]
    found: list[Spec] = []
    for base in (GeneratorSpec, DiscriminatorSpec):
        inner: list[type[Spec]] = [base]
        while inner:
            one = inner.pop()
            inner += one.__subclasses__()
            if one.__module__.partition(".")[0] == package and hasattr(one, "use"):
                found += [made] if (made := _of(one)) else []
    return found


def _of(target: Spec | type[Spec]) -> Spec | None:
    if isinstance(target, Spec):
        return target
    try:
        return example(target)
    except UntriedError:
        return None


def move_state(module: nn.Module) -> None:
    """Move what a module remembers away from where it begins."""
    with torch.no_grad():
        for each in module.buffers():
            if each.is_floating_point():
                each.add_(0.25)


def still(spec: Any) -> Any:
    """Return ``spec`` with the numbers of the first step in place of its ramps."""
    if not any(True for _ in ramps_of(spec)):
        return spec
    return at_step(spec, lambda ramp: ramp.at(0, STEPS))


def labels_of(shape: ImageShape, count: int, first: int = 0) -> Tensor:
    """Return labels for ``count`` images, every class among them."""
    if not shape.label_shape:
        return (torch.arange(count) + first) % max(1, shape.num_classes)
    size = torch.Size(shape.label_shape).numel()
    numbers = torch.arange(first, first + count * size).view(count, *shape.label_shape)
    return numbers % 2


def _shape(size: tuple[int, int, int]) -> ImageShape:
    return ImageShape(*size, num_classes=CLASSES)


def _module(found: object, method: str = "build()") -> nn.Module:
    if not isinstance(found, nn.Module):
        raise GanzooError(f"{method} returned {type(found).__name__}, not a torch module")
    return found


__all__ = [
    "CLASSES", "COUNT", "LATENT", "ROLES", "Beside", "PlainDiscriminator", "PlainGenerator",
    "Scene", "Setting", "labels_of", "move_state", "setting_for", "still",
]  # fmt: skip
