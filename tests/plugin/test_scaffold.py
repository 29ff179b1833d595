"""A new plugin package is complete: it installs, is found, and keeps every promise at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_shelf import Shelf

from ganzoo import testing
from ganzoo.cli.app import ganzoo
from ganzoo.common.errors import GanzooError
from ganzoo.plugin import registry
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.scaffold import SPECIAL, Special, write
from ganzoo.testing.targets import of_names


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "site-packages")
    shelf.folder.mkdir()
    monkeypatch.syspath_prepend(str(shelf.folder))
    yield shelf
    shelf.forget()


@pytest.mark.parametrize(("kind", "special"), [*((kind, "") for kind in KINDS), *SPECIAL])
def test_a_new_package_is_found_and_passes_at_once(
    kind: str, special: Special, tmp_path: Path, shelf: Shelf
) -> None:
    name = f"ganzoo-fresh{special}-{kind}"

    files = write(name, kind, tmp_path, special)

    module = name.replace("-", "_")
    for path, text in files.items():
        if path.parent.name == module:
            shelf.put(f"{module}/{path.name}", text)
    project = tomllib.loads((tmp_path / name / "pyproject.toml").read_text())["project"]
    shelf.register(name, project["entry-points"]["ganzoo"].items(), "0.1.0")
    found = registry.load_plugins()
    assert found.broken == ()
    assert not [text for text in found.warnings if name in text]
    report = testing.Report.of(of_names(found, name, {"program": "pt2"}))
    report.raise_for_problems()
    assert len(report.findings) > 6
    assert not any("GANZOO_API" in note.text for note in report.notes)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("Quadratic", "loss", "lowercase letters, digits and '-'"),
        ("../x", "loss", "lowercase letters"),
        ("ganzoo-x", "lose", "no kind named 'lose'; did you mean 'loss'"),
        ("there", "loss", "already exists"),
    ],
)
def test_what_cannot_be_begun_is_told(name: str, kind: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    with pytest.raises(GanzooError, match=words):
        write(name, kind, tmp_path)


def test_what_a_kind_cannot_begin_with_is_told(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="--labels goes with --kind generator or discriminator"):
        write("ganzoo-x", "view", tmp_path, "labels")


def test_the_command_line_writes_it_and_refuses_a_name_that_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, code in (("ganzoo-quadratic", 0), ("ganzoo-hinge", 2)):
        with pytest.raises(SystemExit) as end:
            ganzoo.main(["new", "plugin", name, "--kind", "loss", "--out", str(tmp_path)])
        assert end.value.code == code

    said = capsys.readouterr()
    assert (tmp_path / "ganzoo-quadratic" / "pyproject.toml").is_file()
    assert "ganzoo plugins check quadratic" in said.err
    with pytest.raises(SystemExit):
        ganzoo.main(["new", "plugin", "ganzoo-told", "--kind", "generator", "--labels", "--out",
                     str(tmp_path)])  # fmt: skip
    assert (tmp_path / "ganzoo-told" / "src" / "ganzoo_told" / "network.py").is_file()
    assert "there is a loss named 'hinge' already" in said.err
