"""Sheets and log lines fall where the seeds have them, under the seeds' names."""

from __future__ import annotations

from pathlib import Path

import pytest
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
    # 5 × 5 images of 28 pixels, edge to edge.
    assert Image.open(run.samples / "dcgan_steps_000000.png").size == (140, 140)
    assert Image.open(run.path / "output.gif").n_frames == 4  # type: ignore[attr-defined]
    assert not (run.path / "samples.gif").exists()


def test_000_as_printed_saves_and_logs_before_it_counts(tmp_path: Path) -> None:
    short = ["train.steps=5", "samples.every=2", "train.log_every=2", "step.generator_noise=same"]
    run = trained("seed_flux_mnist_literal", tmp_path / "printed", *short)
    counted = [*short, "train.count_from=1", "samples.every=1"]
    other = trained("seed_flux_mnist_literal", tmp_path / "counted", *counted)

    # After 1, 3 and 5 updates, and the last once more under the number of all.
    assert sheets(run) == [f"dcgan_steps_{step:06d}.png" for step in (0, 2, 4, 5)]
    for number, updates in ((0, 1), (2, 3), (4, 5), (5, 5)):
        found, wanted = run.samples / f"dcgan_steps_{number:06d}.png", f"{updates:06d}.png"
        assert found.read_bytes() == (other.samples / f"dcgan_steps_{wanted}").read_bytes()
    assert [entry["step"] for entry in run.read_log()] == [1, 3, 5]


def test_a_line_of_the_log_has_the_last_batch_beside_the_mean(tmp_path: Path) -> None:
    coarse = trained("seed_flux_mnist", tmp_path / "a", "train.steps=4", "train.log_every=4")
    fine = trained("seed_flux_mnist", tmp_path / "b", "train.steps=4", "train.log_every=1")

    (line,), lines = coarse.read_log(), fine.read_log()
    for side in ("d/loss", "g/loss"):
        assert line[f"batch/{side}"] == lines[3][side] == lines[3][f"batch/{side}"]
        assert line[side] == pytest.approx(sum(one[side] for one in lines) / 4)
        assert line[side] != line[f"batch/{side}"]
    assert set(coarse.read_json("result.json")["final"]) == {
        "d/real", "d/fake", "d/loss", "d/accuracy", "g/adversarial", "g/loss", "g/accuracy",
    }  # fmt: skip


def test_001_fills_its_sheets_column_by_column_and_edge_to_edge(tmp_path: Path) -> None:
    one = ["train.steps=1", "samples.noise=fixed"]
    run = trained("seed_deconstructing_mnist", tmp_path / "columns", *one)
    rows = trained("seed_deconstructing_mnist", tmp_path / "rows", *one, "samples.fill=rows")

    found, by_row = (
        Image.open(each.samples / "dcgan_steps_000001.png").convert("L") for each in (run, rows)
    )

    assert found.size == (168, 168)
    for row, column in ((0, 0), (0, 3), (4, 1), (5, 5)):
        box = (28 * column, 28 * row, 28 * column + 28, 28 * row + 28)
        mirrored = (28 * row, 28 * column, 28 * row + 28, 28 * column + 28)
        assert found.crop(box).tobytes() == by_row.crop(mirrored).tobytes()


def test_003_names_its_sheets_without_leading_zeros_and_keeps_its_latents(tmp_path: Path) -> None:
    frozen = ["optimizer.generator.lr=1e-30", "step.fakes_for_discriminator=train"]
    short = ["train.steps=3", "samples.every=2", "samples.mode=train", *frozen]
    run = trained("seed_keras_mnist", tmp_path, *short, "generator.stem_dropout=0.0")

    assert sheets(run) == ["mnist_2.png", "mnist_3.png"]
    # A generator that stands still shows the same latents the same way.
    first, second = ((run.samples / name).read_bytes() for name in sheets(run))
    assert first == second


def test_002_has_a_sheet_and_a_line_of_the_log_for_each_epoch(tmp_path: Path) -> None:
    # 16 images in batches of 6: three steps an epoch, the last one short.
    run = trained("seed_d2l_sprites", tmp_path, "train.epochs=3", count=16)

    assert sheets(run) == [f"step-{step:06d}.png" for step in (3, 6, 9)]
    assert [entry["epoch"] for entry in run.read_log()] == [1, 2, 3]
    # 3 rows of 7 images of 64 pixels, edge to edge.
    assert Image.open(run.samples / "step-000009.png").size == (448, 192)


def test_002_ends_with_the_means_of_its_last_epoch(tmp_path: Path) -> None:
    short = ["train.epochs=2", "train.log_every=2"]
    run = trained("seed_d2l_sprites", tmp_path / "run", *short, count=16)
    every = trained("seed_d2l_sprites", tmp_path / "every", "train.epochs=2", "train.log_every=1",
                    count=16)  # fmt: skip

    # Steps 4 to 6; the line before the last ends with step 4.
    assert [line["step"] for line in run.read_log()] == [2, 3, 4, 6]
    last = run.read_json("result.json")["last_epoch"]
    for name in ("d/loss", "g/loss"):
        assert last[name] == pytest.approx(sum(line[name] for line in every.read_log()[3:]) / 3)
