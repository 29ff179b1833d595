"""Terms of 'ganzoo_classic': values and gradients in float64, against the papers' forms."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.api import GanzooError, ImageShape
from ganzoo_classic.losses.boundary_equilibrium import BoundaryEquilibrium
from ganzoo_classic.losses.dual_contrastive import DualContrastive
from ganzoo_classic.losses.energy import Energy
from ganzoo_classic.losses.multi_hinge import MultiHinge
from ganzoo_classic.losses.top_k import TopK
from ganzoo_classic.losses.unrolled import Unrolled
from ganzoo_classic.networks.specs import Autoencoder, Decoder
from ganzoo_classic.regularizers.auxiliary_classifier import AuxiliaryClassifier
from ganzoo_classic.regularizers.consistency import Consistency
from ganzoo_classic.regularizers.contrastive import Contrastive
from ganzoo_classic.regularizers.feature_matching import FeatureMatching
from ganzoo_classic.regularizers.lecam import LeCam
from ganzoo_classic.regularizers.mutual_information import MutualInformation
from ganzoo_classic.regularizers.orthogonal import Orthogonal
from ganzoo_classic.regularizers.path_length import PathLength
from ganzoo_classic.regularizers.pull_away import PullAway
from ganzoo_classic.regularizers.zero_centered_gp import ZeroCenteredGp
from ganzoo_losses.hinge import Hinge
from ganzoo_losses.relativistic import Relativistic
from ganzoo_losses.wasserstein import Wasserstein

IMAGE = ImageShape(1, 2, 2, num_classes=3)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    """Compute in float64, seeded."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def same(found: Tensor, wanted: Tensor, *leaves: Tensor) -> None:
    """Assert equal values, and equal gradients at every leaf."""
    torch.testing.assert_close(found, wanted)
    for leaf in leaves:
        pair = [
            torch.autograd.grad(value, leaf, retain_graph=True, materialize_grads=True)[0]
            for value in (found, wanted)
        ]
        torch.testing.assert_close(*pair)
        assert bool(pair[1].any())


def leaf(*shape: int, scale: float = 1.0) -> Tensor:
    return (scale * torch.randn(*shape)).requires_grad_()


def context(**parts: Any) -> Any:
    """Return a context with the parts that a term asks for."""
    return SimpleNamespace(**parts)


def scores(real: Tensor, fake: Tensor, **parts: Any) -> Any:
    """Return a context over given logits."""
    return context(
        real_logits=real,
        fake_logits=fake,
        real_out={"logits": real},
        fake_out={"logits": fake},
        **parts,
    )


# Classes


def surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of -log P, P = exp(logit of the class) / Σ exp(logits), image by image."""
    rows = []
    for row, label in zip(logits, labels.tolist(), strict=True):
        rows.append(-torch.log(row[label].exp() / row.exp().sum()))
    return torch.stack(rows).mean()


def test_the_class_term_is_the_cross_entropy_of_one_softmax() -> None:
    real, fake = leaf(5, 3), leaf(5, 3)
    labels = torch.tensor([0, 2, 1, 1, 2])
    ctx = context(
        real_out={"classes": real},
        fake_out={"classes": fake},
        real_labels=labels,
        fake_labels=labels.flip(0),
    )
    term = AuxiliaryClassifier(weight=0.7)

    found = term.discriminator_terms(ctx)

    same(found["class_real"], 0.7 * surprise(real, labels), real)
    same(found["class_fake"], 0.7 * surprise(fake, labels.flip(0)), fake)
    same(term.generator_terms(ctx)["class"], 0.7 * surprise(fake, labels.flip(0)), fake)
    assert set(AuxiliaryClassifier(learns_from_fakes=False).discriminator_terms(ctx)) == {
        "class_real"
    }


def test_a_sure_and_right_head_costs_nothing() -> None:
    # A softmax before the cross-entropy, as in much copied ports, could not go below 0.55 here.
    sure = 100 * torch.eye(3)
    ctx = context(fake_out={"classes": sure}, fake_labels=torch.arange(3))

    assert float(AuxiliaryClassifier().generator_terms(ctx)["class"]) < 1e-12


def test_classes_of_fakes_are_classes_of_their_own() -> None:
    real, fake = leaf(5, 6), leaf(5, 6)  # three classes: real ones, then fake ones
    labels = torch.tensor([0, 2, 1, 1, 2])
    ctx = context(
        real_out={"real_fake_classes": real},
        fake_out={"real_fake_classes": fake},
        real_labels=labels,
        fake_labels=labels.flip(0),
    )
    term = AuxiliaryClassifier(form="adc", weight=0.7)
    asked = labels.flip(0)

    found = term.discriminator_terms(ctx)

    same(found["class_real"], 0.7 * surprise(real, labels), real)
    same(found["class_fake"], 0.7 * surprise(fake, asked + 3), fake)
    made = term.generator_terms(ctx)
    wanted = 0.7 * (surprise(fake, asked) - surprise(fake, asked + 3))
    same(made["class"] + made["not_class"], wanted, fake)
    with pytest.raises(GanzooError, match="labels = 'real_fake_classes'"):
        term.generator_terms(context(fake_out={"classes": fake}, fake_labels=asked))


# Contrastive


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b) / ((a @ a) * (b @ b)).sqrt()


def two_c(images: Tensor, classes: Tensor, labels: list[int], t: float) -> Tensor:
    """Return ContraGAN's loss, term by term."""
    found = []
    for i, label in enumerate(labels):
        own = (cosine(images[i], classes[label]) / t).exp()
        others = [k for k in range(len(labels)) if k != i]
        pulls = {k: (cosine(images[i], images[k]) / t).exp() for k in others}
        alike = own + sum(pulls[k] for k in others if labels[k] == label)
        found.append(-torch.log(alike / (own + sum(pulls.values()))))
    return torch.stack(found).mean()


