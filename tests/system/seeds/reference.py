"""The seeds' networks, losses and optimizers written out again from their texts, in plain torch.

Nothing here comes from ganzoo: weights are taken one by one in the order the layers use them,
batch norm, padding and both optimizers are spelt out, gradients come from autograd. Only which
numbers a dropout keeps is taken over, since it is chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor


class Unlike(Exception):  # noqa: N818
    """A recipe does what the source cannot have done."""


@dataclass
class Pass:
    """One pass through a network: its weights in order, its mode, and what batch norm saw.

    Attributes:
        seen: mean and unbiased variance of every batch norm's input, one after the other.
        running: the same, as earlier passes have left them.
        kept: 0 and 1 for every dropout to come, in any numbers: whose chance is not the source's.
    """

    weights: Iterator[Tensor]
    running: Iterator[Tensor]
    kept: Iterator[Tensor]
    training: bool = True
    seen: list[Tensor] = field(default_factory=list)

    def w(self) -> Tensor:
        return next(self.weights)

    def norm(self, x: Tensor, eps: float = 1e-5) -> Tensor:
        """Batch norm; out of training with the running statistics."""
        scale, shift = self.w(), self.w()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        if self.training:
            mean = x.mean(axes, keepdim=True)
            variance = (x - mean).square().mean(axes, keepdim=True)
            count = x.numel() / x.shape[1]
            unbiased = variance * count / (count - 1)
            self.seen += [mean.detach().flatten(), unbiased.detach().flatten()]
        else:
            # A network that has never trained starts from mean 0 and variance 1.
            mean = next(self.running, torch.zeros_like(scale)).view(shape)
            variance = next(self.running, torch.ones_like(scale)).view(shape)
        x = (x - mean) / (variance + eps).sqrt()
        return x * scale.view(shape) + shift.view(shape)

    def dropout(self, x: Tensor, share: float, *, maps: bool = False) -> Tensor:
        """Set single numbers, or whole maps, to zero and scale the others up.

        ganzoo rounds the share to 16 bits, 0.3 to 0.300003: the one departure it allows itself.
        """
        if not self.training:
            return x
        share = round(share * 2**16) / 2**16
        kept = next(self.kept, None)
        if kept is None or kept.shape != x.shape:
            raise Unlike("other numbers are dropped, or dropped at another time")
        if maps and not torch.equal(kept, kept[:, :, :1, :1].expand_as(kept)):
            raise Unlike("single numbers are dropped in place of maps")
        count = x.shape[0] * x.shape[1] if maps else x.numel()
        if abs(kept.mean().item() - (1 - share)) > 5 * math.sqrt(share / count):
            # Numbers that were zero before count as dropped.
            dropped = (x != 0) & (kept == 0)
            rate = float(dropped.sum() / (x != 0).sum())
            if abs(rate - share) > 5 * math.sqrt(share / count):
                raise Unlike(f"{rate:.3f} of the numbers are dropped in place of {share:.3f}")
        return x * kept / (1 - share)


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def nearest(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


Network = Callable[[Tensor, Pass], Tensor]


def flux_generator(z: Tensor, p: Pass) -> Tensor:
    x = p.norm(z @ p.w().T).relu().unflatten(1, (-1, 7, 7))
    x = p.norm(F.conv_transpose2d(x, p.w(), stride=1, padding=2)).relu()
    x = p.norm(F.conv_transpose2d(x, p.w(), stride=2, padding=1)).relu()
    return F.conv_transpose2d(x, p.w(), stride=2, padding=1).tanh()


def biased_flux_generator(z: Tensor, p: Pass) -> Tensor:
    x = p.norm(z @ p.w().T + p.w()).relu().unflatten(1, (-1, 7, 7))
    x = p.norm(F.conv_transpose2d(x, p.w(), p.w(), stride=1, padding=2)).relu()
    x = p.norm(F.conv_transpose2d(x, p.w(), p.w(), stride=2, padding=1)).relu()
    return F.conv_transpose2d(x, p.w(), p.w(), stride=2, padding=1).tanh()


def flux_discriminator(share: float) -> Network:
    def network(x: Tensor, p: Pass) -> Tensor:
        for _ in range(2):
            x = p.dropout(lrelu(F.conv2d(x, p.w(), p.w(), stride=2, padding=1)), share)
        return (x.flatten(1) @ p.w().T + p.w())[:, 0]

    return network


def gluon_generator(z: Tensor, p: Pass) -> Tensor:
    x = p.norm(F.conv_transpose2d(z[:, :, None, None], p.w())).relu()
    for _ in range(3):
        x = p.norm(F.conv_transpose2d(x, p.w(), stride=2, padding=1)).relu()
    return F.conv_transpose2d(x, p.w(), stride=2, padding=1).tanh()


def gluon_discriminator(x: Tensor, p: Pass) -> Tensor:
    for _ in range(4):
        x = lrelu(p.norm(F.conv2d(x, p.w(), stride=2, padding=1)))
    return F.conv2d(x, p.w())[:, 0, 0, 0]


def keras_generator(z: Tensor, p: Pass) -> Tensor:
    x = p.norm(z @ p.w().T + p.w(), 1e-3).relu().unflatten(1, (-1, 7, 7))
    x = p.dropout(x, 0.4)
    x = p.norm(F.conv2d(nearest(x), p.w(), p.w(), padding=2), 1e-3).relu()
    x = p.norm(F.conv2d(nearest(x), p.w(), p.w(), padding=2), 1e-3).relu()
    x = p.norm(F.conv2d(x, p.w(), p.w(), padding=2), 1e-3).relu()
    return 1 / (1 + (-F.conv2d(x, p.w(), p.w(), padding=2)).exp())


def keras_discriminator(x: Tensor, p: Pass) -> Tensor:
    # 28 to 14 and 14 to 7 with one zero before and two after, 7 to 4 with two on both sides.
    for before, after, stride in ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 1)):
        x = F.conv2d(F.pad(x, (before, after, before, after)), p.w(), p.w(), stride=stride)
        x = p.dropout(lrelu(x), 0.4)
    return (x.flatten(1) @ p.w().T + p.w())[:, 0]


def norm_first_generator(z: Tensor, p: Pass) -> Tensor:
    x = (z @ p.w().T + p.w()).unflatten(1, (-1, 7, 7))
    x = F.conv2d(nearest(p.norm(x)), p.w(), p.w(), padding=1).relu()
    return F.conv2d(nearest(p.norm(x)), p.w(), p.w(), padding=1).tanh()


def norm_last_discriminator(x: Tensor, p: Pass) -> Tensor:
    x = p.dropout(lrelu(F.conv2d(x, p.w(), p.w(), stride=2, padding=1)), 0.3)
    x = p.norm(p.dropout(lrelu(F.conv2d(x, p.w(), p.w(), stride=2, padding=1)), 0.3))
    return (x.flatten(1) @ p.w().T + p.w())[:, 0]


def program_generator(z: Tensor, p: Pass) -> Tensor:
    x = p.norm((z @ p.w().T + p.w()).unflatten(1, (-1, 8, 8)))
    x = lrelu(p.norm(F.conv2d(nearest(x), p.w(), p.w(), padding=1), 0.8))
    x = lrelu(p.norm(F.conv2d(nearest(x), p.w(), p.w(), padding=1), 0.8))
    return F.conv2d(x, p.w(), p.w(), padding=1).tanh()


def program_discriminator(x: Tensor, p: Pass) -> Tensor:
    for number in range(4):
        x = lrelu(F.conv2d(x, p.w(), p.w(), stride=2, padding=1))
        x = p.dropout(x, 0.25, maps=True)
        if number > 0:
            x = p.norm(x, 0.8)
    return (x.flatten(1) @ p.w().T + p.w())[:, 0]


def bilinear_generator(z: Tensor, p: Pass) -> Tensor:
    constant = p.w().expand(len(z), -1, -1, -1)
    x = torch.cat([constant, (z @ p.w().T + p.w()).unflatten(1, (-1, 4, 4))], dim=1)
    x = lrelu(F.conv2d(x, p.w(), p.w(), padding=1))
    for _ in range(4):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = lrelu(F.conv2d(x, p.w(), p.w(), padding=1))
    return F.conv2d(x, p.w(), p.w(), padding=1)


def averaging_discriminator(x: Tensor, p: Pass) -> Tensor:
    for _ in range(4):
        x = lrelu(F.conv2d(x, p.w(), p.w(), padding=1))
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2).mean((3, 5))
    x = lrelu(F.conv2d(x, p.w(), p.w(), padding=1))
    return (x.flatten(1) @ p.w().T + p.w())[:, 0]


# Optimizers: the change of one weight, from its gradient and what is remembered of earlier ones.


@dataclass
class Adam:
    lr: float
    beta1: float
    beta2: float
    memory: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    count: int = 0

    def step(self, weights: list[Tensor], gradients: tuple[Tensor, ...]) -> None:
        self.count += 1
        for at, (weight, g) in enumerate(zip(weights, gradients, strict=True)):
            m, v = self.memory.get(at, (torch.zeros_like(g), torch.zeros_like(g)))
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            self.memory[at] = m, v
            mean, square = m / (1 - self.beta1**self.count), v / (1 - self.beta2**self.count)
            weight.data -= self.lr * mean / (square.sqrt() + 1e-8)


@dataclass
class RMSprop:
    """Keras 2.0: ρ 0.9, ε 1e-8 outside the root, clipped, lr / (1 + decay · t), t from 0."""

    lr: float
    decay: float
    memory: dict[int, Tensor] = field(default_factory=dict)
    count: int = 0

    def step(self, weights: list[Tensor], gradients: tuple[Tensor, ...]) -> None:
        lr = self.lr / (1 + self.decay * self.count)
        self.count += 1
        for at, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            g = gradient.clamp(-1, 1)
            v = 0.9 * self.memory.get(at, torch.zeros_like(g)) + 0.1 * g * g
            self.memory[at] = v
            weight.data -= lr * g / (v.sqrt() + 1e-8)


# Losses, from logits: -log σ(s) is softplus(-s).


def classic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def halved(real: Tensor, fake: Tensor) -> Tensor:
    """The mean over a joined batch of as many real as fake images."""
    return torch.cat([F.softplus(-real), F.softplus(fake)]).mean()


def non_saturating(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001
    return F.softplus(-fake).mean()


def saturating(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001
    return -F.softplus(fake).mean()


def relativistic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


@dataclass
class Rules:
    """How one seed trains, as its text says."""

    generator: Network
    discriminator: Network
    generator_optimizer: Adam | RMSprop
    discriminator_optimizer: Adam | RMSprop
    discriminator_loss: Callable[[Tensor, Tensor], Tensor] = classic
    generator_loss: Callable[[Tensor, Tensor], Tensor] = non_saturating
    noise: str = "shared"
    """'shared', 'same' (made again), 'fresh' (redrawn) or 'cut' (the generator learns nothing)."""
    fakes_in_test_mode: bool = False
    joint: bool = False
    trains_both: bool = False
    generator_first: bool = False
    """The generator is trained first, and the discriminator on the fakes of before."""
    needs_real: bool = False
    """Whether the generator's loss scores the real images too."""
    penalty: float = 0.0
    """γ of R1 and R2: γ/2 times the mean squared norm of the slope at an image."""


