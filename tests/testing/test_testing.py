"""The conformance kit passes what is right and names what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from kit import missed
from torch import Tensor, nn

from ganzoo import testing
from ganzoo.common.data_root import DataRoot
from ganzoo.plugin import registry
from ganzoo.plugin.named import meant
from ganzoo.plugin.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    RegularizerSpec,
    Spec,
    ViewSpec,
)
from ganzoo.plugin.types import Context, ImageData, ImageShape, Scale, Seen
from ganzoo.testing.claims import named
from ganzoo.testing.specs import heavy_imports
from ganzoo.testing.targets import of_names

REGISTRY = registry.load_plugins(block={"*"})
NOWHERE = DataRoot(Path("/nonexistent"), download=False)


@pytest.mark.parametrize("spec", ["Gen", "Dis", "Distance", "Brighter"])
def test_a_component_without_fault_passes(spec: str) -> None:
    testing.check(globals()[spec], program="pt2").raise_for_problems()


# What is right


def narrow(plugin: str) -> list[Spec]:
    """Return the networks of a plugin with few channels: they keep their promises sooner."""
    few: dict[str, Any] = {
        "base_channels": 8, "channels": [8, 8, 8, 8], "channel_max": 8, "w_size": 8,
        "levels": 3, "blocks": 1,
    }  # fmt: skip
    return [
        spec.model_validate({name: few[name] for name in few if name in spec.model_fields})
        for spec in meant(REGISTRY, plugin)[0]
        if spec.kind in {"generator", "discriminator"}
    ]


SLOW = {"ganzoo-fastgan"}
"""Plugins whose smallest networks are large."""


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(one.name, marks=[pytest.mark.slow] if one.name in SLOW else [])
        for one in REGISTRY.plugins
        if one.components
    ],
)
def test_every_built_in_component_keeps_its_promises(plugin: str) -> None:
    cases = of_names(REGISTRY, plugin, {"root": NOWHERE, "program": "pt2"})
    small = narrow(plugin)
    cases = [case for case in cases if case.component not in {named(spec) for spec in small}]
    cases += [case for spec in small for case in testing.cases(spec, program="pt2")]

    report = testing.Report.of(cases)

    report.raise_for_problems()
    of_steps_alone = 9  # they make fewer promises
    assert len(report.findings) >= (of_steps_alone if plugin == "ganzoo-steps" else 11)


def test_every_kind_has_its_checks() -> None:
    from ganzoo.plugin.kinds import KINDS

    assert set(testing.KINDS) == set(KINDS)


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("gradient_penalty", lambda s: 10 * (s - 1) ** 2),
        ("dragan", lambda s: 10 * (s - 1) ** 2),
        ("r1", lambda s: 5 * s**2),
        ("r2", lambda s: 5 * s**2),
    ],
)
def test_built_in_penalties_have_the_values_of_their_papers(use: str, expected: Any) -> None:
    testing.check(REGISTRY.find("regularizer", use), expected=expected).raise_for_problems()


# Planted: penalties


class Penalty(RegularizerSpec):
    """(‖∇D‖ - 1)², right."""

    use: ClassVar[str] = "planted"
    second_order: ClassVar[bool] = True
    create_graph: ClassVar[bool] = True

    def norm(self, gradient: Tensor) -> Tensor:
        return gradient.flatten(1).norm(2, dim=1)

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        images = ((ctx.real + ctx.fake) / 2).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(
            ctx.critic(images).sum(), images, create_graph=self.create_graph
        )
        return {"planted": self.weight * (self.norm(gradient) - 1).square().mean()}


class OverTheBatch(Penalty):
    """torchgan 0.1.0: the norm is one over the whole batch."""

    def norm(self, gradient: Tensor) -> Tensor:
        return gradient.norm(2)


class OverChannels(Penalty):
    """vegans 0.1.0: the norm is over channels only, and there is no second order."""

    create_graph: ClassVar[bool] = False

    def norm(self, gradient: Tensor) -> Tensor:
        return gradient.norm(2, dim=1)


class HalfDetached(Penalty):
    """Gradients flow through part of the norm only."""

    def norm(self, gradient: Tensor) -> Tensor:
        flat = gradient.flatten(1)
        return torch.cat([flat[:, :50].detach(), flat[:, 50:]], 1).norm(2, dim=1)


class Multiplied(Penalty):
    """Multiplies by 'every' and ignores 'weight'; does not say that it is of second order."""

    second_order: ClassVar[bool] = False

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        terms = super().discriminator_terms(ctx)
        return {"planted": self.every * terms["planted"] / max(self.weight, 1e-9) + 1}


def test_a_right_penalty_passes() -> None:
    report = testing.check(Penalty, expected=lambda s: (s - 1) ** 2)

    report.raise_for_problems()


def test_torchgans_norm_over_the_batch_is_named_with_its_values() -> None:
    words = ("322.03 for 8", "the norm is one over the whole batch", r"\(\|w\| - 1\)² is 32.469")

    assert missed(OverTheBatch, *words) == []
    told = "its value is 322.03, and should be 32.469"
    assert missed(OverTheBatch, told, expected=lambda s: (s - 1) ** 2) == []


def test_vegans_penalty_without_gradient_is_named() -> None:
    assert (
        missed(
            OverChannels,
            "no gradient at all, so it trains nothing",
            "create_graph=True",
            "the norm is not over all channels and pixels",
        )
        == []
    )


def test_a_half_detached_penalty_is_named() -> None:
    assert missed(HalfDetached, "its gradient says") == []


def test_what_belongs_to_the_step_and_what_must_be_declared_is_named() -> None:
    assert (
        missed(
            Multiplied,
            "with every = 4; the step multiplies by 'every' itself",
            "second_order = True",
            "with weight = 0",
        )
        == []
    )


# Planted: losses


class Game(LossSpec):
    """Wasserstein, to be spoilt."""

    use: ClassVar[str] = "planted"

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"real": -ctx.real_logits.mean(), "fake": ctx.fake_logits.mean()}

    def generator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"adversarial": -ctx.fake_logits.mean()}


class WithoutSign(Game):
    """Cannot tell better from worse."""

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"gap": (ctx.real_logits - ctx.fake_logits).mean() * 0}


class WrongSign(Game):
    """Both sides play the other's game."""

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"real": ctx.real_logits.mean(), "fake": -ctx.fake_logits.mean()}

    def generator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"adversarial": ctx.fake_logits.mean()}