def d2d_ce(images: Tensor, classes: Tensor, labels: list[int], t: float, m: float) -> Tensor:
    """Return ReACGAN's loss, term by term."""
    zero, found = torch.zeros(()), []
    for i, label in enumerate(labels):
        own = (torch.minimum(cosine(images[i], classes[label]) - m, zero) / t).exp()
        pushes = [
            (torch.maximum(cosine(images[i], images[k]) - (1 - m), zero) / t).exp()
            for k in range(len(labels))
            if labels[k] != label
        ]
        found.append(-torch.log(own / (own + sum(pushes))))
    return torch.stack(found).mean()


@pytest.mark.parametrize("form", ["2c", "d2d_ce"])
def test_contrastive_is_the_papers_sum_over_pairs(form: Any) -> None:
    spec = Contrastive(form=form, size=4, temperature=0.6, margin=0.9, weight=1.5)
    own = spec.module(8, IMAGE)
    assert isinstance(own, nn.Embedding)
    real, fake, labels = leaf(6, 4), leaf(6, 4), [0, 1, 1, 2, 0, 1]
    ctx = context(
        own=own,
        real_out={"embedding": real},
        fake_out={"embedding": fake},
        real_labels=torch.tensor(labels),
        fake_labels=torch.tensor(labels),
    )
    for images, found in ((real, spec.discriminator_terms(ctx)), (fake, spec.generator_terms(ctx))):
        wanted = (
            two_c(images, own.weight, labels, 0.6)
            if form == "2c"
            else d2d_ce(images, own.weight, labels, 0.6, 0.9)
        )
        same(found["contrastive"], 1.5 * wanted, images, own.weight)


# Codes


def test_information_is_the_likelihood_of_each_code() -> None:
    spec = MutualInformation(
        codes=[3, 2], continuous=2, q="discriminator", deviation="learned", weight=2.0
    )
    said, images = leaf(4, 9), [0, 2, 1, 1]
    latent = torch.randn(4, 10)
    latent[:, :5] = 0
    for row, (first, second) in enumerate(zip(images, [1, 0, 0, 1], strict=True)):
        latent[row, first] = latent[row, 3 + second] = 1
    ctx = context(latent=latent, fake_out={"embedding": said})

    found = spec.generator_terms(ctx)

    categorical = surprise(said[:, :3], torch.tensor(images)) + surprise(
        said[:, 3:5], torch.tensor([1, 0, 0, 1])
    )
    variance = (5 * torch.tanh(said[:, 7:] / 5)).exp()
    density = torch.exp(-((latent[:, 5:7] - said[:, 5:7]) ** 2) / (2 * variance)) / torch.sqrt(
        2 * math.pi * variance
    )
    same(found["code"], 2 * categorical, said)
    same(found["continuous_code"], -2 * 0.1 * density.prod(1).log().mean(), said)
    for name, value in spec.discriminator_terms(ctx).items():
        same(value, found[name], said)


def test_a_fixed_deviation_is_half_the_square_and_a_constant() -> None:
    spec = MutualInformation(codes=[], continuous=1, q="discriminator", continuous_weight=1.0)
    said, latent = leaf(4, 1), torch.randn(4, 3)

    found = spec.generator_terms(context(latent=latent, fake_out={"embedding": said}))

    wanted = ((latent[:, :1] - said) ** 2).mean() / 2 + math.log(2 * math.pi) / 2
    same(found["continuous_code"], wanted, said)


def test_a_sure_and_right_q_costs_nothing() -> None:
    latent = torch.eye(10)
    ctx = context(latent=latent, fake_out={"embedding": 100 * latent})

    found = MutualInformation(q="discriminator").generator_terms(ctx)

    assert float(found["code"]) < 1e-12


def test_q_of_its_own_trains_generator_and_q_and_not_the_discriminators_half() -> None:
    spec = MutualInformation(codes=[3], hidden=5)
    own = spec.module(8, IMAGE)
    assert own is not None
    fake, latent = leaf(4, 1, 2, 2), torch.eye(3)[[0, 1, 2, 0]]
    ctx = context(latent=latent, fake=fake, own=own)

    value = spec.generator_terms(ctx)["code"]

    same(value, surprise(own(fake), latent.argmax(1)), fake, *own.parameters())
    assert spec.discriminator_terms(ctx) == {}


