"""Names that some system refuses are refused or changed on every system."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from ganzoo.ablate.experiment import EXPERIMENT, refuse_other_capitals, usable_name
from ganzoo.cli.commands.sample import default_name
from ganzoo.cli.options import NewFile
from ganzoo.common import names, system
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.scaffold import write as new_plugin
from ganzoo.recipe.new import write as new_recipe
from ganzoo.runs import folder as rundir

DEVICES = ["con", "CON", "aux", "Nul", "prn", "com1", "LPT9", "com¹", "conout$"]
REFUSED = [
    *DEVICES, "con.toml", "aux.tar.gz", "nul .txt", "a:b", "a<b", "a>b", 'a"b', "a|b", "a?b", "a*b",
    "a\\b", "a/b", "a\x00b", "a\nb", "name.", "name ", "name...", ".", "..", "", "x" * 256,
    "é" * 128,
]  # fmt: skip
ALLOWED = [
    "run",
    "console",
    "auxiliary",
    "com",
    "com10",
    "lpt",
    "nullify.v2",
    ".lock",
    "a b",
    "été",
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_windows_refuses_has_a_fault(name: str) -> None:
    assert names.fault(name)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_name_that_all_systems_take_has_none_and_stays(name: str) -> None:
    assert names.fault(name) == ""
    assert names.portable(name) == name


@pytest.mark.parametrize("name", [name for name in REFUSED if 0 < len(name) < 100])
def test_a_refused_name_becomes_a_portable_one(name: str) -> None:
    made = names.portable(name)

    assert names.fault(made) == ""
    assert names.portable(made) == made


@pytest.mark.parametrize("name", ["con", "NUL", "aux.v2", "com1", "x" * 79 + ".y", "lpt1."])
def test_a_runs_folder_can_lie_on_every_disk(tmp_path: Path, name: str) -> None:
    made = rundir.create(tmp_path, name).path.parent.name

    assert names.fault(made) == ""
    assert made.casefold().startswith(name[:3].casefold())


@pytest.mark.parametrize("name", ["con", "aux", "com1"])
def test_a_package_or_recipe_is_not_named_after_a_device(tmp_path: Path, name: str) -> None:
    with pytest.raises(GanzooError, match=f"'{name}' is a device on Windows"):
        new_plugin(name, "loss", tmp_path)
    with pytest.raises(GanzooError, match=f"'{name}' is a device on Windows"):
        new_recipe(name, "dcgan_digits", {}, tmp_path, load_plugins(block=["*"]))

    assert list(tmp_path.iterdir()) == []


def test_a_recipe_does_not_end_in_a_point(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="which Windows cuts off"):
        new_recipe("mine.", "dcgan_digits", {}, tmp_path, load_plugins(block=["*"]))


@pytest.mark.parametrize("name", ["con", "a:b", "../elsewhere", "study."])
def test_an_experiments_folder_has_a_portable_name(name: str) -> None:
    with pytest.raises(GanzooError, match="--name"):
        usable_name(name)

    assert usable_name("study 2") == "study 2"


def test_two_experiments_that_differ_in_capitals_do_not_share_a_folder(tmp_path: Path) -> None:
    # What a disk that takes 'Study' and 'study' for one shows to the second.
    (tmp_path / EXPERIMENT).write_text('{"name": "Study"}', encoding="utf-8")

    with pytest.raises(MachineError, match="this disk ignores upper and lower case"):
        refuse_other_capitals(tmp_path, "study")
    refuse_other_capitals(tmp_path, "Study")
    refuse_other_capitals(tmp_path, "moved")


def test_samples_of_classes_that_differ_in_capitals_are_two_files() -> None:
    model = SimpleNamespace(
        classes=("A", "a", "b c", "b_c", "d"), step=1, is_average=True, recipe=None
    )

    made = [
        default_name(model, 4, 0, [label], False, False, True)  # type: ignore[arg-type]
        for label in model.classes
    ]

    assert len({name.casefold() for name in made}) == 5
    assert made[-1] == "samples-step000001-seed0-d"
    assert [names.fault(name) for name in made] == [""] * 5


@pytest.mark.parametrize("path", ["nul", "made/con.png", "a:b.png", "x/prn/y.png", "sheet."])
def test_on_windows_nothing_is_written_to_a_device_or_a_hidden_stream(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    kind = NewFile(path_type=Path)
    assert kind.convert(path, None, None) == Path(path)

    monkeypatch.setattr(system, "IS_WINDOWS", True)

    with pytest.raises(click.BadParameter, match="choose another name"):
        kind.convert(path, None, None)
    assert kind.convert("made/sheet.png", None, None) == Path("made/sheet.png")