class FromProbabilities(Game):
    """Binary cross-entropy on a sigmoid."""

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        real, fake = torch.sigmoid(ctx.real_logits), torch.sigmoid(ctx.fake_logits)
        return {"real": -torch.log(real).mean(), "fake": -torch.log(1 - fake).mean()}


class Ordered(Game):
    """Looks at the first image only."""

    def generator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"adversarial": -ctx.fake_logits[0]}


class Vector(Game):
    """Forgets the mean."""

    def generator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"adversarial": -ctx.fake_logits}


class Detached(Game):
    """Trains no generator."""

    def generator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        return {"adversarial": -ctx.fake_logits.detach().mean()}


class TakesGradients(Game):
    """Does the step's work."""

    def discriminator_terms(self, ctx: Context) -> Mapping[str, Tensor]:
        terms = super().discriminator_terms(ctx)
        terms["real"].backward(retain_graph=True)  # type: ignore[no-untyped-call]
        return terms


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (WithoutSign, "it has no sign: it does not distinguish better from worse"),
        (WrongSign, "lowers its loss: real logits 1 below, .*: the sign is wrong"),
        (WrongSign, "generators loss: fake logits .*: the sign is wrong"),
        (FromProbabilities, r"the discriminator's loss is inf at real logits of -10000"),
        (Ordered, "for the same batch in another order"),
        (Vector, r"the generator's term 'adversarial' is \[8\], not a scalar"),
        (Detached, "the generator's term 'adversarial' reaches no parameter of the generator"),
        (TakesGradients, r"takes gradients itself; only the step may call backward\(\)"),
    ],
)
def test_what_is_wrong_with_a_loss_is_named(loss: type[LossSpec], words: str) -> None:
    assert missed(loss, words) == []


# Planted: networks


class Made(nn.Module):
    """A small generator with a choice of faults."""

    def __init__(self, image: ImageShape, fault: str) -> None:
        super().__init__()
        self.image, self.fault = image, fault
        size = image.channels * image.height * image.width
        self.first = nn.Linear(12, 5)
        self.norm = nn.BatchNorm1d(5, 0.8) if fault == "eps" else nn.LayerNorm(5)
        self.last = nn.Linear(5, size)
        if fault in {"dead", "unused"}:
            self.branch = nn.Linear(5, size)
        self.calls = 0

    def forward(self, latent: Tensor) -> Tensor:
        if self.fault == "hidden":
            self.calls += 1
        hidden = self.norm(self.first(latent))
        image = self.last(hidden) * (1 + 0.1 * self.calls)
        if self.fault == "dead":
            image = image + 0 * self.branch(hidden)
        if self.fault == "random":
            image = image + float(torch.rand((), generator=torch.Generator().manual_seed(id(self))))
        if self.fault == "constant":
            image = image * 0 + self.last.bias
        image = image.view(-1, self.image.channels, self.image.height, self.image.width)
        if self.fault == "transposed":
            image = image.permute(0, 2, 3, 1)
        return image if self.fault == "unbounded" else torch.tanh(image)