# Features


def test_feature_matching_compares_means_and_teaches_the_generator_alone() -> None:
    real, fake = leaf(5, 4), leaf(5, 4)
    ctx = context(real_out={"features": real}, fake_out={"features": fake})
    apart = [float(real[:, k].detach().mean()) for k in range(4)]

    for norm, wanted in (
        ("l2", sum((apart[k] - fake[:, k].mean()) ** 2 for k in range(4))),
        ("l1", sum((apart[k] - fake[:, k].mean()).abs() for k in range(4)) / 4),
    ):
        spec = FeatureMatching(norm=norm, weight=3.0)  # type: ignore[arg-type]
        found = spec.generator_terms(ctx)["feature_matching"]
        assert isinstance(wanted, Tensor)
        same(found, 3 * wanted, fake)
        assert torch.autograd.grad(found, real, allow_unused=True) == (None,)
        assert spec.discriminator_terms(ctx) == {}


def test_pull_away_is_the_mean_squared_cosine_of_pairs() -> None:
    features = leaf(5, 3)

    found = PullAway(weight=0.1).generator_terms(context(fake_out={"features": features}))

    pairs = [cosine(features[i], features[j]) ** 2 for i in range(5) for j in range(5) if i != j]
    same(found["pull_away"], 0.1 * torch.stack(pairs).mean(), features)
    apart = context(fake_out={"features": torch.eye(4)})
    assert float(PullAway().generator_terms(apart)["pull_away"]) == 0


# LeCam


def test_lecam_pulls_each_kind_to_the_mean_of_the_other_from_the_steps_before() -> None:
    spec = LeCam(weight=0.3, decay=0.8)
    own: Any = spec.module(8, IMAGE)
    means: list[tuple[float, float]] = []

    def running(kind: int) -> float:
        shares = [0.8**age for age in reversed(range(len(means)))]
        values = [pair[kind] for pair in means]
        return sum(a * b for a, b in zip(shares, values, strict=True)) / sum(shares)

    for step in range(4):
        real, fake = leaf(4), leaf(4)
        at_real, at_fake = (running(0), running(1)) if means else (0.0, 0.0)

        found = spec.discriminator_terms(scores(real, fake, own=own))["lecam"]

        of_real = sum((x - at_fake) ** 2 for x in real) / 4
        wanted = of_real + sum((at_real - x) ** 2 for x in fake) / 4
        assert isinstance(wanted, Tensor)
        same(found, 0.3 * wanted, real, fake)
        means.append((float(real.detach().mean()), float(fake.detach().mean())))
        torch.testing.assert_close(
            torch.stack([own.real, own.fake]), torch.tensor([running(0), running(1)])
        )
        assert int(own.updates) == step + 1


def test_lecams_one_sided_form_spares_what_is_on_the_right_side() -> None:
    spec = LeCam(weight=1.0, one_sided=True)
    own: Any = spec.module(8, IMAGE)
    own.updates.fill_(5)
    own.real.fill_(1.0)
    own.fake.fill_(-1.0)
    real, fake = torch.tensor([-2.0, 3.0]), torch.tensor([2.0, -3.0])

    found = spec.discriminator_terms(scores(real, fake, own=own))["lecam"]

    assert float(found) == pytest.approx(4**2 / 2 + 4**2 / 2)


# Consistency


@dataclass
class Asked:
    """A context whose critic is a quadratic form, and which remembers what it is asked."""

    real: Tensor
    fake: Tensor
    latent: Tensor
    generator: nn.Module
    weights: Tensor
    seen: list[Tensor] = field(default_factory=list)
    real_labels: Any = None
    fake_labels: Any = None

    def critic(self, images: Tensor, labels: Any = None) -> Tensor:  # noqa: ARG002
        """Score ``[N, C, H, W]``."""
        self.seen.append(images)
        return (images.flatten(1) ** 2) @ self.weights

    @property
    def real_logits(self) -> Tensor:
        return (self.real.flatten(1) ** 2) @ self.weights

    @property
    def fake_logits(self) -> Tensor:
        return (self.fake.flatten(1) ** 2) @ self.weights

    @property
    def made(self) -> Mapping[str, Tensor]:
        return {"images": self.generator(self.latent)}


def asked(weights: Tensor, side: int = 8, count: int = 4) -> Asked:
    generator = nn.Sequential(nn.Linear(3, side * side), nn.Unflatten(1, (1, side, side)))
    images = torch.randn(2, count, 1, side, side)
    return Asked(images[0], images[1], torch.randn(count, 3), generator, weights)


