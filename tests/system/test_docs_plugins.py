"""What the pages for plugin authors say is what the code does."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from ganzoo import testing
from ganzoo.cli.app import ganzoo
from ganzoo.plugin import hooks

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_hooks_are_documented_with_their_exact_signatures() -> None:
    python = blocks("docs/hooks.md", "python")
    lines = [line for block in python for line in block.splitlines()]
    shown = [line for line in lines if line.startswith("def ganzoo_")]

    wanted = [
        f"def {name}{inspect.signature(hook)}".replace("'", "")
        for name, hook in hooks.known().items()
    ]

    assert sorted(shown) == sorted(wanted)


def test_every_hook_is_implemented_by_a_plugin_to_read() -> None:
    folders = (ROOT / "plugins", ROOT / "examples")
    sources = "".join(path.read_text() for each in folders for path in each.rglob("*.py"))

    assert [name for name in hooks.known() if f"def {name}(" not in sources] == []


@pytest.mark.parametrize("page", ["README.md", "docs/write-a-plugin.md"])
def test_the_plugin_on_the_page_keeps_its_promises(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = [block for block in blocks(page, "python") if "@hookimpl" in block]
    name = re.sub(r"\W", "_", f"shown_in_{page}").lower()
    file = tmp_path / f"{name}.py"
    file.write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])

    report = testing.check(file)

    report.raise_for_problems()
    assert len(report.findings) > 10


def test_commands_on_the_page_are_commands() -> None:
    lines = [
        line.removeprefix("$ ").split("ganzoo ", 1)[1].split()
        for page in ("docs/write-a-plugin.md", "docs/trackers.md")
        for block in blocks(page, "console")
        for line in block.splitlines()
        if re.match(r"\$ (\w+=\w+ )?ganzoo ", line)
    ]

    assert len(lines) > 6
    for words in lines:
        command = ganzoo.get_command(None, words[0])  # type: ignore[arg-type]
        assert command is not None, words
        known = {option for parameter in command.params for option in parameter.opts}
        if words[0] not in {"new", "plugins"}:
            assert {word for word in words if word.startswith("--")} <= known
