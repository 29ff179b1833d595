"""The loss has the paper's values, and keeps all that ganzoo asks of a loss."""

from types import SimpleNamespace

import pytest
import torch
from ganzoo_example_loss.loss import RelativisticHinge

from ganzoo import testing

test_the_loss_keeps_its_promises = testing.suite(RelativisticHinge)


def test_the_loss_has_the_values_of_its_formula() -> None:
    ctx = SimpleNamespace(
        real_logits=torch.tensor([2.0, 0.0]), fake_logits=torch.tensor([0.5, -0.5])
    )

    terms = RelativisticHinge().discriminator_terms(ctx)

    # mean fake 0: max(0, 1 - 2) and max(0, 1 - 0); mean real 1: 1 + 0.5 - 1 and 1 - 0.5 - 1
    assert float(terms["real"]) == pytest.approx(0.5)
    assert float(terms["fake"]) == pytest.approx(0.25)
