"""The page "From paper to plugin": its code is that of the tests' files, its recipes build."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.session import build
from ganzoo.training.place import Place
from ganzoo.training.state import Silent

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "from-paper-to-plugin.md"
PAPERS = ROOT / "tests" / "plugin" / "third_party"
RECIPES = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)


@pytest.fixture(scope="module")
def builder() -> dict[str, Any]:
    """Return the functions of the documentation's build."""
    return runpy.run_path(str(ROOT / "docs" / "build.py"))


def test_pages_show_whole_classes_of_files_that_are_there(builder: dict[str, Any]) -> None:
    marks = builder["SOURCE"]
    shown = {}
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        shown[page.name] = marks.findall(text)
        for path, names in shown[page.name]:
            block = builder["code"](ROOT / path, names.split())
            compile(block.removeprefix("```python\n").removesuffix("```"), path, "exec")
        assert marks.search(marks.sub("", text)) is None
        assert "from the file" not in re.sub(marks, "", text)

    assert len(shown[PAGE.name]) >= 8


def test_a_hook_is_shown_with_its_decorator_and_nothing_else(builder: dict[str, Any]) -> None:
    block = builder["code"](PAPERS / "lecam.py", ["ganzoo_regularizers"])

    assert block.startswith("```python\n@hookimpl\ndef ganzoo_regularizers()")
    assert block.endswith("    return [LeCam]\n```")
    with pytest.raises(KeyError, match="Nobody"):
        builder["code"](PAPERS / "lecam.py", ["Nobody"])


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_recipe_of_the_page_builds_and_passes_the_trial_of_step_1(
    number: int, tmp_path: Path
) -> None:
    text = RECIPES[number]
    files = [PAPERS / name for name in re.findall(r"# (\w+\.py)$", text, re.M)]
    (tmp_path / "mine.toml").write_text(text)
    found = registry.load_plugins(files)
    small = ["train.batch_size=4", "metric=[]"]

    recipe = load_recipe(tmp_path / "mine.toml", found, small)
    parts = build(recipe, found, Place("cpu", None, 1, offline=True), Silent())

    assert files
    assert recipe.generator.use.startswith("zoo_") or recipe.loss.use.startswith("zoo_")
    assert len(parts.data) > 0
