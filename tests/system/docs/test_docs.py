"""The documentation: built without a warning, its transcripts and its Python run as printed.

A block marked ``console`` is a transcript: its commands are run in one folder, from the page's
top to its end, and every line shown under a command must be in what it prints. A block marked
``python`` on a page about using ganzoo is run as a cell. Trainings are made tiny.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import ganzoo
from ganzoo import session as notebook
from ganzoo.cli.app import ganzoo as command

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
TINY: dict[str, Any] = {
    "dataset.use": "digits",
    "train.steps": 4,
    "train.batch_size": 8,
    "generator.base_channels": 4,
    "discriminator.base_channels": 4,
    "samples.every": 2,
    "samples.rows": 2,
    "samples.columns": 2,
    "metric": [],
}
CODE = ("docs/using-a-model.md",)
TRAINING = {"run"}
LONG = {"ablate", "compare", "board", "play"}
"""Have tests of their own: an experiment cannot be made tiny from outside, and pages are served \
until Ctrl-C."""
FRESH = "a run that 'last' may mean"


def blocks(path: Path, language: str) -> Iterator[str]:
    """Yield the code blocks of a language."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.S | re.M)


def transcript(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a page with the lines shown under it; ``FRESH`` where a run is due."""
    for block in blocks(path, "console"):
        if re.search(r"\blast\b", block):
            yield FRESH, []
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, *shown = part.rstrip().split("\n")
            yield line, [each for each in shown if each.strip() not in {"", "..."}]


INSTALLS = "write-a-plugin.md"
"""A page whose commands install a package first; tests/plugin/test_stranger.py follows it."""
PAGES = [
    path
    for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    if path.name != INSTALLS and any(transcript(path))
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with what the pages take for granted: a recipe and a plugin of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANZOO_BLOCK", "*")
    monkeypatch.setenv("GANZOO_OFFLINE", "1")
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "photos").mkdir()
    for at in range(40):
        Image.new("RGB", (16, 16), (6 * at, 0, 99)).save(tmp_path / "photos" / f"{at}.png")
    # A page before this one may have left its plugin of the same name behind.
    monkeypatch.delitem(sys.modules, "quadratic", raising=False)
    return tmp_path


def call(words: list[str]) -> tuple[int, str]:
    """Run a command in this process; a training is made tiny."""
    if words[0] in TRAINING and "--dry-run" not in words:
        import tomli_w

        given = {word.partition("=")[0] for word in words if "=" in word}
        for key, value in TINY.items():
            if key not in given:
                text = tomli_w.dumps({"x": value}).partition("=")[2].strip()
                words = [*words, "--set", f"{key}={text}"]
    if words[0] == "resume":
        words = [word for word in words if "=" not in word and word != "--set"]
        words += ["--set", "train.steps=6"]
    done = CliRunner().invoke(command, words)
    return done.exit_code, done.output


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
@pytest.mark.timeout(300)
def test_a_transcript_is_what_happens(page: Path, here: Path) -> None:
    recipes = list(blocks(page, "toml"))
    if page.name in {"README.md", "recipes.md"} and recipes:
        (here / "mine.toml").write_text(recipes[0])
    for source in blocks(page, "python"):
        if "hookimpl" in source:
            (here / "quadratic.py").write_text(source)

    for line, shown in transcript(page):
        if line == FRESH:
            assert page.name == "first-run.md" or call(["run", "dcgan_digits"])[0] == 0
            continue
        said, _, into = line.partition(" > ")
        words = shlex.split(said, comments=True)
        if words[:1] != ["ganzoo"] or words[1] in LONG or "--watch" in words:
            continue
        if "onnx" in words and find_spec("onnxscript") is None:
            continue  # without the extra, which is not part of a test environment
        if words[1:3] == ["new", "recipe"]:
            (here / "mine.toml").unlink(missing_ok=True)
        code, output = call(words[1:])
        if into:
            (here / into.strip()).write_text(output)
        allowed = {2} if any("did you mean" in each for each in shown) else {0}
        assert code in (allowed | ({2} if words[1] == "doctor" else set())), f"{line}\n{output}"
        for each in shown:
            assert each.strip() in output, f"{line}\n{output}"


@pytest.mark.parametrize("name", CODE)
def test_the_python_of_a_page_runs(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here == Path.cwd()
    trained = notebook.run

    def tiny(recipe: str, overrides: Mapping[str, Any] | None = None, **rest: Any) -> Any:
        return trained(recipe, {**(overrides or {}), **TINY}, **rest, device="cpu", quiet=True)

    monkeypatch.setattr(notebook, "run", tiny)
    cells = list(blocks(ROOT / name, "python"))

    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, name, "exec"), names)

    assert cells
    assert ganzoo.open_run("last").status == "done"


def test_every_shipped_page_is_built_and_no_link_is_broken(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra 'docs' is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra 'docs' is not installed")
    program = shutil.which("mkdocs", path=str(Path(sys.executable).parent))
    assert program is not None

    done = subprocess.run(
        [program, "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    found = {path.parent.name for path in (tmp_path / "site").rglob("index.html")}
    assert {path.stem for path in DOCS.glob("*.md")} - {"index"} <= found
    commands = (tmp_path / "site" / "commands" / "index.html").read_text()
    assert "ganzoo data get" in commands


def test_the_help_pages_of_the_docs_are_what_the_commands_print() -> None:
    page = runpy.run_path(str(DOCS / "build.py"))["commands"]()

    shown = dict(re.findall(r"^## (ganzoo.*?)\n\n```text\n(.*?)\n```$", page, flags=re.S | re.M))

    assert {"ganzoo", "ganzoo run", "ganzoo data cache list", "ganzoo invert"} <= set(shown)
    for words, text in shown.items():
        printed = CliRunner().invoke(command, [*words.split()[1:], "-h"], prog_name="ganzoo")
        assert printed.output.rstrip() == text.rstrip(), words


def test_every_table_has_headers() -> None:
    text = {path: path.read_text() for path in [ROOT / "README.md", *DOCS.rglob("*.md")]}
    heads = {
        path: re.findall(r"^(\|.*\|)\n\|[ :|-]+\|$", whole, flags=re.M)
        for path, whole in text.items()
    }

    bare = [
        f"{path.name}: {head}"
        for path, found in heads.items()
        for head in found
        if not all(cell.strip() for cell in head.strip("|").split("|"))
    ]

    assert sum(map(len, heads.values())) > 30
    assert not bare


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)

    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing
