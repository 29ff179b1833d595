"""The board: all runs on one page, whatever somebody wrote into their folders."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from chromium import looks_wrong
from click.testing import CliRunner
from many_runs import many_runs, one_run
from PIL import Image

from ganzoo.api import GanzooError, Overview, PageServer
from ganzoo.runs.folder import RunDir
from ganzoo.runs.notes import Notes, write_notes
from ganzoo_board.command import board
from ganzoo_board.serving import board_server

EVIL = '</script><img src=x onerror=alert(1)>"\x1b[2J\u202e{{7*7}}'


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder of eight runs, of which four are the cells of an ablation."""
    many_runs(tmp_path / "runs", 8, cells=4)
    return tmp_path / "runs"


def by_id(overview: Overview) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in overview.tables()["runs"]}


@contextmanager
def serving(out: Path) -> Iterator[PageServer]:
    with board_server(out) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def ask(server: PageServer, path: str, method: str = "GET", **headers: str) -> Any:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_a_run_is_told_with_status_scores_tags_and_its_place_in_an_ablation(out: Path) -> None:
    write_notes(RunDir(out / "recipe_1" / "20260101-1001-r001"), Notes(("good",), "sharp"))

    found = Overview(out).tables()

    rows = {row["id"]: row for row in found["runs"]}
    (ablation,) = found["ablations"]
    assert len(rows) == 8
    assert (ablation["name"], ablation["cells"]) == ("mode_collapse", 4)
    assert ablation["question"] == "Do packs keep a generator from collapsing?"
    cell = rows["c001"]
    assert (cell["ablation"], cell["variant"], cell["seed"]) == (ablation["key"], "pack 1", 0)
    alone = rows["r001"]
    assert (alone["ablation"], alone["tags"], alone["note"]) == (None, ["good"], "sharp")
    assert (alone["status"], alone["step"], alone["steps"]) == ("done", 1000, 1000)
    assert alone["scores"]["frechet"] == {"last": 21.0, "best": 21.0, "lower_is_better": True}
    assert rows["r003"]["status"] == "interrupted"
    assert rows["r003"]["scores"]["frechet"]["best"] is None
    assert rows["r003"]["losses"]["discriminator"] == pytest.approx(1.4 - 0.25 + 3 / 50)


