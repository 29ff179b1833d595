"""A run in a real notebook: what its cells hold, and what nbconvert makes of them."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from tiny_run import TINY

import ganzoo
from ganzoo.report.run_page import write_page
from ganzoo.session import open_run
from ganzoo.training import notebook

nbformat = pytest.importorskip("nbformat", reason="pip install 'ganzoo-torch[test]'")
nbclient = pytest.importorskip("nbclient", reason="pip install 'ganzoo-torch[test]'")
pytest.importorskip("ipykernel", reason="pip install 'ganzoo-torch[test]'")
nbconvert = pytest.importorskip("nbconvert", reason="pip install 'ganzoo-torch[test]'")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Return a notebook that trained a tiny run in its first cell, and the folder it did it in."""
    folder = tmp_path_factory.mktemp("book")
    cells = [
        f"import ganzoo\nrun = ganzoo.run('dcgan_digits', {TINY!r}, device='cpu', offline=True)",
        "run",
        "print([name for name in dir(ganzoo) if not name.startswith('__')])",
    ]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(
        made, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return made, folder


def pictures(cell: Any) -> list[bytes]:
    """Return the PNGs that a cell shows."""
    return [
        base64.b64decode(each["data"]["image/png"])
        for each in cell.outputs
        if "image/png" in each.get("data", {})
    ]


@pytest.mark.slow
def test_a_cell_shows_a_bar_the_losses_and_the_newest_sheet_and_no_more(
    book: tuple[Any, Path],
) -> None:
    made, folder = book
    run = open_run("last", out=folder / "runs")

    shown = [each for each in made.cells[0].outputs if each.output_type == "display_data"]

    text = shown[0]["data"]["text/html"]
    assert len(shown) == 2
    assert re.search(r'<progress value="1\.0000" max="1"', text)
    assert "done: step 4 of 4" in text
    assert re.search(r"<b>discriminator</b></td><td[^>]*>loss \d", text)
    assert pictures(made.cells[0]) == [run.folder.sheets()[-1].read_bytes()]
    assert shown[1]["data"]["text/plain"] == "samples, step 4"


@pytest.mark.slow
def test_nothing_garbled_is_printed_and_no_widget_is_needed(book: tuple[Any, Path]) -> None:
    streams = [each for each in book[0].cells[0].outputs if each.output_type == "stream"]

    assert all(each.name == "stderr" and "Warning" in each.text for each in streams), streams
    assert "widget" not in nbformat.writes(book[0])


@pytest.mark.slow
def test_nbconvert_holds_the_last_state(book: tuple[Any, Path]) -> None:
    page, _ = nbconvert.HTMLExporter(embed_images=True).from_notebook_node(book[0])
    script, _ = nbconvert.MarkdownExporter().from_notebook_node(book[0])

    assert re.findall(r'<progress [^>]*value="([^"]*)"', page) == ["1.0000"]
    assert "done: step 4 of 4" in page
    assert "step 0 of 4" not in page
    for text in (page, script):
        assert "\x1b" not in text
        assert "\r" not in text


@pytest.mark.slow
def test_dir_has_the_public_names_alone(book: tuple[Any, Path]) -> None:
    assert book[0].cells[2].outputs[0].text == "['load', 'open_run', 'run']\n"


@pytest.mark.slow
def test_the_page_of_a_notebooks_run_names_the_call(book: tuple[Any, Path]) -> None:
    run = open_run("last", out=book[1] / "runs")

    page = write_page(run.folder).read_text(encoding="utf-8")

    assert "ganzoo.run(&#39;dcgan_digits&#39;, {&#39;train.epochs&#39;: 100," in page
    assert "device=&#39;cpu&#39;, offline=True)" in page
    assert "ipykernel" not in page


def test_elsewhere_lines_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.session.SECONDS_BETWEEN_LINES", 0.0)

    run = ganzoo.run("dcgan_digits", TINY, out=tmp_path, device="cpu", offline=True)

    assert not notebook.in_notebook()
    assert "step 4/4" in capsys.readouterr().out
    assert run.folder.read_json("origin.json")["call"].endswith(
        f"out={str(tmp_path)!r}, device='cpu', offline=True)"
    )
