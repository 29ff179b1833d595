"""A batch in parts: the same gradients as in one piece; who remembers, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import small

import ganzoo
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints

THIRD_PARTY = Path(__file__).parents[1] / "plugin" / "third_party"
PLAIN = {"discriminator.dropout": 0.0, "generator.norm": "none", "step.generator_noise": "same"}


def run(folder: Path, chosen: dict[str, Any], plugin: str = "") -> RunDir:
    """Train two steps; return the run's folder."""
    recipe = folder / "r.toml"
    recipe.write_text(small())
    done = ganzoo.run(
        recipe,
        chosen,
        plugins=[THIRD_PARTY / f"{plugin}.py"] if plugin else [],
        out=folder / "runs",
        device="cpu",
        offline=True,
        quiet=True,
    )
    return done.folder


def test_parts_of_a_batch_train_like_the_whole_of_it(tmp_path: Path) -> None:
    ends = []
    for parts in (1, 3):
        folder = tmp_path / str(parts)
        folder.mkdir()
        found = run(folder, {**PLAIN, "step.accumulate": parts})
        ends.append(checkpoint.read_checkpoint(checkpoints(found.checkpoints)[0])[0])

    assert ends[0].keys() == ends[1].keys()
    assert all(torch.allclose(ends[0][key], ends[1][key], atol=1e-6) for key in ends[0])


@pytest.mark.parametrize(
    ("plugin", "chosen"),
    [("lecam", {"regularizer": [{"use": "zoo_lecam"}]}), ("ada", {"view": [{"use": "zoo_ada"}]})],
)
def test_who_remembers_something_remembers_the_whole_batch(
    plugin: str, chosen: dict[str, Any], tmp_path: Path
) -> None:
    ends = []
    for parts in (1, 2):
        folder = tmp_path / str(parts)
        folder.mkdir()
        found = run(folder, {**PLAIN, **chosen, "step.accumulate": parts}, plugin)
        ends.append(checkpoint.read_checkpoint(checkpoints(found.checkpoints)[0])[0])

    kept = [key for key in ends[0] if key.startswith("own/")]
    assert any(bool(ends[0][key].any()) for key in kept)
    assert all(torch.allclose(ends[0][key], ends[1][key], atol=1e-6) for key in ends[0])
