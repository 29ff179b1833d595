"""Checkpoints as a run writes, keeps and resumes them."""

from __future__ import annotations

from pathlib import Path

from small_recipe import small

from ganzoo.plugin.registry import load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.runs.folder import checkpoints
from ganzoo.session import build
from ganzoo.training import saving
from ganzoo.training.loop import at_the_start, new_run
from ganzoo.training.place import Place
from ganzoo.training.state import Silent


def test_the_newest_by_number_are_kept_past_a_million_steps(tmp_path: Path) -> None:
    recipe = tmp_path / "long.toml"
    recipe.write_text(small(steps=2_000_000) + "[checkpoint]\nkeep = 2\n")
    registry = load_plugins()
    parts = build(
        load_recipe(recipe, registry), registry, Place(device="cpu", data=tmp_path), Silent()
    )
    training = at_the_start(parts, registry, new_run(parts, tmp_path, "long"), Silent())

    for step in (998_000, 999_000, 1_000_000, 1_001_000, 1_002_000):
        training.step = step
        saving.save(training)
        training.aside.settle()
        assert saving.path_of(training, step).is_file()

    kept = [path.name for path in checkpoints(training.run.checkpoints)]
    assert kept == ["step-1002000.safetensors", "step-1001000.safetensors"]
    training.step = 0
    assert saving.restore(training)
    assert training.step == 1_002_000
