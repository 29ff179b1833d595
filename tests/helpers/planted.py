"""Components that break one promise each, where a fresh process finds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganzoo.api import (
    Context,
    DiscriminatorSpec,
    GanzooError,
    GeneratorSpec,
    ImageShape,
    LossSpec,
    OptimizerSpec,
    RegularizerSpec,
    Terms,
    ViewSpec,
)

ANCHORS: dict[str, Tensor] = {}
FIRST: dict[str, Tensor] = {}


class Memory(nn.Module):
    """A running mean, a weight that is used and one that is not."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.scale = nn.Parameter(torch.ones(()))
        self.idle = nn.Parameter(torch.ones(()))
        self.kept = torch.ones(8)


class Penalty(RegularizerSpec):
    """Pulls logits together, and remembers in one of several wrong ways."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module | None:  # noqa: ARG002
        """Return a running mean, or nothing for the faults that need none."""
        return Memory() if self.fault in {"idle", "no buffer", "other side"} else None

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'pull'."""
        real, fake = ctx.real_logits, ctx.fake_logits
        pull = (real - fake).square().mean()
        mean = real.detach().mean()
        if self.fault == "global":
            before = ANCHORS.get("real", torch.zeros_like(mean))
            ANCHORS["real"] = 0.9 * before + 0.1 * mean
            pull = (fake - before).square().mean()
        elif self.fault == "first":
            pull = (fake - FIRST.setdefault("real", mean)).square().mean()
        elif self.fault == "idle":
            pull = pull * ctx.own.scale
        elif self.fault == "no buffer":
            pull = pull * (ctx.own.scale + ctx.own.idle) + (real * ctx.own.kept).mean()
        elif self.fault == "device":
            pull = pull + (real * torch.linspace(0, 1, len(real))).mean()
        elif self.fault == "reads":
            pull = pull * (2 if float(real.detach().mean()) > 0 else 1)
        return {"pull": self.weight * pull}


class Late(Penalty):
    """Has its module trained with the wrong side."""

    trained_with: ClassVar[Literal["generator", "discriminator"]] = "generator"
    fault: str = "other side"
    """What is wrong."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'pull'."""
        return {"pull": self.weight * (ctx.real_logits * ctx.own.scale).square().mean()}


class Shift(RegularizerSpec):
    """A term of the generator that ignores its weight."""

    use: ClassVar[str] = "planted_shift"

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'shift'."""
        return {"shift": self.every * ctx.fake.square().mean()}


class Heads(nn.Module):
    """A discriminator with a class head and a choice of faults."""

    def __init__(self, image: ImageShape, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.first = nn.Linear(image.channels * image.height * image.width, 6)
        self.score = nn.Linear(6, 1)
        self.classes = nn.Linear(6, max(1, image.num_classes))

    def forward(self, images: Tensor) -> Any:
        """Return logits and classes."""
        features = torch.tanh(self.first(images.flatten(1)))
        logits, classes = self.score(features).flatten(), self.classes(features)
        if self.fault == "attribute":
            vars(logits)["classes"] = classes
            return logits
        if self.fault == "scalar":
            return {"logits": logits, "classes": classes, "norm": features.norm()}
        if self.fault == "infinite":
            return {"logits": logits, "classes": classes / 0}
        if self.fault == "modes" and not self.training:
            return {"logits": logits}
        if self.fault == "device":
            logits = logits + torch.ones(len(images))
        if self.fault == "bf16":
            weight = torch.zeros_like(self.score.weight).index_add_(
                1, torch.arange(6), features.mean(0, keepdim=True)
            )
            logits = logits + weight.mean()
        return {"logits": logits, "classes": classes}


class Judge(DiscriminatorSpec):
    """Planted faults; none by default."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Heads(image, self.fault)


class ByAttribute(LossSpec):
    """Reads the classes that hang on the logits."""

    use: ClassVar[str] = "planted_attribute"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'gap' and 'class'."""
        said: Any = ctx.real_logits
        assert ctx.real_labels is not None
        gap = ctx.fake_logits.mean() - ctx.real_logits.mean()
        return {"gap": gap, "class": cross_entropy(said.classes, ctx.real_labels)}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'score'."""
        return {"score": -ctx.fake_logits.mean()}