class Gen(GeneratorSpec):
    """Planted faults."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def output_range(self) -> tuple[float, float]:
        return (-1.0, 1.0)

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        if self.fault == "refuses" and image.height != 28:
            raise ValueError("28 only")
        return Made(image, self.fault)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dead", "the gradient of parameter 'branch.weight' is exactly 0: its branch is dead"),
        ("unused", "parameter 'branch.weight' gets no gradient"),
        ("eps", "BatchNorm1d 'norm' has eps = 0.8"),
        ("unbounded", r"output_range\(\) promises \[-1.0, 1.0\]"),
        ("transposed", r"it returned \[5, 28, 28, 1\] for 1×28×28 images, \[5, 1, 28, 28\] wanted"),
        ("constant", "four latents gave four times the same image"),
        ("hidden", "something is outside of it"),
        ("refuses", r"for 3×32×32 images raised ValueError: 28 only; raise a GanzooError"),
    ],
)
def test_what_is_wrong_with_a_generator_is_named(fault: str, words: str) -> None:
    assert missed(Gen(fault=fault), words, program="pt2") == []


class Judge(nn.Module):
    """A small discriminator with a choice of faults."""

    def __init__(self, image: ImageShape, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.first = nn.Linear(image.channels * image.height * image.width, 6)
        self.norm = nn.BatchNorm1d(6) if fault == "coupled" else nn.Identity()
        self.last = nn.Linear(6, 1)

    def forward(self, images: Tensor) -> Tensor:
        if self.fault == "in_place":
            images.clamp_(-0.5, 0.5)
        logits = self.last(torch.tanh(self.norm(self.first(images.flatten(1)))))
        if self.fault == "maps":
            return logits[:, :, None, None]
        if self.fault == "sigmoid":
            return torch.sigmoid(logits).flatten()
        return logits.squeeze() if self.fault == "squeeze" else logits.flatten()


class Dis(DiscriminatorSpec):
    """Planted faults."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def build(self, image: ImageShape) -> nn.Module:
        return Judge(image, self.fault)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("maps", r"it returned \[4, 1, 1, 1\] for 4 images of 1×28×28, \[4\] wanted"),
        ("sigmoid", r"all lie in \[0, 1\]: return logits"),
        ("squeeze", r"it returned \[\] for one image, \[1\] wanted"),
        ("in_place", "it changes its input in place"),
    ],
)
def test_what_is_wrong_with_a_discriminator_is_named(fault: str, words: str) -> None:
    assert missed(Dis(fault=fault), words) == []


def test_a_batch_norm_in_a_discriminator_is_reported_and_no_fault() -> None:
    report = testing.check(Dis(fault="coupled"))

    report.raise_for_problems()
    assert any("depends on the rest of its batch" in note.text for note in report.notes)


# Planted: metrics, views, datasets, optimizers, tables


class Meter:
    def __init__(self, fault: str) -> None:
        self.fault, self.sum, self.count = fault, 0.0, 0

    def add(self, seen: Seen) -> None:
        centre = seen.features.double().norm(dim=1)
        if self.fault == "order" and self.count:
            self.sum = 0.9 * self.sum + float(centre.sum())
        elif self.fault == "first":
            self.sum += len(seen) * float(centre[0])
        else:
            self.sum += float(centre.sum())
        self.count += len(seen)

    def result(self) -> dict[str, float]:
        return {"distances" if self.fault == "name" else "distance": self.sum / self.count}


class Distance(MetricSpec):
    """How far out features lie."""

    use: ClassVar[str] = "planted"
    scores: ClassVar[Mapping[str, Scale]] = {"distance": Scale(lower_is_better=True)}
    fault: str = ""
    """What is wrong."""

    def meter(self, reference: Any) -> Meter:  # noqa: ARG002
        return Meter(self.fault)