def test_only_what_changed_is_read_again_and_nothing_is_shown_of_before(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overview = Overview(out)
    before = by_id(overview)
    read: list[str] = []
    told = overview_module().summary
    monkeypatch.setattr(
        overview_module(), "summary", lambda run, titles: read.append(run.id) or told(run, titles)
    )
    changed = RunDir(out / "recipe_2" / "20260101-1002-r002")

    with changed.locked():
        changed.set_status("running", 7)
        assert by_id(overview)["r002"]["status"] == "running"
    killed = by_id(overview)["r002"]
    again = by_id(overview)
    Image.new("L", (16, 16), 200).save(changed.samples / "step-002000.png")

    assert (killed["status"], killed["step"]) == ("killed", 7)  # which no file of it says
    assert set(read) == {"r002"}
    assert by_id(overview)["r002"]["thumbnail"] != before["r002"]["thumbnail"]
    assert {k: v for k, v in again.items() if k != "r002"} == {
        k: v for k, v in before.items() if k != "r002"
    }


def overview_module() -> Any:
    from ganzoo.report import overview

    return overview


def test_a_thumbnail_is_small_and_made_anew(out: Path) -> None:
    run = RunDir(out / "recipe_0" / "20260101-1000-r000")
    Image.new("RGB", (2048, 4096), (10, 200, 30)).save(run.samples / "step-009999.png")
    overview = Overview(out)
    key = by_id(overview)["r000"]["key"]

    found = overview.thumbnail(key)

    assert found is not None
    with Image.open(io.BytesIO(found)) as image:
        assert (image.format, image.size) == ("WEBP", (256, 256))
    assert overview.thumbnail(key) is found
    assert overview.thumbnail("0" * 16) is None


def test_forged_folders_are_rows_that_say_so_and_break_no_other(out: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(Path(__file__).read_bytes())
    forged = one_run(out / EVIL.replace("/", "") / "20260101-1200-evil", status=EVIL)
    (forged.samples / "step-001000.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture")
    forged.write_json("result.json", {"metrics": {EVIL * 50: {"last": {"value": 1e400}}, "x": 3}})
    forged.append_log({"step": EVIL, f"d/{EVIL}": EVIL, "d/loss": "x", "m/y": float("inf")})
    linked = one_run(out / "linked" / "20260101-1200-link")
    (linked.samples / "step-001000.png").unlink()
    (linked.samples / "step-001000.png").symlink_to(tmp_path / "secret.png")
    (linked.path / "status.json").unlink()
    (linked.path / "status.json").symlink_to(tmp_path / "secret.png")
    empty = out / "empty" / "20260101-1200-none"
    empty.mkdir(parents=True)
    (empty / "recipe.toml").mkdir()
    (out / "mode_collapse" / "experiment.json").write_text('{"cells": 3, "question": ["x"]}')

    overview = Overview(out)
    rows = by_id(overview)
    text = json.dumps(overview.tables(), allow_nan=False)
    pictures = [overview.thumbnail(row["key"]) for row in rows.values()]
    pages = [overview.page(row["key"]) for row in rows.values()]
    charts = overview.charts([rows[name]["key"] for name in ("evil", "link", "none", "r001")])

    assert rows["link"]["status"] == "unreadable"
    assert "symbolic link" in rows["link"]["reason"]
    assert rows["none"]["status"] == "not started"
    assert overview.thumbnail(rows["evil"]["key"]) is None
    assert overview.thumbnail(rows["link"]["key"]) is None
    assert sum(picture is not None for picture in pictures) == 8
    assert all(page and "<script>alert" not in page for page in pages)
    assert "\\u001b" not in text
    assert "\\u202e" not in text
    assert len(rows["evil"]["title"]) <= 200
    assert all(len(name) <= 200 for name in rows["evil"]["scores"])
    assert "<img" not in charts
    assert "discriminator/loss" in charts


def test_more_runs_than_a_page_holds_are_counted(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_module(), "MOST_RUNS", 3)

    found = Overview(out).tables()

    assert (len(found["runs"]), found["left_out"]) == (3, 5)


def test_curves_of_up_to_eight_runs_are_drawn_with_a_colour_each(out: Path) -> None:
    overview = Overview(out)
    keys = [row["key"] for row in overview.tables()["runs"]]

    drawn = overview.charts([keys[1], keys[0], "unknown", keys[0]])

    assert drawn.count("<svg") == 3  # frechet, and a sum for each side
    assert ('class="s0"' in drawn, 'class="s1"' in drawn, 'class="s2"' in drawn) == (1, 1, 0)
    assert "<svg" not in overview.charts([])
    with pytest.raises(GanzooError, match="at most 8 runs"):
        overview.charts([*keys, "more"])


def test_the_board_only_shows_and_knows_runs_by_their_keys_alone(out: Path) -> None:
    with serving(out) as server:
        status, _, page = ask(server, "/")
        _, _, told = ask(server, "/runs.json")
        key = json.loads(told)["runs"][0]["key"]
        kinds = {
            path: ask(server, path)[1]["Content-Type"]
            for path in (
                "/runs.json",
                f"/thumbnail/{key}?v=1",
                f"/run/{key}",
                f"/charts?runs={key}",
            )
        }
        missing = [
            ask(server, path)[0]
            for path in (
                "/run/mode_collapse", "/run/c000", "/thumbnail/..", "/run/" + "0" * 16,
                "/runs/mode_collapse/cell-c000/recipe.toml", "/run/%2e%2e",
                f"/run/{key}/recipe.toml",
            )
        ]  # fmt: skip
        policies = {path: ask(server, path)[1]["Content-Security-Policy"] for path in ("/", *kinds)}
        posted = ask(server, "/runs.json", "POST")[0]
        strange = ask(server, "/runs.json", Host="evil.example")[0]
        tag = ask(server, "/runs.json")[1]["ETag"]
        again = ask(server, "/runs.json", If_None_Match=tag)
        many = ask(server, "/charts?runs=" + ".".join(map(str, range(9))))

    assert status == 200
    assert b"recipe_" not in page  # what others wrote comes as JSON, and is shown as text
    assert list(kinds.values()) == [
        "application/json", "image/webp", "text/html; charset=utf-8", "text/html; charset=utf-8",
    ]  # fmt: skip
    assert missing == [404] * len(missing)
    assert all(policy.startswith("default-src 'none'") for policy in policies.values())
    assert "script-src" not in policies["/runs.json"]
    assert (posted, strange, again[0], again[2]) == (405, 403, 304, b"")
    assert (many[0], b"at most 8 runs" in many[2]) == (400, True)
    assert server.url == server.address  # nothing to keep secret: it does nothing


def test_the_verb_prints_where_the_board_is(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[str] = []
    monkeypatch.setattr(PageServer, "serve", lambda self: served.append(self.url))

    plain = CliRunner().invoke(board, ["--out", str(out)])
    told = CliRunner().invoke(board, ["--out", "nowhere", "--json"])

    assert plain.stdout.strip() == served[0]
    assert "Ctrl-C ends it" in plain.stderr
    assert json.loads(told.stdout) == {"url": served[1]}
    assert Overview(Path("nowhere")).tables()["runs"] == []


# In a browser


def tab(browser: Any, url: str, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.goto(url)
    page.wait_for_selector(".tile")
    return page, told


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(1280, "light", marks=pytest.mark.slow), (390, "dark")]
)
def test_the_board_works_by_keyboard_and_fits_a_telephone(
    out: Path, browser: Any, width: int, scheme: str
) -> None:
    name = "a_recipe_with_a_name_that_is_longer_than_any_telephone_is_wide" + EVIL.replace("/", "")
    long = one_run(out / name / "20260101-1200-long")
    write_notes(long, Notes(tuple(f"tag{n}{'x' * 30}" for n in range(3)), EVIL))

    with serving(out) as server:
        page, told = tab(browser, server.url, width, scheme)
        titles = page.locator(".tile .title").all_text_contents()
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.wait_for_selector("#charts svg")
        drawn = page.locator("#charts svg").count()
        lines = page.locator("#charts svg").first.locator("polyline").count()
        wide = page.evaluate("document.documentElement.scrollWidth")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("/")
        page.keyboard.type("mode_collapse pack 1")
        page.wait_for_selector(".group")
        found = page.locator(".tile").count()
        address = page.url
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        hidden = page.locator("#beside").is_hidden()
        page.fill("#find", "")
        page.select_option("#order", "frechet")
        ranked = page.locator(".tile .figures span:last-child").all_text_contents()
        groups = page.locator(".group").count()
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_selector("#charts svg")
        kept = page.input_value("#find"), page.locator(".tile").count()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Recipe")
        heading = page.text_content("h1")

    assert len(titles) == 9
    assert any(title.startswith("a_recipe_with") and "onerror" in title for title in titles)
    assert (drawn, lines) == (3, 2)
    assert wide <= width
    assert (sum(map(int, paper[4:-1].split(","))) < 200) == (scheme == "dark")
    assert (found, hidden, groups) == (1, True, 0)
    assert [float(value) for value in ranked] == sorted(float(value) for value in ranked)
    assert kept == ("mode_collapse pack 1", 1)
    assert heading == "mode_collapse"
    assert told == []


@pytest.mark.browser
def test_the_board_looks_right_on_a_telephone_in_the_dark_and_printed(
    out: Path, browser: Any
) -> None:
    one_run(out / "new" / "20260101-1200-new1", status="failed")

    with serving(out) as server:
        page, _ = tab(browser, server.url)
        page.check(".tile:has-text('r002') input")
        page.wait_for_selector("#charts svg")
        wrong = looks_wrong(page)

    assert wrong == []


@pytest.mark.browser
def test_the_board_follows_what_happens_and_keeps_the_focus(out: Path, browser: Any) -> None:
    run = RunDir(out / "recipe_2" / "20260101-1002-r002")

    with serving(out) as server, run.locked():
        page, told = tab(browser, server.url)
        page.focus(".tile:has-text('r002') a")
        page.check(".tile:has-text('r002') input")
        page.wait_for_selector("#charts svg")
        page.focus(".tile:has-text('r002') a")
        before = page.get_attribute(".tile:has-text('r002') img", "src")
        Image.new("L", (16, 16), 200).save(run.samples / "step-002000.png")
        run.append_log({"step": 1050, "d/accuracy": 0.5, "d/loss": 1.0})
        run.write_json("environment.json", {"steps": 2100})
        run.set_status("running", 500, EVIL)
        one_run(out / "new" / "20260101-1200-new1")
        page.wait_for_selector(".tile:has-text('new1')", timeout=10_000)
        page.wait_for_selector("#charts >> text=discriminator/accuracy", timeout=10_000)
        after = page.get_attribute(".tile:has-text('r002') img", "src")
        counts = page.text_content("#counts")
        bar = page.locator(".tile:has-text('r002') progress").evaluate("bar => bar.value / bar.max")
        focused = page.evaluate("document.activeElement.closest('.tile').textContent")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Step 500")
        run.set_status("running", 501)
        page.wait_for_selector("text=Step 501", timeout=10_000)

    assert before != after
    assert counts == "9 runs, 1 running"
    assert bar == 0.5
    assert "r002" in focused
    assert told == []


def processor_s() -> float:
    """Return the processor seconds of this process and all that it started, Chromium too."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(") ")
        except OSError:
            continue
        number, fields = int(name.split()[0]), rest.split()
        parents[number] = int(fields[1])
        used[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    while more := {number for number, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used[number] for number in ours)


@pytest.mark.slow
@pytest.mark.browser
def test_five_hundred_runs_open_in_less_than_two_seconds(tmp_path: Path, browser: Any) -> None:
    many_runs(tmp_path, 500, cells=100)
    browser.new_page().close()
    took = []

    for _ in range(5):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        before, begun = processor_s(), time.perf_counter()
        with serving(tmp_path) as server:
            page.goto(server.url)
            page.wait_for_selector(".tile")
            while not page.evaluate(
                "[...document.querySelectorAll('.tile img')].slice(0, 12)"
                ".every(image => image.complete && image.naturalWidth > 0)"
            ):
                page.wait_for_timeout(20)
            took.append((processor_s() - before, time.perf_counter() - begun))
            assert page.locator(".tile").count() == 500
            page.close()

    # Of a machine that does other things besides, only the processor's time says something.
    print("seconds of the processors, server and Chromium together, and by the clock:", took)
    assert sorted(seconds for seconds, _ in took)[2] < 2
