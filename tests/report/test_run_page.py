"""The page of a run: complete, inert whatever the folder holds, alive in a real browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import PHONE, looks_wrong, tabbed_to
from PIL import Image

from ganzoo.report.charts import scale
from ganzoo.report.run_page import all_charts, all_ramps, leave_page, read_log, run_page, write_page
from ganzoo.runs.folder import RunDir

EVIL = '</script><script>alert(1)</script>"><img src=x onerror=alert(2)>{{7*7}}\x1b]0;\u202e'
STEPS = (10, 20, 30)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Return the folder of a finished run, written by hand."""
    made = RunDir(tmp_path / "mine" / "20261122-0530-abcd")
    for folder in (made.samples, made.checkpoints):
        folder.mkdir(parents=True)
    made.recipe.write_text('[loss]\nuse = "bce"\n')
    for step in STEPS:
        Image.new("L", (16, 16), 5 * step).save(made.samples / f"step-{step:06d}.png")
        made.append_log(
            {
                "step": step,
                "d/real": 1 / step,
                "d/fake": 0.5,
                "d/loss": 0.5 + 1 / step,
                "d/accuracy": 0.75,
                "g/adversarial": 2.0,
                "g/loss": 2.0,
                "m/frechet": 100 / step,
                "seconds": step / 2,
                "images_per_second": 1234.0,
            }
        )
    Image.new("L", (16, 16), 255).save(made.path / "real.png")
    metric = {
        "last": {"value": 3.25, "step": 30},
        "best": {"value": 2.5, "step": 20},
        "floor": {"value": 0.125},
        "lower_is_better": True,
        "provenance": {"metric": "frechet", "n_real": 749},
    }
    made.write_json(
        "result.json",
        {
            "metrics": {"frechet": metric},
            "images_per_second": 987.0,
            "health": [{"event": "collapsed", "step": 20, "text": "samples are alike"}],
        },
    )
    made.write_json(
        "environment.json",
        {
            "steps": 30,
            "torch": "2.15.0",
            "command": ["/bin/ganzoo", "run", "mine.toml"],
            "data": {"name": "digits", "images": 1498, "shape": "1×28×28", "wanted": "mnist",
                     "reason": "no network"},
            "parameters": {"generator": 174960},
            "plugins": [{"name": "p", "distribution": None, "version": None, "sha256": "f" * 64}],
        },
    )  # fmt: skip
    made.write_json(
        "origin.json", {"parent": "dcgan_digits", "differences": [["loss.use", "bce", "hinge"]]}
    )
    made.set_status("done", 30)
    return made