def test_consistency_compares_scores_of_images_changed_anew_at_every_call() -> None:
    weights = leaf(64)
    ctx = asked(weights)
    spec = Consistency(real=10.0, fake=4.0, weight=0.5)

    found = spec.discriminator_terms(ctx)  # type: ignore[arg-type]

    for name, factor, images, changed in (
        ("consistency_real", 5.0, ctx.real, ctx.seen[0]),
        ("consistency_fake", 2.0, ctx.fake, ctx.seen[1]),
    ):
        apart = (images.flatten(1) ** 2 - changed.flatten(1) ** 2) @ weights
        same(found[name], factor * (apart**2).mean(), weights)
        for row, before in zip(changed, images, strict=True):
            assert set(row.flatten().tolist()) <= set(before.flatten().tolist())
    spec.discriminator_terms(ctx)  # type: ignore[arg-type]
    assert not torch.equal(ctx.seen[0], ctx.seen[2])


def test_moved_latents_are_scored_alike_and_made_unlike() -> None:
    weights = leaf(64)
    ctx = asked(weights)
    spec = Consistency(real=0.0, latent=20.0, diversity=0.5, spread=0.05)

    torch.manual_seed(3)
    found = spec.discriminator_terms(ctx)  # type: ignore[arg-type]
    torch.manual_seed(3)
    diversity = spec.generator_terms(ctx)["diversity"]  # type: ignore[arg-type]

    torch.manual_seed(3)
    moved = ctx.generator(ctx.latent + 0.05 * torch.randn(4, 3))
    plain = ctx.generator(ctx.latent)
    apart = (plain.flatten(1) ** 2 - moved.flatten(1) ** 2) @ weights
    same(found["consistency_latent"], 20 * (apart**2).mean(), weights)
    matrix = ctx.generator[0].weight  # type: ignore[index]
    same(diversity, -0.5 * ((plain - moved) ** 2).mean(), matrix)


def test_points_are_not_flipped() -> None:
    ctx = Asked(
        torch.randn(4, 2, 1, 1), torch.randn(4, 2, 1, 1), torch.randn(4, 3), nn.Identity(), leaf(2)
    )

    with pytest.raises(GanzooError, match="points cannot be flipped"):
        Consistency().discriminator_terms(ctx)  # type: ignore[arg-type]


# Slopes and weights


def test_path_lengths_of_a_linear_generator_are_those_of_its_matrix() -> None:
    generator = nn.Sequential(nn.Linear(3, 4), nn.Unflatten(1, (1, 2, 2)))
    matrix = generator[0].weight  # [4, 3]
    spec = PathLength(weight=2.0, decay=0.5, share=0.5)
    own: Any = spec.module(3, IMAGE)
    own.mean.fill_(0.4)
    ctx = context(latent=torch.randn(6, 3), generator=generator, own=own, fake_labels=None)

    torch.manual_seed(7)
    found = spec.generator_terms(ctx)["path_length"]

    torch.manual_seed(7)
    y = torch.randn(3, 1, 2, 2).flatten(1) / 2
    lengths = torch.stack([(row @ matrix).square().sum().sqrt() for row in y])
    mean = 0.4 + 0.5 * (float(lengths.detach().mean()) - 0.4)
    same(found, 2 * ((lengths - mean) ** 2).mean(), matrix)
    assert float(own.mean) == pytest.approx(mean)


def test_path_lengths_along_w_are_those_of_what_the_generator_shows() -> None:
    matrix, w = leaf(3, 4), leaf(6, 3)
    spec = PathLength(at="w", weight=1.0, decay=1.0, share=1.0)
    made = {"images": (w @ matrix).view(6, 1, 2, 2), "w": w}
    ctx = context(made=made, own=spec.module(3, IMAGE), latent=torch.zeros(6, 3))

    torch.manual_seed(7)
    found = spec.generator_terms(ctx)["path_length"]

    torch.manual_seed(7)
    lengths = ((torch.randn(6, 4) / 2) @ matrix.T).norm(dim=1)
    same(found, (lengths - float(lengths.detach().mean())).square().mean(), matrix)


def test_a_generator_that_is_asked_again_keeps_its_statistics() -> None:
    generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Unflatten(1, (1, 2, 2)))
    before = {name: value.clone() for name, value in generator.named_buffers()}
    spec = PathLength()
    ctx = context(
        latent=torch.randn(6, 3), generator=generator, own=spec.module(3, IMAGE), fake_labels=None
    )

    generator(ctx.latent).sum().backward()  # the step's own pass, with a graph
    after_own = {name: value.clone() for name, value in generator.named_buffers()}
    spec.generator_terms(ctx)["path_length"].backward()

    assert not torch.equal(after_own["1.running_mean"], before["1.running_mean"])
    for name, value in generator.named_buffers():
        assert torch.equal(value, after_own[name])


