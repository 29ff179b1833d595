"""Terms that read more than logits keep the promises of all regularizers, where networks fit."""

from __future__ import annotations

import pytest

from ganzoo import testing
from ganzoo.api import RegularizerSpec
from ganzoo_classic.losses.multi_hinge import MultiHinge
from ganzoo_classic.regularizers.auxiliary_classifier import AuxiliaryClassifier
from ganzoo_classic.regularizers.contrastive import Contrastive
from ganzoo_classic.regularizers.mutual_information import MutualInformation
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose

CODED = Transpose(codes=[3], base_channels=4, scales=[2])
SMALL = {"base_channels": 4, "strides": [2], "dropout": 0.0}


# tests/testing looks at the built-in components as they come; these are their other forms.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (AuxiliaryClassifier(), {"labels": "classes"}),
        (AuxiliaryClassifier(learns_from_fakes=False), {"labels": "classes"}),
        (AuxiliaryClassifier(form="adc"), {"labels": "real_fake_classes"}),
        (Contrastive(size=5), {"embedding_size": 5}),
        (Contrastive(size=5, form="2c"), {"embedding_size": 5}),
        (MutualInformation(codes=[3], continuous=2), {}),
        (
            MutualInformation(codes=[3], continuous=1, q="discriminator", deviation="learned"),
            {"embedding_size": 5},
        ),
    ],
    ids=repr,
)
def test_it_keeps_its_promises(spec: RegularizerSpec, fields: dict[str, object]) -> None:
    networks = [CODED, Conv.model_validate({**SMALL, **fields})]

    report = testing.check(spec, beside=networks)

    report.raise_for_problems()
    assert not any("not tried" in str(note) for note in report.notes)


def test_a_hinge_over_classes_keeps_its_promises() -> None:
    networks = [
        Transpose(labels="one_hot", base_channels=4, scales=[2]),
        Conv.model_validate({**SMALL, "labels": "classes"}),
    ]

    report = testing.check(MultiHinge(), beside=networks)

    report.raise_for_problems()
    assert not report.notes
