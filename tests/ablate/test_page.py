"""The page of an experiment: one file, inert, and in a real browser where there is one."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import looks_wrong, tabbed_to
from experiments import experiment
from PIL import Image

from ganzoo.ablate.driver import compared
from ganzoo.ablate.experiment import Experiment
from ganzoo.ablate.page import _curves, page, write_page
from ganzoo.report import charts
from ganzoo.runs.folder import RunDir

EVIL = '</script><script>alert(1)</script>"><img src=x onerror=alert(2)>{{7*7}}'
SCORES = {
    "base": {0: 12.0, 1: 13.0, 2: 11.0},
    "new": {0: 10.0, 1: 11.5, 2: 9.0},
}


def filled(
    folder: Path, scores: dict[str, dict[int, float]], question: str = "Which?"
) -> Experiment:
    """Return a finished experiment with sheets and curves."""
    made = experiment(folder, scores, question=question)
    for cell in made.cells:
        run = made.run(cell["id"])
        for step in (10, 20, 30):
            shade = 40 + 6 * step + cell["seed"]
            Image.new("L", (32, 32), shade).save(run.samples / f"step-{step:06d}.png")
            run.append_log({"step": step, "d/loss": 1.0 / step, "m/frechet": 100.0 / step})
        Image.new("L", (32, 32), 255).save(run.path / "real.png")
    return made


class Tags(HTMLParser):
    """Gathers what a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.found


def test_the_page_loads_nothing_and_has_one_script(tmp_path: Path) -> None:
    made = filled(tmp_path / "x", SCORES)

    found = tags(page(made, compared(made)))

    addresses = [
        value for _, attributes in found for name, value in attributes.items()
        if name in {"src", "href", "action", "xlink:href"}
    ]  # fmt: skip
    assert all(str(address).startswith("data:") for address in addresses)
    assert [tag for tag, _ in found].count("script") == 1
    policy = next(a["content"] for _, a in found if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_a_cell_leads_to_its_own_page_where_it_has_one(tmp_path: Path) -> None:
    made = filled(tmp_path / "x", SCORES)
    with_page = made.run(made.cells[0]["id"]).path
    (with_page / "report.html").write_text("")

    links = [a["href"] for tag, a in tags(page(made, compared(made))) if tag == "a"]

    assert links == [f"{with_page.name}/report.html"]


def test_hostile_names_are_text(tmp_path: Path) -> None:
    scores = {"base": SCORES["base"], EVIL: SCORES["new"]}
    made = filled(tmp_path / "x", scores, question=EVIL + "\x1b]0;\u202e")

    text = page(made, compared(made))

    found = tags(text)
    assert [tag for tag, _ in found].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in found)
    assert "{{7*7}}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_every_sheet_of_every_seed_and_step_is_in_the_page(tmp_path: Path) -> None:
    made = filled(tmp_path / "x", SCORES)

    sheets = [a for tag, a in tags(page(made, compared(made))) if tag == "img" and "data-step" in a]

    assert len(sheets) == 2 * 3 * 3
    assert [("hidden" in a) for a in sheets].count(False) == 2


def test_an_experiment_without_any_finished_cell_has_a_page(tmp_path: Path) -> None:
    made = experiment(tmp_path / "x", SCORES)
    for cell in made.cells:
        shutil.rmtree(made.run(cell["id"]).path)

    text = write_page(made, compared(made)).read_text()

    assert "0 of 6 cells done" in text
    assert "no result yet" in text


def test_scores_are_also_drawn_against_the_seconds_of_training(tmp_path: Path) -> None:
    made = filled(tmp_path / "x", SCORES)
    without = page(made, compared(made))
    for cell in made.cells:
        run = made.run(cell["id"])
        for step in (40, 50):
            seconds = step * (3.0 if cell["variant"] == "new" else 1.0) + cell["seed"]
            run.append_log({"step": step, "m/frechet": 1.0, "seconds": seconds})

    drawn = list(_curves(compared(made), ["base", "new"]))

    assert "against seconds" not in without
    chart = next(each for each in drawn if each.title == "frechet against seconds")
    ends = {line.name: [x for x, _ in line.ends] for line in chart.lines}
    # base: 41 and 51 s, the mean over seeds 0 to 2; new: 121 and 151
    assert (ends["base"][0], ends["new"][1]) == (chart.left, chart.right)
    width = chart.right - chart.left
    assert ends["new"][0] == pytest.approx(chart.left + 80 / 110 * width, abs=0.1)
    assert 'aria-label="frechet against seconds over seconds of training' in page(
        made, compared(made)
    )


