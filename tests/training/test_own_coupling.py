"""What a step of one's own makes otherwise of a batch in parts is told before step 1."""

from __future__ import annotations

import pytest
from families import FAMILIES, built
from heard import Heard

from ganzoo.training.parts import Parts
from ganzoo.training.trial import try_out

NORMS = ["generator.norm='batch'", "discriminator.norm='batch'"]
NONE = ["generator.norm='instance'", "discriminator.norm='instance'"]


def told(family: str, *overrides: str) -> list[str]:
    name, small = FAMILIES[family]
    parts: Parts = built(name, [*small, *overrides])
    reporter = Heard()
    try_out(parts, reporter)
    return reporter.warnings


@pytest.mark.parametrize(
    ("family", "overrides", "reasons"),
    [
        ("pix2pix", [*NONE, "train.shards=2"], []),
        ("pix2pix", NORMS, []),
        (
            "pix2pix",
            [*NORMS, "train.shards=2"],
            ["train.shards = 2", "in the batch norm of generator, discriminator", "sync_norm"],
        ),
        ("pix2pix", [*NORMS, "step.accumulate=3"], ["step.accumulate = 3", "the batch norm of"]),
        ("pix2pix", [*NORMS, "train.shards=2", "train.sync_norm=true"], []),
        (
            "pix2pix",
            [*NONE, "train.shards=2", "loss={use='relativistic', pairing='average'}"],
            ["it is not a mean over the images of a batch, the term 'd/"],
        ),
        ("cyclegan", [*NONE, "train.shards=2"], []),
    ],
)
def test_what_parts_change_is_told(family: str, overrides: list[str], reasons: list[str]) -> None:
    warnings = told(family, *overrides)

    assert len(warnings) == bool(reasons), warnings
    for reason in reasons:
        assert reason in warnings[0]