def test_orthogonal_is_the_squared_off_diagonal_of_filters() -> None:
    network = nn.Sequential(
        nn.Linear(3, 4), nn.ConvTranspose2d(2, 3, 2), nn.Embedding(5, 2), nn.BatchNorm2d(3)
    )
    linear, convolution = network[0].weight, network[1].weight

    found = Orthogonal(weight=0.5).generator_terms(context(generator=network))["orthogonal"]

    rows = [linear[k] for k in range(4)], [convolution[:, k].flatten() for k in range(3)]
    wanted = sum(
        (a @ b) ** 2
        for layer in rows
        for i, a in enumerate(layer)
        for j, b in enumerate(layer)
        if i != j
    )
    assert isinstance(wanted, Tensor)
    same(found, 0.5 * wanted, linear, convolution)
    (slope,) = torch.autograd.grad(found, linear)
    products = linear @ linear.T
    closed = 0.5 * 4 * (products - products.diag().diag()) @ linear
    torch.testing.assert_close(slope, closed)


def test_orthogonal_leaves_spectral_norms_vectors_alone() -> None:
    network = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)).train()
    before = [each.clone() for each in network.buffers()]

    Orthogonal(of="discriminator").discriminator_terms(context(discriminator=network))

    assert all(torch.equal(a, b) for a, b in zip(before, network.buffers(), strict=True))


def test_the_zero_centred_penalty_is_the_squared_slope_between_the_images() -> None:
    weights = leaf(4)
    ctx = asked(weights, side=2)
    ctx.uniform = lambda *shape: torch.full(shape, 0.25)  # type: ignore[attr-defined]

    found = ZeroCenteredGp(weight=3.0).discriminator_terms(ctx)["zero_centered_gp"]  # type: ignore[arg-type]

    between = (0.25 * ctx.real + 0.75 * ctx.fake).flatten(1)
    slopes = 2 * between * weights  # of Σ w x²
    same(found, 3 * (slopes**2).sum(1).mean(), weights)


# Energies


def test_an_energy_is_hinged_at_the_margin_whatever_the_batch() -> None:
    real, fake = leaf(6), leaf(6)
    ctx = scores(real, fake)
    spec = Energy(margin=0.8)

    found = spec.discriminator_terms(ctx)

    hinged = [0.8 + x if float(x.detach()) > -0.8 else 0 * x for x in fake]
    same(found["real"], -real.mean(), real)
    same(found["fake"], torch.stack(hinged).mean(), fake)
    same(spec.generator_terms(ctx)["adversarial"], -fake.mean(), fake)
    twice = spec.discriminator_terms(scores(real.repeat(2), fake.repeat(2)))
    torch.testing.assert_close(twice["fake"], found["fake"])


