"""A batch in parts: the same gradients as in one piece; who remembers is shown no part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import small

import ganzoo
from ganzoo.common.errors import GanzooError
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
    ("plugin", "chosen", "who"),
    [
        ("lecam", {"regularizer": [{"use": "zoo_lecam"}]}, "regularizer 'zoo_lecam'"),
        ("ada", {"view": [{"use": "zoo_ada"}]}, "view 'zoo_ada'"),
    ],
)
def test_who_remembers_something_is_not_shown_a_batch_in_parts(
    plugin: str, chosen: dict[str, Any], who: str, tmp_path: Path
) -> None:
    with pytest.raises(GanzooError, match=f"{who} remembers something .* step.accumulate = 2"):
        run(tmp_path, {**chosen, "step.accumulate": 2}, plugin)
