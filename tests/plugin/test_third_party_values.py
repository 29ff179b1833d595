"""The ten papers' terms against closed forms in float64."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.plugin import registry
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.machine import set_up
from ganzoo.training.parts import assemble

HERE = Path(__file__).parent / "third_party"
IMAGE = ImageShape(1, 2, 2, num_classes=3)


def spec(file: str, kind: str, use: str, **fields: Any) -> Any:
    """Return a component of a file."""
    return registry.load_plugins([HERE / f"{file}.py"]).find(kind, use).model_validate(fields)


@pytest.fixture(autouse=True)
def float64() -> Any:
    """Compute in float64, seeded."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_one_step_ahead_is_a_step_written_by_hand() -> None:
    real, x = torch.randn(5, 1, 2, 2), torch.randn(5, 1, 2, 2, requires_grad=True)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0))
    before = copy.deepcopy(network.state_dict())
    loss = spec("unrolled", "loss", "zoo_unrolled", ahead=1, rate=0.3)

    term = loss.generator_terms(SimpleNamespace(discriminator=network, real=real, fake=x))
    (found,) = torch.autograd.grad(term["adversarial"], x)

    def ahead(fake: Tensor) -> Tensor:
        w, b = before["1.weight"][0], before["1.bias"][0]
        on_real, on_fake = real.flatten(1), fake.flatten(1)
        # The slopes of softplus(-D(x)) and softplus(D(G(z))) are -σ(-D(x)) and σ(D(G(z))).
        pull, push = -(-(on_real @ w + b)).sigmoid(), (on_fake @ w + b).sigmoid()
        w = w - 0.3 * (pull @ on_real + push @ on_fake) / 5
        b = b - 0.3 * (pull.sum() + push.sum()) / 5
        return -logsigmoid(on_fake @ w + b).mean()

    value = ahead(x)
    (wanted,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(term["adversarial"], value)
    torch.testing.assert_close(found, wanted)
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())


def test_path_lengths_of_a_linear_generator_are_those_of_its_matrix() -> None:
    matrix, w = torch.randn(3, 4), torch.randn(6, 3, requires_grad=True)
    penalty = spec("path_length", "regularizer", "zoo_path_length", weight=2.0, decay=0.5)
    own = penalty.module(3, IMAGE)
    own.mean.fill_(0.4)
    made = {"images": (w @ matrix).view(6, 1, 2, 2), "w": w}

    torch.manual_seed(7)
    found = penalty.generator_terms(SimpleNamespace(made=made, own=own))["path_length"]

    torch.manual_seed(7)
    y = torch.randn(6, 1, 2, 2).flatten(1) / 2
    lengths = (y @ matrix.T).norm(dim=1)
    mean = 0.4 + 0.5 * (lengths.mean() - 0.4)
    torch.testing.assert_close(own.mean, mean)
    torch.testing.assert_close(found, 2 * (lengths - mean).square().mean())


def test_the_balance_moves_as_the_paper_says_and_counts_in_the_next_step() -> None:
    loss = spec("began", "loss", "zoo_began", gamma=0.5, gain=0.1)
    own = loss.module(8, IMAGE)
    own.k.fill_(0.2)
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([0.5, 1.5])

    terms = loss.discriminator_terms(SimpleNamespace(real_logits=-real, fake_logits=-fake, own=own))

    assert float(terms["real"] + terms["fake"]) == pytest.approx(4.0 - 0.2 * 1.0)
    assert float(own.k) == pytest.approx(0.2 + 0.1 * (0.5 * 4.0 - 1.0))
    loss.discriminator_terms(SimpleNamespace(real_logits=-real, fake_logits=-99 * real, own=own))
    assert float(own.k) == 0.0


def test_lecam_holds_logits_to_the_means_of_the_steps_before() -> None:
    penalty = spec("lecam", "regularizer", "zoo_lecam", weight=0.5, decay=0.9)
    own = penalty.module(8, IMAGE)
    own.real.fill_(1.0)
    own.fake.fill_(-2.0)
    real, fake = torch.tensor([2.0, 4.0]), torch.tensor([-1.0, 0.0])

    found = penalty.discriminator_terms(
        SimpleNamespace(real_logits=real, fake_logits=fake, own=own)
    )["lecam"]

    assert float(found) == pytest.approx(0.5 * ((16 + 36) / 2 + (4 + 1) / 2))
    assert float(own.real) == pytest.approx(0.9 * 1.0 + 0.1 * 3.0)
    assert float(own.fake) == pytest.approx(0.9 * -2.0 + 0.1 * -0.5)


def test_the_class_term_is_the_cross_entropy_of_real_images_and_fakes() -> None:
    loss = spec("acgan", "loss", "zoo_acgan")
    labels, real, fake = torch.tensor([0, 2, 1, 1]), torch.randn(4, 3), torch.randn(4, 3)
    context = SimpleNamespace(
        real_logits=torch.zeros(4),
        fake_logits=torch.zeros(4),
        real_labels=labels,
        fake_labels=labels,
        real_out={"classes": real},
        fake_out={"classes": fake},
    )

    found = loss.discriminator_terms(context)

    wanted = sum(
        -(each.exp() / each.exp().sum(1, keepdim=True))[range(4), labels].log().mean()
        for each in (real, fake)
    )
    torch.testing.assert_close(found["class"], wanted)


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_extragradient_on_the_dirac_gan_is_its_closed_form(rate: float) -> None:
    # With Wasserstein's game θ and ψ play ψθ: with z = θ + iψ an update is z (1 - η² - iη), of
    # modulus √(1 - η² + η⁴) < 1 below η = 1, where that of descent is √(1 + η²).
    path = [f"optimizer.{role}.lr={rate}" for role in ("generator", "discriminator")]
    found = registry.load_plugins([HERE / "extragradient.py"])
    recipe = load_recipe(
        find_recipe("toy_dirac"),
        found,
        [*path, "step.use='zoo_extragradient'", "loss.use='wasserstein'", "train.steps=40"],
    )
    machine, _ = set_up("cpu", threads=1)
    parts = assemble(recipe, found, DataRoot(data_root(None), False), machine, warn=print)
    (theta,) = parts.generator.network.parameters()
    (psi,) = parts.discriminator.network.parameters()
    start = z = complex(theta.item(), psi.item())
    factor = complex(1 - rate**2, -rate)

    for step in range(40):
        parts.step(step, lambda number: parts.feed(number).each(Tensor.double))
        z *= factor
        assert abs(complex(theta.item(), psi.item()) - z) < 1e-12 * abs(start)

    assert abs(z) == pytest.approx(abs(start) * (1 - rate**2 + rate**4) ** 20)