def test_the_generator_learns_through_image_and_reconstruction() -> None:
    # Much copied ports hold the image fixed as a target, and so lose half of the gradient.
    network = Autoencoder(base_channels=2, halvings=1, hidden=3, error="squared").build(
        ImageShape(1, 4, 4)
    )
    images = leaf(2, 1, 4, 4)

    energy = -network(images)["logits"].sum()
    (slope,) = torch.autograd.grad(energy, images)

    def squared(x: Tensor) -> float:
        again = network.decoder(network.encoder(x))  # type: ignore[operator]
        return float(sum((again[n] - x[n]).square().mean() for n in range(2)))

    direction = torch.randn_like(images)
    with torch.no_grad():
        ends = [squared(images + step * direction) for step in (1e-6, -1e-6)]
    assert float((slope * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_an_autoencoder_judges_each_image_by_itself() -> None:
    # Batch norm in the autoencoder is another bug of much copied ports.
    network = Autoencoder(base_channels=2, halvings=1, hidden=3).build(ImageShape(1, 4, 4)).train()
    images = torch.randn(4, 1, 4, 4)

    together = network(images)["logits"]

    alone = torch.cat([network(images[n : n + 1])["logits"] for n in range(4)])
    torch.testing.assert_close(together, alone)
    code = network(images)["features"]
    again = network.decoder(code)  # type: ignore[operator]
    torch.testing.assert_close(together, -(again - images).abs().flatten(1).mean(1))


def test_began_networks_have_the_papers_shape() -> None:
    image = ImageShape(3, 32, 32)

    network = Autoencoder(base_channels=8, halvings=2, hidden=16).build(image)
    generator = Decoder(base_channels=8, halvings=2).build(16, image)

    assert network(torch.zeros(2, 3, 32, 32))["features"].shape == (2, 16)
    assert generator(torch.zeros(2, 16)).shape == (2, 3, 32, 32)
    widths = [m.out_channels for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]  # type: ignore[union-attr]
    assert widths == [8, 8, 16, 16, 24, 24, 24]
    assert {m.out_channels for m in generator.modules() if isinstance(m, nn.Conv2d)} == {8, 3}
    with pytest.raises(GanzooError, match="multiples of 8, and images are 28×28"):
        Autoencoder(halvings=3).build(ImageShape(1, 28, 28))


def test_the_balance_moves_as_the_paper_says_and_counts_in_the_next_step() -> None:
    spec = BoundaryEquilibrium(gamma=0.6, gain=0.1)
    own: Any = spec.module(8, IMAGE)
    k = 0.0
    for _ in range(4):
        real, fake = (-torch.rand(5)).requires_grad_(), (-0.1 * torch.rand(5)).requires_grad_()
        ctx = scores(real, fake, own=own)

        found = spec.discriminator_terms(ctx)

        of_real, of_fake = -real.mean(), -fake.mean()  # L(x) and L(G(z))
        same(torch.stack([*found.values()]).sum(), of_real - k * of_fake, real)
        torch.testing.assert_close(found["fake"], -k * of_fake)
        same(spec.generator_terms(ctx)["adversarial"], of_fake, fake)
        ahead = 0.6 * float(of_real.detach()) - float(of_fake.detach())
        k = min(1.0, max(0.0, k + 0.1 * ahead))
        assert float(own.k) == pytest.approx(k)
        assert float(own.convergence) == pytest.approx(float(of_real.detach()) + abs(ahead))
    assert k > 0


def test_the_balance_stays_within_0_and_1() -> None:
    spec = BoundaryEquilibrium(gain=1.0)
    own: Any = spec.module(8, IMAGE)
    for real, fake, k in ((9.0, 0.0, 1.0), (0.0, 9.0, 0.0)):
        spec.discriminator_terms(scores(torch.tensor([-real]), torch.tensor([-fake]), own=own))
        assert float(own.k) == k


# Looking ahead


class Linear:
    """A context with the discriminator D(x) = tanh(w · x) + b."""

    real_labels = fake_labels = None
    discriminator_optimizer: torch.optim.Optimizer | None = None

    def __init__(self, real: Tensor, fake: Tensor) -> None:
        self.real, self.fake = real, fake
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(4, 1), nn.Tanh(), nn.Linear(1, 1), nn.Flatten(0)
        )
        self.step = 0

    def outputs(self, images: Tensor, labels: Any = None) -> Mapping[str, Tensor]:  # noqa: ARG002
        return {"logits": self.discriminator(images)}

    @property
    def real_out(self) -> Mapping[str, Tensor]:
        return self.outputs(self.real)

    @property
    def fake_out(self) -> Mapping[str, Tensor]:
        return self.outputs(self.fake)

    @property
    def real_logits(self) -> Tensor:
        return self.real_out["logits"]

    @property
    def fake_logits(self) -> Tensor:
        return self.fake_out["logits"]


def ahead_by_hand(ctx: Linear, fake: Tensor, steps: int, rate: float, inside: str) -> Tensor:
    """Return what the generator minimises, with the inner slopes written out."""
    _, first, _, last, _ = ctx.discriminator
    w, c = first.weight[0].detach(), first.bias.detach()
    v, b = last.weight[0, 0].detach(), last.bias.detach()
    real, fake = ctx.real.flatten(1), fake.flatten(1)
    count = len(real)
    for _ in range(steps):
        t_real, t_fake = torch.tanh(real @ w + c), torch.tanh(fake @ w + c)
        d_real, d_fake = v * t_real + b, v * t_fake + b
        if inside == "bce":  # slopes of softplus(-D(x)) + softplus(D(G(z)))
            pull, push = -torch.sigmoid(-d_real), torch.sigmoid(d_fake)
        else:  # of -D(x) + D(G(z))
            pull, push = -torch.ones(count), torch.ones(count)
        e_real, e_fake = pull * v * (1 - t_real**2), push * v * (1 - t_fake**2)
        new_w = w - rate * (e_real @ real + e_fake @ fake) / count
        new_c = c - rate * (e_real.sum() + e_fake.sum()) / count
        new_v = v - rate * (pull @ t_real + push @ t_fake) / count
        b = b - rate * (pull.sum() + push.sum()) / count
        w, c, v = new_w, new_c, new_v
    logits = v * torch.tanh(fake @ w + c) + b
    return -torch.log(torch.sigmoid(logits)).mean() if inside == "bce" else -logits.mean()


@pytest.mark.parametrize("inside", ["bce", "wasserstein"])
def test_steps_ahead_are_steps_written_by_hand(inside: str) -> None:
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx: Any = Linear(real, fake)
    before = {name: each.clone() for name, each in ctx.discriminator.state_dict().items()}
    game = None if inside == "bce" else Wasserstein()
    spec = Unrolled(ahead=3, rate=0.3, inside=game)

    found = spec.generator_terms(ctx)["adversarial"]

    same(found, ahead_by_hand(ctx, fake, 3, 0.3, inside), fake)
    for name, each in ctx.discriminator.state_dict().items():
        assert torch.equal(each, before[name])
    assert all(each.grad is None for each in ctx.discriminator.parameters())


def test_the_gradient_goes_through_the_steps_ahead() -> None:
    # Popular ports look ahead with an optimizer and lose the gradient that comes through it.
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx: Any = Linear(real, fake)

    through = Unrolled(ahead=3, rate=0.3).generator_terms(ctx)["adversarial"]
    past = Unrolled(ahead=3, rate=0.3, through_steps=False).generator_terms(ctx)["adversarial"]

    torch.testing.assert_close(through, past)
    slopes = [torch.autograd.grad(value, fake)[0] for value in (through, past)]
    direction = torch.randn_like(fake)
    ends = []
    for step in (1e-6, -1e-6):
        moved: Any = Linear(real, fake.detach() + step * direction)
        moved.discriminator = ctx.discriminator
        ends.append(float(Unrolled(ahead=3, rate=0.3).generator_terms(moved)["adversarial"]))
    wanted = (ends[0] - ends[1]) / 2e-6
    assert float((slopes[0] * direction).sum()) == pytest.approx(wanted, rel=1e-5)
    assert float((slopes[1] * direction).sum()) != pytest.approx(wanted, rel=1e-2)


def with_moments(real: Tensor, fake: Tensor, **settings: Any) -> Any:
    """Return a context whose discriminator was moved three times by Adam."""
    ctx: Any = Linear(real, fake)
    ctx.discriminator_optimizer = torch.optim.Adam(ctx.discriminator.parameters(), **settings)
    for _ in range(3):
        one_by_torch(ctx.discriminator, ctx.discriminator_optimizer, real, fake.detach())
    return ctx


def one_by_torch(
    network: nn.Module, optimizer: torch.optim.Optimizer, real: Tensor, fake: Tensor
) -> None:
    optimizer.zero_grad()
    loss = torch.log1p((-network(real)).exp()).mean() + torch.log1p(network(fake).exp()).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@pytest.mark.parametrize("settings", [{}, {"lr": 0.2, "betas": (0.6, 0.7), "eps": 1e-3}])
def test_adam_goes_on_where_torchs_adam_is(settings: Any) -> None:
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx = with_moments(real, fake, **settings)
    network = copy.deepcopy(ctx.discriminator)
    optimizer = torch.optim.Adam(network.parameters())
    before = copy.deepcopy(ctx.discriminator_optimizer.state_dict())
    optimizer.load_state_dict(copy.deepcopy(before))

    spec = Unrolled(ahead=3, steps_by="adam", game="zero_sum")
    found = spec.generator_terms(ctx)

    for _ in range(3):
        one_by_torch(network, optimizer, real, fake.detach())
    torch.testing.assert_close(found["real"], -torch.log1p((-network(real)).exp()).mean())
    torch.testing.assert_close(found["fake"], -torch.log1p(network(fake).exp()).mean())
    after = ctx.discriminator_optimizer.state_dict()
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize("game", ["inside", "zero_sum"])
def test_the_gradient_goes_through_adams_moments(game: Any) -> None:
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx = with_moments(real, fake, lr=0.1)
    spec = Unrolled(ahead=3, steps_by="adam", game=game)

    def value(fake: Tensor) -> Tensor:
        moved: Any = Linear(real, fake)
        moved.discriminator = ctx.discriminator
        moved.discriminator_optimizer = ctx.discriminator_optimizer
        return torch.stack([*spec.generator_terms(moved).values()]).sum()

    (slope,) = torch.autograd.grad(value(fake), fake)

    for direction in torch.randn(4, *fake.shape):
        ends = [float(value(fake.detach() + step * direction).detach()) for step in (1e-6, -1e-6)]
        wanted = (ends[0] - ends[1]) / 2e-6
        assert float((slope * direction).sum()) == pytest.approx(wanted, rel=1e-4)


def test_moments_begin_at_0_before_the_first_update_and_rate_replaces_the_optimizers() -> None:
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx: Any = Linear(real, fake)
    network = copy.deepcopy(ctx.discriminator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.3)

    found = Unrolled(ahead=2, steps_by="adam", rate=0.3).generator_terms(ctx)["adversarial"]

    for _ in range(2):
        one_by_torch(network, optimizer, real, fake.detach())
    torch.testing.assert_close(found, torch.log1p((-network(fake)).exp()).mean())


@pytest.mark.parametrize(
    ("kind", "settings", "problem"),
    [
        (torch.optim.SGD, {"lr": 0.1}, "not Adam"),
        (torch.optim.AdamW, {}, "not Adam"),
        (torch.optim.Adam, {"weight_decay": 0.1}, "has weight_decay"),
        (torch.optim.Adam, {"amsgrad": True}, "has amsgrad"),
        (torch.optim.Adam, {"maximize": True}, "has maximize"),
    ],
)
def test_adam_ahead_of_another_optimizer_is_refused(kind: Any, settings: Any, problem: str) -> None:
    ctx: Any = Linear(torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2))
    ctx.discriminator_optimizer = kind(ctx.discriminator.parameters(), **settings)

    with pytest.raises(GanzooError, match=rf"steps_by.*{problem}.*optimizer\.discriminator"):
        Unrolled(steps_by="adam").generator_terms(ctx)


