"""Comparisons of experiments whose scores are known."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from experiments import PROVENANCE, experiment, finish, metric

from ganzoo.ablate.compare_runs import compared_runs
from ganzoo.ablate.driver import compared
from ganzoo.ablate.formats import as_csv, as_json, as_markdown, notes
from ganzoo.common.errors import GanzooError
from ganzoo.runs.folder import RunDir

SIX = {seed: 10.0 + seed for seed in range(6)}
BETTER = {seed: 0.8 * value * (1 + 0.01 * seed) for seed, value in SIX.items()}


def test_a_clear_difference_over_six_seeds_is_called_one(tmp_path: Path) -> None:
    result = compared(experiment(tmp_path / "x", {"base": SIX, "new": BETTER}))

    row = result.comparisons[0].rows[1]
    assert row.difference.value == pytest.approx(
        math.exp(sum(math.log(BETTER[s] / SIX[s]) for s in SIX) / 6)
    )
    assert row.difference.p == pytest.approx(2 / 64)
    assert notes(result, result.comparisons[0])[0].startswith("new: better; frechet ×0.82")


def test_five_seeds_point_and_do_not_settle(tmp_path: Path) -> None:
    base, new = ({s: v for s, v in each.items() if s < 5} for each in (SIX, BETTER))

    result = compared(experiment(tmp_path / "x", {"base": base, "new": new}))

    said = " ".join(notes(result, result.comparisons[0]))
    assert "looks better, but this is not conclusive" in said
    assert "cannot go below p = .062" in said
    assert "6 seeds are needed" in said


def test_one_seed_is_anecdotal(tmp_path: Path) -> None:
    result = compared(experiment(tmp_path / "x", {"base": {0: 3.0}, "new": {0: 1.0}}))

    said = " ".join(notes(result, result.comparisons[0]))
    assert "anecdotal" in said
    assert "settled" not in said


def test_a_failed_cell_takes_mean_and_test_away_and_is_counted(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER})
    run = made.run(made.cells[-1]["id"])
    run.write_json("status.json", {"status": "failed", "step": 7, "reason": "d/loss became nan"})

    result = compared(made)
    table = json.loads(as_json(result))

    row = table["comparisons"][0]["rows"][1]
    assert (row["failed"], row["mean"], row["difference"]["p"]) == (1, None, None)
    assert row["of_finished"]["n"] == 5
    assert "no result (1 of its 6 runs failed)" in table["comparisons"][0]["notes"][0]
    assert table["troubles"] == ["✗ new, seed 5: failed at step 7: d/loss became nan"]
    assert "5/6, 1 failed" in as_markdown(result)


def test_a_collapsed_cell_counts_in_the_mean_and_is_shown(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER})
    finish(made.run(made.cells[-1]["id"]), 500.0, health=[{"event": "collapsed", "step": 20}])

    result = compared(made)

    row = result.comparisons[0].rows[1]
    assert row.collapsed == 1
    assert row.summary.mean > 80
    assert "6/6, 1 collapsed" in as_markdown(result)


def test_last_and_best_stand_side_by_side(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": {0: 137.0, 1: 137.0}, "new": {0: 60.0, 1: 60.0}})
    finish(made.run(made.cells[0]["id"]), 137.0, best=49.0)

    text = as_markdown(compared(made))

    assert "| base | 137 ± 0 | 93 ± 62 |" in text
    assert "optimistic" in text


def test_holms_correction_is_over_all_variants(tmp_path: Path) -> None:
    third = {seed: 0.7 * value * (1 + 0.02 * seed) for seed, value in SIX.items()}

    result = compared(experiment(tmp_path / "x", {"base": SIX, "new": BETTER, "third": third}))

    assert [row.difference.holm for row in result.comparisons[0].rows[1:]] == [2 * 2 / 64] * 2


def test_a_variant_that_failed_still_counts_in_the_correction(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER, "third": BETTER})
    failed = {"status": "failed", "step": 7, "reason": "killed"}
    made.run(made.cells[-1]["id"]).write_json("status.json", failed)

    rows = compared(made).comparisons[0].rows

    assert (rows[1].difference.holm, rows[2].difference.holm) == (2 * 2 / 64, None)


def test_two_axes_have_margins_and_an_interaction(tmp_path: Path) -> None:
    levels = {f"{a} / {b}": {"loss": a, "net": b} for a in ("bce", "w") for b in ("small", "large")}
    factor = {"bce / small": 1, "bce / large": 0.5, "w / small": 2, "w / large": 3}
    scores = {name: {s: v * factor[name] for s, v in SIX.items()} for name in levels}
    axes = {"loss": ["bce", "w"], "net": ["small", "large"]}

    result = compared(experiment(tmp_path / "x", scores, levels=levels, axes=axes))

    found = result.comparisons[0]
    assert found.interactions[0].difference.value == pytest.approx((3 / 2) / 0.5)
    assert found.margins[0].name == "loss: w against bce"
    assert found.margins[0].difference.value == pytest.approx(math.sqrt(2 * 3 / 0.5))


def test_scores_measured_differently_are_refused_with_the_field(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER})
    other = metric(3.0, provenance={**PROVENANCE, "n_fake": 50})
    made.run(made.cells[0]["id"]).write_json("result.json", {"metrics": {"frechet": other}})

    with pytest.raises(GanzooError, match="'n_fake' is 50 and 1000"):
        compared(made)


def test_any_runs_are_grouped_by_recipe_and_paired_by_seed(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER})
    names = [str(made.run(cell["id"]).path) for cell in made.cells]

    result = compared_runs(names, tmp_path)

    assert len(result.comparisons[0].rows) == 2
    assert result.comparisons[0].rows[1].difference.paired
    assert list(result.changes.values())[1] == [("loss.use", "base", "new")]


def test_runs_without_a_shared_seed_are_unpaired_and_say_so(tmp_path: Path) -> None:
    later = {seed + 10: value for seed, value in BETTER.items()}
    made = experiment(tmp_path / "x", {"base": SIX, "new": later})
    names = [
        str(run.path)
        for cell in made.cells
        if (run := made.run(cell["id"])).read_json("result.json")
    ]

    result = compared_runs(names, tmp_path)

    assert not result.comparisons[0].rows[1].difference.paired
    assert any("Welch" in line for line in notes(result, result.comparisons[0]))


def test_another_machine_is_told(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER})
    made.run(made.cells[0]["id"]).write_json("environment.json", {"torch": "2.11"})

    assert compared(made).surroundings["torch"] == ["2.11", "2.15"]


def test_hostile_names_are_inert_in_csv_and_markdown(tmp_path: Path) -> None:
    evil = '=cmd()|"><img src=x>\x1b]0;'
    result = compared(experiment(tmp_path / "x", {"base": SIX, evil: BETTER}))

    lines = list(csv.reader(io.StringIO(as_csv(result))))
    assert lines[2][0].startswith("'=cmd()")
    assert "\x1b" not in as_csv(result) + as_markdown(result)
    assert '\\|"\\>\\<img' in as_markdown(result)


def test_the_csv_has_one_line_for_each_cell(tmp_path: Path) -> None:
    result = compared(experiment(tmp_path / "x", {"base": SIX, "new": BETTER}))

    lines = list(csv.DictReader(io.StringIO(as_csv(result))))

    assert len(lines) == 12
    assert float(lines[1]["frechet last"]) == BETTER[0]


def test_a_run_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": {0: 1.0}})

    with pytest.raises(GanzooError, match="only one run given"):
        compared_runs([str(made.run(made.cells[0]["id"]).path)], tmp_path)


def test_an_unknown_metric_is_refused_with_those_there_are(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX, "new": BETTER})

    with pytest.raises(GanzooError, match="no run has a score 'frechett'; did you mean 'frechet'"):
        compared_runs([str(made.path)], tmp_path, ["frechett"])


def test_cells_the_file_no_longer_has_are_stale(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", {"base": SIX})
    left = RunDir(made.path / "cell-ffffffffffff")
    left.path.mkdir()
    left.recipe.write_text("")

    assert made.stale() == ["cell-ffffffffffff"]
