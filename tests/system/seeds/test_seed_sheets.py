"""Sheets and log lines fall where the seeds have them, under the seeds' names."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from seed_parts import assembled, registry

from ganzoo.runs.folder import RunDir
from ganzoo.training.loop import new_run, start
from ganzoo.training.state import Silent

NARROW = ["generator.base_channels=4", "discriminator.base_channels=4"]


def trained(name: str, folder: Path, *overrides: str, count: int = 24) -> RunDir:
    """Run a seed on random pixels."""
    parts = assembled(name, *NARROW, *overrides, count=count)
    run = new_run(parts, folder, name)
    start(parts, registry(), run, Silent())
    return run


def sheets(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.samples.iterdir())


def test_000_names_its_sheets_by_steps_from_the_untrained_generator_on(tmp_path: Path) -> None:
    run = trained("seed_flux_mnist", tmp_path, "train.steps=5", "samples.every=2")

    assert sheets(run) == [f"dcgan_steps_{step:06d}.png" for step in (0, 2, 4, 5)]
    # 5 × 5 images of 28 pixels, two apart.
    assert Image.open(run.samples / "dcgan_steps_000000.png").size == (152, 152)
    assert Image.open(run.path / "samples.gif").n_frames == 4  # type: ignore[attr-defined]


def test_003_names_its_sheets_without_leading_zeros(tmp_path: Path) -> None:
    run = trained("seed_keras_mnist", tmp_path, "train.steps=3", "samples.every=2")

    assert sheets(run) == ["mnist_2.png", "mnist_3.png"]


def test_002_has_a_sheet_and_a_line_of_the_log_for_each_epoch(tmp_path: Path) -> None:
    # 16 images in batches of 6: three steps an epoch, the last one short.
    run = trained("seed_d2l_sprites", tmp_path, "train.epochs=3", count=16)

    assert sheets(run) == [f"step-{step:06d}.png" for step in (3, 6, 9)]
    assert [entry["epoch"] for entry in run.read_log()] == [1, 2, 3]
    # 3 rows of 7 images of 64 pixels, two apart.
    assert Image.open(run.samples / "step-000009.png").size == (464, 200)
