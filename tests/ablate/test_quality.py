"""``ganzoo bench --quality``: time to a target over pairs of seeds, as table and curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from small_recipe import small

from ganzoo.ablate import quality
from ganzoo.ablate.speedrun import Try
from ganzoo.cli.app import ganzoo as command

MACHINE = {"device": "cpu", "device_name": "this one", "threads": 1, "precision": "fp32"}


def tries(*seconds: float | None) -> list[Try]:
    """Return tries with two looks each; with a time, the second is good enough."""
    return [
        Try(seed, each, 20, 5.0, 0.0, [(10, (each or 8) / 2, 9.0 + seed), (20, each or 8, 5.0)],
            "" if each else "not reached by the end, step 20")
        for seed, each in enumerate(seconds)
    ]  # fmt: skip


def found(first: list[Try], second: list[Try]) -> dict[str, Any]:
    recipes = {"a": quality.told(first, None), "b": quality.told(second, first)}
    return {
        "target": 6.0, "every": 10, "samples": 50, "counted": "processor", "machine": MACHINE,
        "recipes": recipes,
    }  # fmt: skip


def test_the_ratio_is_over_the_seeds_that_got_there_in_both() -> None:
    one = found(tries(10.0, 20.0, None), tries(5.0, 10.0, 7.0))
    rows = quality.rows(one)

    assert one["recipes"]["b"]["ratio"]["pairs"] == 2
    assert one["recipes"]["b"]["ratio"]["value"] == pytest.approx(0.5)
    assert rows[0][:3] == ("a", "2 of 3", "–")  # a mean over those who got there would flatter
    assert rows[1][1] == "3 of 3"
    assert rows[1][2].startswith("7.05 (")
    assert rows[1][4].startswith("0.5")


def test_the_curve_is_of_means_against_mean_seconds() -> None:
    drawn = quality.chart(found(tries(10.0, 20.0), tries(5.0, 5.0)))

    assert drawn is not None
    assert [line.name for line in drawn.lines] == ["a", "b"]
    ends = {line.name: [x for x, _ in line.ends] for line in drawn.lines}
    # a's looks are at 7.5 and 15 s, b's at 2.5 and 5
    left, right = drawn.left, drawn.right
    assert ends["b"][0] == left
    assert ends["a"][1] == right
    assert ends["a"][0] == pytest.approx(left + (7.5 - 2.5) / 12.5 * (right - left), abs=0.1)


def test_the_page_holds_the_table_and_no_names_markup() -> None:
    one = found(tries(10.0, 20.0), tries(5.0, 5.0))
    one["recipes"]["<script>x"] = one["recipes"].pop("b")

    text = quality.page(one)

    assert text.count("<script") == 1
    assert "until frechet 6" in text
    assert "2 of 2" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fast_digits", "dcgan_digits"], "only with --quality"),
        (["fast_digits", "--every", "3", "--file", "x.html"], "--every, --file: only with"),
        (["fast_digits", "fast_digits", "--quality", "9"], "give every recipe once"),
        (["fast_digits", "fast_ring", "--quality", "9"], "fast_ring: not the dataset of"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_trains(
    words: list[str], message: str
) -> None:
    done = CliRunner().invoke(command, ["bench", *words])

    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.slow
def test_two_recipes_are_timed_over_the_same_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.toml").write_text(small(steps=4))
    Path("two.toml").write_text(small(steps=4, loss="hinge"))
    place = ("--device", "cpu", "--threads", "1", "--json", "--file", "q.html")

    done = CliRunner().invoke(
        command,
        ["bench", "one.toml", "two.toml", "--quality", "1", "--every", "2", "--samples", "50",
         "--seeds", "2", *place],
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    for name in ("one", "two"):
        own = told["recipes"][name]
        assert [each["seed"] for each in own["tries"]] == [0, 1]
        assert [look[0] for look in own["tries"][0]["looks"]] == [2, 4]
        assert own["seconds"] is None
    assert told["recipes"]["two"]["ratio"]["pairs"] == 0
    assert "0 of 2" in Path("q.html").read_text()