def test_adam_ahead_of_several_rates_is_refused() -> None:
    ctx: Any = Linear(torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2))
    first, second, *rest = ctx.discriminator.parameters()
    groups = [{"params": [first, second]}, {"params": rest, "lr": 1e-5}]
    ctx.discriminator_optimizer = torch.optim.Adam(groups)

    with pytest.raises(GanzooError, match="several learning rates"):
        Unrolled(steps_by="adam").generator_terms(ctx)


@pytest.mark.parametrize("steps_by", ["descent", "adam"])
def test_weights_that_are_not_trained_stay_in_the_steps_ahead(steps_by: Any) -> None:
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx: Any = Linear(real, fake)
    _, first, _, last, _ = ctx.discriminator
    kind: Any = torch.optim.Adam if steps_by == "adam" else torch.optim.SGD
    ctx.discriminator_optimizer = kind(last.parameters(), lr=0.1)
    network = copy.deepcopy(ctx.discriminator)
    optimizer = kind(network[3].parameters(), lr=0.1)

    found = Unrolled(ahead=3, steps_by=steps_by, rate=0.1).generator_terms(ctx)["adversarial"]

    for _ in range(3):
        one_by_torch(network, optimizer, real, fake.detach())
    assert torch.equal(network[1].weight, first.weight)
    torch.testing.assert_close(found, torch.log1p((-network(fake)).exp()).mean())


