"""Every seed's recipe, narrowed, runs on real images from the first sheet to the curves."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from seed_parts import SEEDS, SPRITE_SEEDS, registry, seed

from ganzoo.common.data_root import DataRoot
from ganzoo.training.loop import new_run, start
from ganzoo.training.machine import Machine
from ganzoo.training.parts import assemble
from ganzoo.training.state import Silent
from ganzoo.training.trial import try_out

HEAVY = {"seed_upsample_mnist_program", "seed_d2l_ab", "seed_d2l_ab_classic"}
"""Much like others that run, and slow."""


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] * (each in HEAVY)) for each in SEEDS]
)
def test_a_seed_runs_on_real_images(
    name: str, real_data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = []
    if name in SPRITE_SEEDS:
        archive = request.getfixturevalue("photographs")
        data = [f"dataset={{use='folder',path='{archive}',size=64,holdout=0.5}}"]
    short = ["train.steps=4", "train.batch_size=4", "train.log_every=2", "samples.each_epoch=false"]
    narrow = ["generator.base_channels=4", "discriminator.base_channels=4"]
    recipe = seed(name, *short, *narrow, *data)
    parts = assemble(
        recipe,
        registry(),
        DataRoot(real_data, download=False),
        Machine(torch.device("cpu")),
        warn=pytest.fail,
        allow_fallback=False,
    )
    try_out(parts, Silent())
    run = new_run(parts, tmp_path, name)

    outcome = start(parts, registry(), run, Silent())

    assert outcome.status == "done"
    assert outcome.result["images_per_second"] > 0
    final = outcome.result["final"]
    assert all(math.isfinite(value) for value in final.values())
    assert 0 <= final["d/accuracy"] <= 1
    assert run.sheets()[-1].stem == recipe.samples.name.format(step=4)
    for file in (run.curves, run.film, run.path / "real.png", run.generator):
        assert file.stat().st_size > 100
