"""The curves of a run say what its log says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from ganzoo.report import curves
from ganzoo.runs import folder as rundir
from ganzoo.runs.folder import RunDir


def run_with(folder: Path, lines: list[dict[str, float | None]]) -> RunDir:
    run = rundir.create(folder, "demo")
    run.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def line(step: int, generator: float | None, discriminator: float = 1.0) -> dict[str, float | None]:
    """Return a line of a log of four steps an epoch."""
    losses = {"g/loss": generator, "d/loss": discriminator, "d/accuracy": 0.5}
    return {"step": step, "epoch": step / 4, **losses}


def test_a_mean_over_an_epoch_weighs_lines_by_their_steps() -> None:
    lines = [line(1, 8.0), line(4, 4.0), line(7, 3.0), line(8, 7.0), line(10, 100.0)]

    # (8 + 3 · 4) / 4 and (3 · 3 + 7) / 4; the third epoch is not over.
    assert curves.epoch_means(lines, "g/loss") == [(4, 5.0), (8, 4.0)]


def test_lines_that_no_run_has_written_are_left_out(tmp_path: Path) -> None:
    lines = [line(step, step / 10) for step in (4, 8, 12)]
    hostile: list[dict[str, object]] = [
        {"step": "4", "epoch": 1},
        {"step": 4, "epoch": "1", "g/loss": 1.0},
        {"step": 4, "g/loss": 1.0},
        {"step": -4, "epoch": 1, "g/loss": 1.0},
        {**line(9, 1.0), "g/loss": 10**400, "d/loss": [1]},
    ]
    plain, forged = run_with(tmp_path, [*lines, line(9, None)]), run_with(tmp_path, [])
    texts = [json.dumps(each) for each in [*lines, *hostile]]
    forged.log.write_text("\n".join(texts) + "\n")

    for run in (plain, forged):
        curves.draw(run)

    assert forged.curves.read_bytes()


def test_lines_before_a_sides_first_update_do_not_weigh_in_its_mean() -> None:
    lines = [{"step": 2, "epoch": 0.5, "d/loss": 1.0}, line(3, 8.0), line(4, 4.0)]

    assert curves.epoch_means(lines, "g/loss") == [(4, 6.0)]


def test_each_curve_bears_the_name_of_its_side() -> None:
    panel = Figure().subplots()
    lines = [line(step, generator=5.0, discriminator=0.5) for step in (4, 8)]

    curves._plot(panel, lines, "loss")

    drawn = {curve.get_label(): curve.get_ydata()[-1] for curve in panel.lines}
    assert (drawn["generator"], drawn["discriminator"]) == (5.0, 0.5)


def test_equal_logs_make_equal_pictures_of_both_sides(tmp_path: Path) -> None:
    lines = [line(step, step / 10) for step in (4, 8, 12)]
    runs = [run_with(tmp_path, lines), run_with(tmp_path, lines)]

    for run in runs:
        curves.draw(run)

    assert runs[0].curves.read_bytes() == runs[1].curves.read_bytes()
    image = Image.open(runs[0].curves).convert("RGB")
    assert image.size == (880, 660)
    colours = {colour for _, colour in image.getcolors(1 << 16) or []}
    assert {(31, 119, 180), (255, 127, 14)} <= colours


def test_numbers_that_were_not_finite_leave_a_gap(tmp_path: Path) -> None:
    run = run_with(tmp_path, [line(4, 1.0), line(8, None), line(12, 2.0)])

    curves.draw(run)

    assert run.curves.exists()


@pytest.mark.parametrize("lines", [[], [line(4, 1.0)]])
def test_no_curve_is_drawn_through_fewer_than_two_points(
    tmp_path: Path, lines: list[dict[str, float | None]]
) -> None:
    run = run_with(tmp_path, lines)

    curves.draw(run)

    assert not run.curves.exists()


def test_sheets_are_in_the_order_of_their_steps(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, "demo")
    for step in (10000, 500, 1000):
        (run.samples / f"mnist_{step}.png").touch()

    assert [path.stem for path in run.sheets()] == ["mnist_500", "mnist_1000", "mnist_10000"]