def test_a_band_spans_the_seeds_and_the_line_is_their_mean() -> None:
    chart = charts.curves("x", {"a": [{0: 1.0, 10: 3.0}, {0: 2.0, 10: 5.0}]})

    assert chart is not None
    ends = [tuple(map(float, point.split(","))) for point in chart.lines[0].points.split()]
    band = [tuple(map(float, point.split(","))) for point in chart.lines[0].band.split()]
    assert ends[0][0] == charts.LEFT
    assert ends[0][1] == pytest.approx((band[0][1] + band[-1][1]) / 2, abs=0.2)


def test_intervals_are_drawn_in_proportion_on_a_log_scale() -> None:
    row = ("a", 1, 0.5, 0.25, 1.0, [0.5], "x")

    chart = charts.intervals("x", [row], ratio=True)

    assert chart is not None
    whisker = chart.rows[0]
    assert whisker.high == chart.zero
    assert whisker.at == pytest.approx((whisker.low + whisker.high) / 2, abs=0.2)  # type: ignore[operator]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.001, 0.002), (3, 400), (1, 1e6), (7.0, 7.1)])
def test_an_axis_has_a_few_round_marks_inside(low: float, high: float, log: bool) -> None:
    marks = charts.scale([low, high], 0, 100, log=log).ticks()

    assert 2 <= len(marks) <= 10
    assert all(0 <= mark.at <= 100 for mark in marks)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_works_in_a_browser(tmp_path: Path, browser: Any, width: int, scheme: str) -> None:
    made = filled(tmp_path / "x", {"base": SCORES["base"], EVIL: SCORES["new"]})
    path = write_page(made, compared(made))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab = context.new_page()
    console: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: console.append(message.text))
    tab.on("pageerror", lambda error: console.append(str(error)))
    tab.on("dialog", lambda dialog: (console.append("dialog"), dialog.dismiss()))
    tab.on("request", lambda request: requests.append(request.url))

    tab.goto(path.as_uri())

    def shown() -> list[tuple[str, str]]:
        found = tab.locator("img[data-step]:visible").evaluate_all(
            "all => all.map(one => [one.dataset.step, one.dataset.seed])"
        )
        return [tuple(pair) for pair in found]

    assert shown() == [("30", "0")] * 2
    tab.locator("input[type=range]").fill("0")
    assert shown() == [("10", "0")] * 2
    assert tab.locator("output").inner_text() == "step 10"
    tab.locator("select").select_option("2")
    assert shown() == [("10", "2")] * 2
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(20, 23, 26)") == (scheme == "dark")
    assert console == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    context.close()


def test_a_missing_log_line_is_no_point(tmp_path: Path) -> None:
    made = filled(tmp_path / "x", SCORES)
    RunDir(made.run(made.cells[0]["id"]).path).append_log({"step": 40, "d/loss": None})

    assert "discriminator loss" in page(made, compared(made))


@pytest.mark.browser
def test_the_page_looks_right_on_a_telephone_in_the_dark_and_printed(
    tmp_path: Path, browser: Any
) -> None:
    made = filled(tmp_path / "x", {"base": SCORES["base"], "new": SCORES["new"]})
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(write_page(made, compared(made)).as_uri())

    assert looks_wrong(tab) == []
    tab.close()


@pytest.mark.browser
def test_the_keyboard_reaches_step_seed_and_cells(tmp_path: Path, browser: Any) -> None:
    made = filled(tmp_path / "x", {"base": SCORES["base"], "new": SCORES["new"]})
    tab = browser.new_page()
    tab.goto(write_page(made, compared(made)).as_uri())

    for control in ("input[type=range]", "select", "summary"):
        assert tabbed_to(tab, control), control
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.parentElement.open")
    tab.close()