def test_nobody_looking_ahead_is_the_loss_inside() -> None:
    real, fake = torch.randn(5, 1, 2, 2), leaf(5, 1, 2, 2)
    ctx: Any = Linear(real, fake)

    for game in (Hinge(), Relativistic(pairing="average")):
        spec = Unrolled(ahead=0, inside=game)
        found = spec.generator_terms(ctx)["adversarial"]
        same(found, game.generator_terms(ctx)["adversarial"], fake)
        for name, term in spec.discriminator_terms(ctx).items():
            torch.testing.assert_close(term, game.discriminator_terms(ctx)[name])


def test_the_best_fakes_count_and_no_other() -> None:
    real, fake = leaf(5), leaf(10)
    ctx = scores(real, fake, step=0)

    for share, count in ((1.0, 10), (0.5, 5), (0.3, 3), (0.31, 4), (0.01, 1)):
        found = TopK(share=share, inside=Wasserstein()).generator_terms(ctx)["adversarial"]
        chosen = sorted(range(10), key=lambda k: -float(fake[k]))[:count]
        same(found, -torch.stack([fake[k] for k in chosen]).mean(), fake)
    found = TopK(share=0.5).discriminator_terms(ctx)
    torch.testing.assert_close(found["fake"], torch.log1p(fake.exp()).mean())


@pytest.mark.parametrize("generator", ["swapped", "opposite"])
def test_one_image_is_told_from_all_of_the_other_side(generator: Any) -> None:
    real, fake = leaf(4), leaf(6)

    def share(one: Tensor, others: Tensor) -> Tensor:
        return -torch.log(one.exp() / (one.exp() + sum(other.exp() for other in others)))

    def game(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        ones = torch.stack([share(one, fake) for one in real]).mean()
        return ones, torch.stack([share(-one, -real) for one in fake]).mean()

    spec = DualContrastive(generator=generator)
    found = spec.discriminator_terms(scores(real, fake))
    by_real, by_fake = game(real, fake)
    same(found["real"], by_real, real, fake)
    same(found["fake"], by_fake, real, fake)
    wanted = sum(game(fake, real)) if generator == "swapped" else -(by_real + by_fake)
    assert isinstance(wanted, Tensor)
    same(spec.generator_terms(scores(real, fake))["adversarial"], wanted, real, fake)


def test_a_pair_of_logits_is_a_relativistic_pair() -> None:
    ctx = scores(leaf(1), leaf(1))
    pair = Relativistic().discriminator_terms(ctx)["pairs"]

    for term in DualContrastive().discriminator_terms(ctx).values():
        torch.testing.assert_close(term, pair)


def test_the_right_score_of_k_and_fake_leads_all_others_by_one() -> None:
    real, fake = leaf(5, 3, scale=2.0), leaf(5, 3, scale=2.0)
    real_logits, fake_logits = leaf(5), leaf(5)
    labels = torch.tensor([0, 2, 1, 1, 2])
    ctx = context(
        real_out={"classes": real, "logits": real_logits},
        fake_out={"classes": fake, "logits": fake_logits},
        real_labels=labels,
        fake_labels=labels.flip(0),
    )

    def behind(classes: Tensor, logits: Tensor, right: list[int]) -> Tensor:
        rows = []
        for row, logit, place in zip(classes, logits, right, strict=True):
            seen = [*row, -logit]
            most = max((seen[k] for k in range(4) if k != place), key=float)
            rows.append(torch.relu(1 - seen[place] + most))
        return torch.stack(rows).mean()

    found = MultiHinge().discriminator_terms(ctx)

    same(found["real"], behind(real, real_logits, labels.tolist()), real, real_logits)
    same(found["fake"], behind(fake, fake_logits, [3] * 5), fake, fake_logits)
    wanted = behind(fake, fake_logits, labels.flip(0).tolist())
    same(MultiHinge().generator_terms(ctx)["adversarial"], wanted, fake, fake_logits)
