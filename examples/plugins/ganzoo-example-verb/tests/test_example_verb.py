"""The verb draws what is in a run's log."""

import json
from pathlib import Path

from click.testing import CliRunner
from ganzoo_example_verb.command import blocks, sparks


def test_blocks_rise_with_the_values_and_keep_to_the_width() -> None:
    assert blocks([0.0, 1.0, 2.0, 7.0], 60) == "▁▂▃█"
    assert blocks([0.0, 0.0, 1.0, 1.0], 2) == "▁█"
    assert blocks([3.0], 60) == "▁"


def test_the_losses_of_a_run_are_drawn(tmp_path: Path) -> None:
    run = tmp_path / "20260131-0915-kfbm"
    run.mkdir()
    (run / "recipe.toml").touch()
    lines = [{"step": step, "d/loss": 2.0 - step, "g/loss": 1.0} for step in range(3)]
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    done = CliRunner().invoke(sparks, [str(run)])

    assert done.exit_code == 0, done.output
    assert "discriminator/loss" in done.output
    assert "█▅▁ 0.000 to 2.000" in done.output or "█▄▁ 0.000 to 2.000" in done.output