class HigherIsBetter(Distance):
    """Says the opposite of what is true."""

    scores: ClassVar[Mapping[str, Scale]] = {"distance": Scale(lower_is_better=False)}


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (Distance(fault="order"), "for the same fakes with the batches in another order"),
        (Distance(fault="first"), "with the images of each batch in another order"),
        (Distance(fault="name"), r"gives \['distances'\], and 'scores' names \['distance'\]"),
        (HigherIsBetter(), "lower_is_better is False"),
    ],
)
def test_what_is_wrong_with_a_metric_is_named(metric: MetricSpec, words: str) -> None:
    assert missed(metric, words) == []


class Brighter(ViewSpec):
    """Planted faults."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def apply(self, images: Tensor, which: str) -> Tensor:
        if self.fault == "detached":
            return images.detach() * 0.5
        if self.fault == "own":
            return images * float(torch.rand((), generator=GENERATOR))
        if self.fault == "shape":
            return images[:, :, ::2]
        if self.fault == "in_place" and which == "real":
            return images.mul_(0.5)
        return images * 0.5


GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("detached", "what is seen of fakes has no gradient"),
        ("own", "look different: draw from torch's global generator"),
        ("shape", r"real images of 3×16×16 become \[3, 8, 16\]; shape\(\) says 3×16×16"),
        ("in_place", "it changes real images in place"),
    ],
)
def test_what_is_wrong_with_a_view_is_named(fault: str, words: str) -> None:
    assert missed(Brighter(fault=fault), words) == []


class Numbers(DatasetSpec):
    """Planted faults."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def build(self, root: DataRoot, split: str = "train") -> ImageData:
        if self.fault == "missing" and not root.path.name.startswith("here"):
            raise FileNotFoundError("numbers.bin")
        draw = self.fault == "random"
        seed = 1 if split == "train" or self.fault == "overlap" else 2
        generator = None if draw else torch.Generator().manual_seed(seed)
        images = torch.randint(256, (30, 1, 4, 4), generator=generator, dtype=torch.uint8)
        labels = torch.arange(30) % (4 if self.fault == "labels" else 3)
        return ImageData(images, labels, ("a", "b", "c"), "drawn", f"{seed:064x}")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("overlap", "30 of 30 test images are training images as well"),
        ("random", "the train images differ when they are built again"),
        ("random", "draws from torch's global generator"),
        ("labels", "train labels run from 0 to 3, with 3 classes"),
        ("missing", "raises FileNotFoundError: numbers.bin; raise a DataError"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_named(fault: str, words: str, tmp_path: Any) -> None:
    (tmp_path / "here").mkdir()
    root = DataRoot(tmp_path / "here", download=False)
    testing.check(Numbers, root=root).raise_for_problems()

    with pytest.raises(Exception, match=words):
        testing.check(Numbers(fault=fault), root=root).raise_for_problems()


class Stubborn(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter -= 0.01 * (parameter if parameter.grad is None else parameter.grad)


class Walk(OptimizerSpec):
    """Ignores its rate and moves what has no gradient."""

    use: ClassVar[str] = "planted"

    def build(self, parameters: Any) -> torch.optim.Optimizer:
        return Stubborn(parameters, lr=self.lr)


def test_what_is_wrong_with_an_optimizer_is_named() -> None:
    assert missed(Walk, "it moves at lr = 0", "it moves a parameter that has no gradient") == []


class Mute(Game):
    """A key without a word."""

    strength: float = 1.0


def test_a_key_without_docstring_and_a_heavy_import_are_named() -> None:
    assert missed(Mute, "key 'strength' has no docstring") == []
    assert "imports torch, so every command that loads it waits" in "".join(heavy_imports(Game))


# How it is asked


test_the_suite_of_a_component_is_a_test = testing.suite("hinge")


def test_what_does_not_exist_is_told_with_the_nearest_name() -> None:
    with pytest.raises(Exception, match=r"component named 'hing'; did you mean 'hinge'"):
        testing.check("hing")


def test_an_exception_in_a_component_is_a_problem_with_its_place() -> None:
    class Broken(Game):
        """Raises."""

        def generator_terms(self, ctx: Context) -> Mapping[str, Tensor]:  # noqa: ARG002
            raise ZeroDivisionError("oh")

    assert missed(Broken, r"ZeroDivisionError: oh \(.*test_testing.py") == []


def test_a_component_with_required_keys_is_tried_with_values() -> None:
    class Needy(Game):
        """Needs a key."""

        strength: float
        """A number."""

    assert "it needs 'strength'" in testing.check(Needy).notes[0].text
    claims = {case.claim for case in testing.cases(Needy(strength=1.0))}
    assert "same logits same loss" in claims