class Tags(HTMLParser):
    """Gathers a page's tags and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def test_the_page_says_all_that_the_folder_knows(run: RunDir) -> None:
    text = re.sub(r"\s+", " ", Tags(run_page(run)).text)

    for wanted in (
        "run abcd · done",
        "Step 30 of 30 · 15 s · 987 images/s",
        "Step 20: samples are alike",
        "step 20, nearest to the best frechet",
        "frechet 3.250 2.500 20 0.125 lower",
        "n_real 749",
        "Extends dcgan_digits",
        "loss.use bce hinge",
        "digits: 1,498 images 1×28×28",
        "mnist, because: no network",
        "ganzoo run mine.toml",
        "174,960",
        "real against real: 0.125",
    ):
        assert wanted in text, wanted


def test_the_page_shows_every_sheet_and_loads_nothing(run: RunDir) -> None:
    tags = Tags(run_page(run)).found

    steps = [attributes["data-step"] for _, attributes in tags if "data-step" in attributes]
    addresses = [
        value
        for _, attributes in tags
        for name, value in attributes.items()
        if name in {"src", "href", "action", "srcset"}
    ]
    assert steps == [str(step) for step in STEPS]
    assert addresses
    assert all(str(value).startswith("data:") for value in addresses)
    assert [name for name, _ in tags].count("script") == 1


def test_the_best_sheet_is_shown_once_where_it_is_the_last(run: RunDir) -> None:
    result = run.read_json("result.json")
    result["metrics"]["frechet"]["best"]["step"] = 30
    run.write_json("result.json", result)

    page = run_page(run)

    text = re.sub(r"\s+", " ", Tags(page).text)
    assert "3 sheets; the last one is nearest to the best frechet" in text
    assert "samples at the best step" not in page


def test_what_was_seen_once_is_a_number_and_no_curve(run: RunDir) -> None:
    text = run.log.read_text()
    run.log.write_text(text.splitlines(keepends=True)[0])

    page = run_page(run)

    words = re.sub(r"\s+", " ", Tags(page).text)
    assert "<svg" not in page
    assert "discriminator/accuracy 10 0.750" in words
    assert "real images per second 10 1234" in words


def test_terms_have_curves_and_a_sum_of_one_term_is_left_out(run: RunDir) -> None:
    text = Tags(run_page(run)).text

    legend = re.sub(r"\s+", " ", text)
    assert "real fake loss" in legend
    assert "adversarial loss" not in legend


def evil(value: Any) -> Any:
    """Return ``value`` with something hostile in place of every text, number and name."""
    if isinstance(value, dict):
        return {EVIL + name: evil(one) for name, one in value.items()} | {
            name: evil(one) for name, one in value.items()
        }
    return [evil(one) for one in value] if isinstance(value, list) else EVIL


def test_whatever_a_folder_holds_is_text_on_the_page(run: RunDir, tmp_path: Path) -> None:
    for name in ("result.json", "environment.json", "origin.json", "status.json"):
        content = json.loads((run.path / name).read_text())
        (run.path / name).write_text(json.dumps(evil(content)))
    run.recipe.write_text(EVIL)
    with run.log.open("a") as log:
        log.write(json.dumps({"step": 40, f"d/{EVIL}": 1.0, EVIL: EVIL}) + "\n[1]\n{\n")
    (run.samples / "step-000031.png").write_text(EVIL)
    hostile = tmp_path / '<img src=x onerror=alert(3)>"' / "20261122-0530-<b>x"
    hostile.parent.mkdir()
    run.path.rename(hostile)

    page = run_page(RunDir(hostile))

    tags = Tags(page).found
    assert [name for name, _ in tags].count("script") == 1
    assert "b" not in [name for name, _ in tags]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "49" not in re.findall(r"\b\d+\b", "".join(re.findall(r"onerror.{0,40}", page)))


def test_a_sheet_that_is_a_link_out_of_the_folder_is_not_shown(run: RunDir, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("L", (4, 4), 77).save(secret)
    (run.path / "real.png").unlink()
    (run.path / "real.png").symlink_to(secret)

    pictures = [
        attributes.get("alt") for name, attributes in Tags(run_page(run)).found if name == "img"
    ]
    assert "real images" not in pictures
    assert "samples, step 10" in pictures


def test_the_time_of_a_run_that_goes_on_for_longer_is_that_of_its_log(run: RunDir) -> None:
    run.append_log({"step": 40, "seconds": 7200.0})

    assert "Step 30 of 30 · 2 h 00 min" in Tags(run_page(run)).text


def test_a_share_of_images_is_not_drawn_among_the_terms_of_a_loss(run: RunDir) -> None:
    run.append_log({"step": 40, "g/adversarial": 2.0, "g/loss": 2.0, "g/accuracy": 0.25})

    drawn = {chart.title: [line.name for line in chart.lines]
             for chart, _ in all_charts(read_log(run), [])}  # fmt: skip

    assert drawn["generator: terms of its loss"] == ["adversarial"]
    assert drawn["shares of images"] == [
        "classified correctly by the discriminator",
        "fakes classified as real",
    ]


def test_an_empty_folder_has_a_page_too(tmp_path: Path) -> None:
    empty = RunDir(tmp_path / "x" / "20261122-0530-abcd")
    empty.path.mkdir(parents=True)

    text = Tags(run_page(empty)).text

    assert "not started" in text


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    warned: list[str] = []
    file = tmp_path / "file"
    file.write_text("")

    leave_page(RunDir(file / "run"), warned.append)

    assert len(warned) == 1
    assert "not written" in warned[0]


def named(run: RunDir, names: list[str], *, columns: int = 2, order: str = "rows") -> None:
    """Give the sheets a row for each name."""
    for path in run.sheets():
        Image.new("L", (10 * columns, 10 * min(len(names), 100)), 5).save(path)
    record = json.loads((run.path / "environment.json").read_text())
    run.write_json("environment.json", record | {"sheet": {order: names}})


def beside(page: str) -> list[str]:
    """Return the names beside each sheet of a page, in order."""
    lists = re.findall(r'<div class="named">\s*<ol.*?</ol>', page, re.S)
    return [Tags(each).text.split() for each in lists]  # type: ignore[return-value]


def test_the_classes_of_a_sheet_stand_beside_its_rows(run: RunDir) -> None:
    named(run, ["cat", "dog", EVIL, "owl"])

    page = run_page(run)

    shown = beside(page)
    assert len(shown) == 2  # of the sheet at the slider's step, and of the best one
    assert shown[0][:2] == ["cat", "dog"]
    assert shown[0][-1] == "owl"
    alts = [attributes.get("alt") for name, attributes in Tags(page).found if name == "img"]
    assert str(alts[0]).startswith("samples, step 10; rows from the top: cat, dog, ")
    assert [name for name, _ in Tags(page).found].count("script") == 1


def test_rows_too_low_for_a_line_of_text_are_named_in_a_list_below(run: RunDir) -> None:
    named(run, [f"class {number}" for number in range(1000)], columns=40)

    page = run_page(run)

    assert beside(page) == []
    assert '<details class="names"><summary>classes of the rows, from the top</summary>' in page
    assert "<li>class 999</li>" in page
    assert page.count("class 500") == 1  # not once more for every sheet
    assert "1,000: class 0, class 1, " in page


def test_classes_that_share_a_row_are_told_in_turn(run: RunDir) -> None:
    named(run, ["cat", "dog"], order="images")

    page = run_page(run)

    assert beside(page) == []
    assert "<summary>classes, in turn</summary>" in page
    assert "; classes in turn: cat, dog" in page


def test_every_number_that_moves_has_a_curve_with_its_key(run: RunDir) -> None:
    for step, p in ((40, 0.1), (50, 0.4)):
        run.append_log({"step": step, "ramp/view.0.p": p, "ramp/optimizer.generator.lr": 1e-3 / p})

    charts = {chart.title: chart for chart, _ in all_ramps(read_log(run))}

    assert list(charts) == ["view.0.p", "optimizer.generator.lr"]
    rising = [float(pair.split(",")[1]) for pair in charts["view.0.p"].lines[0].points.split()]
    assert rising[1] < rising[0]  # downwards is larger in a drawing
    assert 'aria-label="view.0.p over training steps"' in run_page(run)


@pytest.mark.parametrize(
    ("top", "marks"),
    [
        (1e-3, ["5e-4", "0.001"]),
        (2e-4, ["5e-5", "1e-4", "1.5e-4", "2e-4"]),
        (0.5, ["0.2", "0.4"]),
        (5e3, ["2,000", "4,000"]),
    ],
)
def test_the_marks_of_an_axis_have_room_beside_it(top: float, marks: list[str]) -> None:
    assert [tick.label for tick in scale([top / 10, top], 0, 100).ticks()] == marks


# In a browser


@pytest.mark.parametrize("width", [1200, 390])
def test_the_slider_goes_through_the_sheets(run: RunDir, browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.goto(write_page(run).as_uri())

    visible = "img[data-step]:not([hidden])"
    last = page.get_attribute(visible, "data-step")
    page.fill("input[type=range]", "0")

    assert last == "30"
    assert page.get_attribute(visible, "data-step") == "10"
    assert page.text_content("output") == "step 10"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert told == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_names_are_beside_their_rows_and_can_be_read(
    run: RunDir, browser: Any, width: int, scheme: str
) -> None:
    long = "a class with a name that is longer than any telephone is wide, and then some"
    named(run, ["cat", long, *map(str, range(8))], columns=10)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(write_page(run).as_uri())

    found = page.evaluate(
        """() => {
          const image = document.querySelector(".named img:not([hidden])").getBoundingClientRect();
          const names = [...document.querySelectorAll(".named")][0].querySelectorAll("li");
          return [...names].map((name, row) => {
            const box = name.getBoundingClientRect(), style = getComputedStyle(name);
            const height = image.height / names.length;
            const middle = image.top + height * (row + 0.5);
            const card = getComputedStyle(document.querySelector(".card"));
            return {off: Math.abs(box.top + box.height / 2 - middle), row: height,
                    left: box.left, right: box.right, image: image.left,
                    size: parseFloat(style.fontSize), ink: style.color,
                    paper: card.backgroundColor};
          });
        }"""
    )
    assert len(found) == 10
    for name in found:
        assert name["off"] < name["row"] / 4
        assert 0 <= name["left"] < name["right"] <= name["image"]
        assert name["size"] >= 12
        light = [sum(map(int, re.findall(r"\d+", name[what])[:3])) for what in ("ink", "paper")]
        assert abs(light[0] - light[1]) > 400
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_served_page_follows_the_run_and_keeps_what_is_open(run: RunDir, browser: Any) -> None:
    from threading import Thread

    from ganzoo.report.live import live_server

    with live_server(run) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        page = browser.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.goto(server.url)
        page.click("summary >> nth=0")
        page.fill("input[type=range]", "1")
        page.wait_for_timeout(500)
        Image.new("L", (16, 16), 200).save(run.samples / "step-000040.png")
        run.set_status("running", 40, EVIL)
        page.wait_for_selector("text=Step 40", timeout=10_000)

        assert page.get_attribute("img[data-step]:not([hidden])", "data-step") == "20"
        assert page.evaluate("document.querySelector('details').open")
        assert told == []
        server.shutdown()


def pictured(run: RunDir) -> None:
    """Give a run a verdict, a film, classes, a walk and neighbours."""
    rows = {"walk": (2, 9), "classes": (3, 8), "neighbours": (2, 6)}
    for name, (down, across) in rows.items():
        Image.new("L", (2 + 30 * across, 2 + 30 * down), 90).save(run.path / f"{name}.png")
    laid = {
        name: {"rows": down, "columns": across, "gap": 2} for name, (down, across) in rows.items()
    }
    laid["classes"] |= {"names": ["cat", EVIL, "owl"], "of": 5}  # type: ignore[dict-item]
    near = {"class": "cat", "distance": 0.125}
    laid["neighbours"] |= {"asked": ["cat", "owl"], "near": [[near] * 5] * 2}  # type: ignore[dict-item]
    run.write_json("looks.json", laid)
    Image.new("L", (16, 16), 9).save(run.path / "samples.gif")


def test_film_walk_classes_and_neighbours_are_on_the_page(run: RunDir) -> None:
    pictured(run)

    page = run_page(run)

    text = re.sub(r"\s+", " ", Tags(page).text)
    styles = re.findall(r"\.of-(\w+) \{ background-image: url\(data:image/png;base64,", page)
    assert sorted(styles) == ["classes", "neighbours", "walk"]
    assert page.count('class="tile of-walk"') == 18
    assert page.count('class="tile of-neighbours"') == 12
    assert "fake, asked for cat" in text
    assert text.count("cat · 0.125") == 10
    assert "the first 3 of 5 classes" in text
    assert 'alt="all sheets as a film"' in page
    assert [name for name, _ in Tags(page).found].count("script") == 1


def test_each_tile_shows_its_own_part_of_the_picture(run: RunDir) -> None:
    pictured(run)

    places = re.findall(r'of-walk".*?background-position: ([\d.]+)% ([\d.]+)%', run_page(run))

    # A place of p % puts the point at p % of the picture onto that at p % of the tile: of tiles of
    # 28 pixels, 2 apart, in a picture of 272 × 62, the last one begins at 242 × 32.
    x, y = map(float, places[-1])
    assert len(places) == 18
    assert x / 100 * (272 - 28) == pytest.approx(242, abs=0.01)
    assert y / 100 * (62 - 28) == pytest.approx(32, abs=0.01)


@pytest.mark.parametrize("told", [{"rows": 10**9, "columns": 1, "gap": 2}, {"rows": 0}, 3, {},
                                  {"rows": 2, "columns": 19, "gap": 99}])  # fmt: skip
def test_a_forged_record_of_pictures_is_not_shown(run: RunDir, told: Any) -> None:
    pictured(run)
    run.write_json("looks.json", {"walk": told, "classes": told, "neighbours": told})

    assert 'class="tile' not in run_page(run)


def test_a_film_that_is_large_is_named_and_not_shown(run: RunDir) -> None:
    with (run.path / "samples.gif").open("wb") as file:
        file.write(b"GIF89a")
        file.truncate(9_000_000)

    page = run_page(run)

    assert "samples.gif in the run's folder, 9 MB" in re.sub(r"\s+", " ", Tags(page).text)
    assert len(page) < 200_000


def test_the_verdict_is_first_with_commands_to_copy(run: RunDir) -> None:
    run.write_json("result.json", {"look": {"distance": 0.1, "contrast": 0.8}})
    run.set_status("done", 2000)
    run.recipe.write_text('[loss]\nuse = "bce"\n[optimizer.generator]\nlr = 0.001\n')

    text = re.sub(r"\s+", " ", Tags(run_page(run)).text)

    assert "The generator collapsed: its images differ by 10% of what real images differ" in text
    assert text.index("Verdict") < text.index("Samples")
    assert f"ganzoo run {run.recipe} --name mine --set optimizer.generator.lr=0.00025" in text
    assert "arXiv:1701.07875" in text


@pytest.mark.browser
def test_the_page_looks_right_on_a_telephone_in_the_dark_and_printed(
    run: RunDir, browser: Any
) -> None:
    pictured(run)
    named(run, ["cat", "dog", "owl"])
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(write_page(run).as_uri())

    assert looks_wrong(page) == []
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, PHONE])
def test_tiles_are_large_and_keep_their_shape(run: RunDir, browser: Any, width: int) -> None:
    pictured(run)
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(write_page(run).as_uri())

    sizes = page.evaluate(
        """() => ["walk", "neighbours", "classes"].map((name) => {
          const tile = document.querySelector(".of-" + name), style = getComputedStyle(tile);
          return [tile.offsetWidth, tile.offsetHeight, style.imageRendering];
        })"""
    )
    for (wide, high, drawn), least in zip(sizes, (96, 76, 56), strict=True):
        assert wide >= least
        assert abs(wide - high) <= 1
        assert drawn == "pixelated"
    page.close()


@pytest.mark.browser
def test_the_keyboard_moves_the_slider_and_opens_what_is_closed(run: RunDir, browser: Any) -> None:
    pictured(run)
    page = browser.new_page()
    page.goto(write_page(run).as_uri())

    assert tabbed_to(page, "input[type=range]")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("img[data-step]:not([hidden])", "data-step") == "20"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tabbed_to(page, "summary")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")
    page.close()


def test_a_resumed_run_that_trains_shows_the_newest_step_of_its_log(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write_json("status.json", {"status": "running", "step": 10})
    monkeypatch.setattr("ganzoo.runs.record.is_held", lambda _: True)

    assert '<p class="verdict">Step 30' in run_page(run)


@pytest.mark.parametrize(("status", "is_said"), [("interrupted", True), ("done", False)])
def test_an_interrupted_run_says_why_it_has_no_walk(
    run: RunDir, status: str, is_said: bool
) -> None:
    run.write_json("status.json", {"status": status, "step": 30})

    assert ("are drawn when a run is done" in run_page(run)) is is_said
