"""Entry points are those that ``importlib.metadata`` finds, and it is asked where it knows more."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_shelf import Shelf, good

from ganzoo.plugin.discovery import installed
from ganzoo.plugin.entries import Entry, entries


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A folder of distributions, first on sys.path."""
    made = Shelf(tmp_path / "shelf")
    made.folder.mkdir()
    monkeypatch.syspath_prepend(str(made.folder))
    yield made
    made.forget()


def by_importlib(group: str) -> list[Entry]:
    found = importlib.metadata.entry_points(group=group)
    return [
        Entry(each.name, each.value, each.dist.metadata["Name"], each.dist.version)
        for each in found
        if each.dist
    ]


@pytest.mark.parametrize("group", ["ganzoo", "console_scripts", "pytest11"])
def test_they_are_those_of_importlib(group: str) -> None:
    assert entries(group) == by_importlib(group) != []


def test_metadata_may_be_laid_out_in_any_way_that_python_reads(shelf: Shelf) -> None:
    info = shelf.register("Ganzoo.Odd_Name", [("x", "y")])
    (info / "METADATA").write_text("version: 1\nNAME:  Ganzoo.Odd_Name\n\nName: of no header\n")
    (info / "entry_points.txt").write_text(
        "# said = before\n  [ganzoo]\n\n one=a.b:c [extra] \n# two = d\nthree = e=f\n"
        "[other]\nx = y\n"
    )
    egg = shelf.folder / "old.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Name: old\nVersion: 2\n")
    (egg / "entry_points.txt").write_text("[ganzoo]\nancient = old\n")

    found = entries("ganzoo")

    assert found is not None
    assert set(found[:3]) == {
        Entry("one", "a.b:c [extra]", "Ganzoo.Odd_Name", "1"),
        Entry("three", "e=f", "Ganzoo.Odd_Name", "1"),
        Entry("ancient", "old", "old", "2"),
    }
    assert found == by_importlib("ganzoo")


def test_a_distribution_counts_where_it_is_first(shelf: Shelf, tmp_path: Path) -> None:
    shelf.register("ganzoo-twice", [("a", "first")])
    again = Shelf(tmp_path / "again")
    again.register("ganzoo_twice", [("a", "second")], version="0.4")
    sys.path.append(str(again.folder))  # taken away by the fixture of the shelf

    named = [each.value for each in entries("ganzoo") or [] if each.name == "a"]

    assert named == ["first"]


@pytest.mark.parametrize("damage", [b"[x]\n\xff = y\n", b"[x]\nno value\n"], ids=["text", "line"])
def test_importlib_is_asked_where_something_is_damaged(shelf: Shelf, damage: bytes) -> None:
    shelf.install("hinge", good("hinge_x"))
    info = shelf.register("someone", [])
    (info / "entry_points.txt").write_bytes(damage)

    assert entries("ganzoo") is None

    found, unreadable = installed()
    assert "hinge" in [each.name for each in found]
    assert [each.name for each in unreadable] == ["someone"]


def test_importlib_is_asked_for_what_lies_in_a_zip_file(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.install("packed", good("packed_x"))
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in shelf.folder.rglob("*"):
            file.write(path, path.relative_to(shelf.folder))
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path[1:]])

    assert entries("ganzoo") is None

    (packed,) = [each for each in installed()[0] if each.name == "packed"]
    assert packed.load()[1].__name__ == "ganzoo_test_packed"


def test_importlib_is_asked_where_somebody_else_finds_distributions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Finder:
        @staticmethod
        def find_spec(*_: object) -> None:
            return None

        @staticmethod
        def find_distributions(*_: object) -> list[importlib.metadata.Distribution]:
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])

    assert entries("ganzoo") is None
    assert "ganzoo-losses" in [each.name for each in installed()[0]]


def test_to_find_plugins_imports_neither_importlib_metadata_nor_any_plugin() -> None:
    code = (
        "import sys; from ganzoo.plugin.discovery import installed; found, _ = installed()\n"
        "assert 'ganzoo-losses' in [each.name for each in found]\n"
        "print([n for n in sys.modules if n.startswith(('importlib.metadata', 'ganzoo_'))])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")