@dataclass
class Reference:
    """A seed's two networks as lists of weights, and one update of them."""

    rules: Rules
    generator: list[Tensor]
    discriminator: list[Tensor]
    generator_kept: list[Tensor]
    discriminator_kept: list[Tensor]
    """What dropouts keep in the next update, in the order of the passes."""
    generator_statistics: list[Tensor] = field(default_factory=list)
    discriminator_statistics: list[Tensor] = field(default_factory=list)

    def make(self, z: Tensor, training: bool = True) -> Tensor:
        running = iter(self.generator_statistics)
        p = Pass(iter(self.generator), running, iter_out(self.generator_kept), training)
        images = self.rules.generator(z, p)
        assert next(p.weights, None) is None
        self.generator_statistics = follow(self.generator_statistics, p.seen)
        return images

    def score(self, images: Tensor) -> Tensor:
        p = Pass(iter(self.discriminator), iter(()), iter_out(self.discriminator_kept))
        logits = self.rules.discriminator(images, p)
        assert next(p.weights, None) is None
        self.discriminator_statistics = follow(self.discriminator_statistics, p.seen)
        return logits

    def update(self, real: Tensor, z: Tensor, z_again: Tensor) -> tuple[Tensor, Tensor]:
        """Train the discriminator, then the generator; return their losses."""
        rules = self.rules
        fake = self.make(z, not rules.fakes_in_test_mode)
        if rules.generator_first:
            g_loss = self._train_generator(real, fake)
            return self._train_discriminator(real, fake), g_loss
        d_loss = self._train_discriminator(real, fake)
        if rules.noise in {"same", "fresh"}:
            fake = self.make(z_again)
        elif rules.noise == "cut":
            fake = fake.detach()
        return d_loss, self._train_generator(real, fake)

    def _train_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        loss = self._discriminator_loss(real, fake.detach())
        gradients = torch.autograd.grad(loss, self.discriminator)
        self.rules.discriminator_optimizer.step(self.discriminator, gradients)
        return loss.detach()

    def _train_generator(self, real: Tensor, fake: Tensor) -> Tensor:
        rules = self.rules
        # The relativistic loss looks at the real images first.
        real_logits = self.score(real) if rules.needs_real else real
        loss = rules.generator_loss(real_logits, self.score(fake))
        if rules.noise != "cut":
            moved = [*self.generator, *(self.discriminator if rules.trains_both else [])]
            rules.generator_optimizer.step(moved, torch.autograd.grad(loss, moved))
        return loss.detach()

    def _discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        rules = self.rules
        if rules.joint:
            both = self.score(torch.cat([real, fake]))
            return rules.discriminator_loss(both[: len(real)], both[len(real) :])
        if rules.penalty:
            real, fake = real.requires_grad_(), fake.requires_grad_()
        on_real, on_fake = self.score(real), self.score(fake)
        loss = rules.discriminator_loss(on_real, on_fake)
        if rules.penalty:
            for images, logits in ((real, on_real), (fake, on_fake)):
                (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
                loss = loss + rules.penalty / 2 * slope.square().sum((1, 2, 3)).mean()
        return loss


def iter_out(items: list[Tensor]) -> Iterator[Tensor]:
    """Take one item after the other out of the list."""
    while items:
        yield items.pop(0)


def follow(running: list[Tensor], seen: list[Tensor]) -> list[Tensor]:
    """Return running statistics after a pass: a tenth of what it saw, the rest of what was."""
    if not seen:
        return running
    start = [torch.full_like(value, at % 2) for at, value in enumerate(seen)]
    return [0.9 * old + 0.1 * new for old, new in zip(running or start, seen, strict=True)]