class Wishful(LossSpec):
    """Asks for what no network here returns."""

    use: ClassVar[str] = "planted_wish"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'gap'."""
        return {"gap": ctx.fake_out["poses"].mean() - ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'score'."""
        return {"score": -ctx.fake_logits.mean()}


class Maker(nn.Module):
    """A generator with a choice of faults."""

    def __init__(self, latent_size: int, image: ImageShape, fault: str) -> None:
        super().__init__()
        self.shape, self.fault = (image.channels, image.height, image.width), fault
        self.first = nn.Linear(latent_size, 8)
        self.last = nn.Linear(8, self.shape[0] * self.shape[1] * self.shape[2])
        self.register_buffer("grid", torch.zeros(8))
        self.shift = torch.zeros(8)

    def forward(self, latent: Tensor) -> Any:
        """Return images, and 'w'."""
        w = torch.tanh(self.first(latent))
        if self.fault == "fixed":
            w = w + torch.zeros(len(latent), 8, device=w.device)
        if self.fault == "numpy":
            w = w + torch.from_numpy(w.detach().numpy()).mean()
        if self.fault == "device":
            w = w + torch.zeros(8)
        if self.fault == "attribute":
            w = w + self.shift
        images = torch.tanh(self.last(w)).view(-1, *self.shape)
        return {"pictures": images} if self.fault == "names" else {"images": images, "w": w}


class Images(GeneratorSpec):
    """Planted faults; none by default."""

    use: ClassVar[str] = "planted"
    at_sampling: ClassVar[frozenset[str]] = frozenset({"fault"})
    fault: str = ""
    """What is wrong."""

    def latents(self, z: Tensor) -> Tensor:
        """Return the latents, or the first of them alone."""
        return z[:1] if self.fault == "rows" else z

    def output_range(self) -> tuple[float, float]:
        """Return tanh's."""
        return (-1.0, 1.0)

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Maker(latent_size, image, self.fault)


class Misnamed(Images):
    """Lets a key be changed that it does not have."""

    at_sampling: ClassVar[frozenset[str]] = frozenset({"truncation"})


class Light(ViewSpec):
    """Brightens by as much as a global has grown to."""

    use: ClassVar[str] = "planted"
    grown: ClassVar[list[float]] = [0.0]

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:  # noqa: ARG002
        """Return brighter images."""
        return images + self.grown[0]

    def observe(self, ctx: Context) -> None:  # noqa: ARG002
        """Grow."""
        self.grown[0] += 0.1


class Grouped(OptimizerSpec):
    """Two groups, the second at a tenth of the rate."""

    use: ClassVar[str] = "planted"
    fault: str = ""
    """What is wrong."""

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return descent."""
        first, *rest = parameters
        rate = 0.02 if self.fault == "own rate" else float(str(self.lr))
        factor = 0.5 if self.fault == "own rate" else 1.0
        groups = [{"params": [first], "lr": rate * factor}, {"params": rest, "lr": rate / 10}]
        return torch.optim.SGD(groups, lr=rate)

    def adjust(self, optimizer: torch.optim.Optimizer, update: int, total: int) -> None:
        """Follow the schedule, or flatten the groups."""
        super().adjust(optimizer, update, total)
        if self.fault == "flat":
            for group in optimizer.param_groups:
                group["lr"] = optimizer.param_groups[0]["lr"]


class Needy(Images):
    """A key without a default, and an example of it."""

    use: ClassVar[str] = "planted_needy"
    width: Annotated[int, Field(examples=[4])]
    """Numbers in the hidden layer."""


class Told(nn.Module):
    """A generator that is told several numbers."""

    def __init__(self, latent_size: int, image: ImageShape) -> None:
        super().__init__()
        self.shape = (image.channels, image.height, image.width)
        size = self.shape[0] * self.shape[1] * self.shape[2]
        self.image = nn.Linear(latent_size + image.label_shape[0], size)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return images."""
        both = torch.cat([latent, labels.to(latent.dtype)], 1)
        return torch.tanh(self.image(both)).view(-1, *self.shape)


class Attributes(GeneratorSpec):
    """Takes several numbers an image as its label, and no class."""

    use: ClassVar[str] = "planted_attributes"
    uses_labels: ClassVar[bool] = True

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        if not image.label_shape:
            raise GanzooError("it wants numbers, not a class")
        return Told(latent_size, image)
