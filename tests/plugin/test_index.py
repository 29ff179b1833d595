"""The index of ganzoo's own plugins: quick where it holds, and of no effect where it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ganzoo.common.errors import GanzooError
from ganzoo.plugin import registry
from ganzoo.plugin.discovery import installed
from ganzoo.plugin.index import FOLDER, KEPT, Index, seal
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.registry import Components, load_plugins


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a cache of one's own, and ganzoo's own plugins alone."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANZOO_BLOCK", "*")
    return tmp_path / "cache"


def the_index(cache: Path) -> Path:
    (found,) = (cache / FOLDER).glob("*.json")
    return found


def rewritten(cache: Path, change: Any) -> None:
    """Change what the index says, as somebody would who knows how it is sealed."""
    content = json.loads(the_index(cache).read_text())["plugins"]
    change(content)
    the_index(cache).write_text(sealed(content))


def sealed(content: object) -> str:
    """Return the text of an index that says this."""
    return json.dumps({"sha256": seal(content), "plugins": content})


def test_what_is_listed_from_the_index_is_what_loading_gives(cache: Path) -> None:
    real = load_plugins()
    assert not isinstance(real.components, Components)

    quick = load_plugins()

    assert isinstance(quick.components, Components)
    assert quick.plugins == real.plugins
    assert (quick.broken, quick.warnings, quick.blocked) == ((), (), real.blocked)
    for kind in KINDS:
        assert list(quick.specs(kind)) == list(real.specs(kind))
        for use, spec in real.specs(kind).items():
            assert quick.about(kind, use) == real.about(kind, use)
            assert quick.owner(kind, use) == real.owner(kind, use)
            assert quick.find(kind, use) is spec
    trackers = quick.manager.hook.ganzoo_trackers
    assert sorted(trackers()) == sorted(real.manager.hook.ganzoo_trackers())
    assert the_index(cache).stat().st_size < 100_000


def test_only_what_is_asked_for_is_imported() -> None:
    load_plugins()
    code = (
        "import sys; from ganzoo.plugin.registry import load_plugins as load; found = load()\n"
        "assert len(found.specs('loss')) > 5 and 'bce' in found.specs('loss')\n"
        "assert not [name for name in sys.modules if name.startswith('ganzoo_losses.')]\n"
        "assert found.find('loss', 'bce').__module__ == 'ganzoo_losses.bce'\n"
        "print([name for name in sys.modules if name.startswith('ganzoo_losses.')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("['ganzoo_losses.bce']\n", "")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", "[" * 100_000, sealed([]), sealed({"ganzoo-losses": 3}),
     sealed({"nobody": {"components": [], "verbs": {}, "models": [], "later": False}}),
     sealed({"ganzoo-losses": {"components": [["loss", "bce"]], "verbs": {}, "models": [],
                               "later": False}}),
     sealed({"ganzoo-losses": {"components": [], "verbs": {}}}),
     sealed({"ganzoo-animals": {"components": [], "verbs": {}, "later": False, "models": [
         {"name": "x", "about": "x", "folder": "../elsewhere", "sha256": "0" * 64, "urls": [],
          "size": None}]}})],
    ids=range(12),
)  # fmt: skip
def test_a_damaged_index_is_passed_over_and_written_anew(cache: Path, content: str) -> None:
    load_plugins()
    whole = the_index(cache).read_text()
    the_index(cache).write_text(content)

    found = load_plugins()

    assert "bce" in found.specs("loss")
    assert found.find("loss", "bce").use == "bce"
    assert the_index(cache).read_text() == whole


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("ganzoo_losses_evil", "Bce"),
        ("ganzoo_losses.bce;import os", "Bce"),
        ("ganzoo_datasets.digits", "Digits"),
        ("ganzoo_losses..bce", "Bce"),
    ],
)
def test_a_forged_index_leads_to_nothing_outside_of_the_package(
    cache: Path, module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forge(content: Any) -> None:
        for row in content["ganzoo-losses"]["components"]:
            if row[1] == "bce":
                row[2:4] = [module, name]

    load_plugins()
    rewritten(cache, forge)
    asked: list[str] = []
    monkeypatch.setattr("ganzoo.plugin.index.importlib.import_module", asked.append)

    assert Index([each for each in installed()[0] if each.is_own]).read() == {}
    assert asked == []


@pytest.mark.parametrize(
    ("module", "name"),
    [("ganzoo_losses.nowhere", "Bce"), ("ganzoo_losses.bce", "Nobody"),
     ("ganzoo_losses.hinge", "Hinge"), ("ganzoo_losses.bce", "LossSpec")],
)  # fmt: skip
def test_a_promise_that_is_not_kept_has_everything_loaded(
    cache: Path, module: str, name: str
) -> None:
    def forge(content: Any) -> None:
        for row in content["ganzoo-losses"]["components"]:
            if row[1] == "bce":
                row[2:4] = [module, name]

    load_plugins()
    rewritten(cache, forge)
    found = load_plugins()

    spec = found.find("loss", "bce")

    assert (spec.__module__, spec.__name__) == ("ganzoo_losses.bce", "Bce")
    assert found.find("loss", "hinge").__name__ == "Hinge"


def test_an_index_that_lost_a_name_is_passed_over(cache: Path) -> None:
    load_plugins()
    content = json.loads(the_index(cache).read_text())
    content["plugins"]["ganzoo-losses"]["components"] = []
    the_index(cache).write_text(json.dumps(content))

    found = load_plugins()

    assert "bce" in found.specs("loss")
    assert found.find("loss", "bce").use == "bce"


def test_a_name_that_is_none_is_told_without_loading_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_plugins()
    quick = load_plugins()
    monkeypatch.setattr("ganzoo.plugin.registry.load_plugins", None)

    with pytest.raises(GanzooError, match=r"no loss named 'bcee'; did you mean 'bce'\?"):
        quick.find("loss", "bcee")
    assert quick.components.get(("loss", "bcee")) is None


def test_hooks_of_runs_are_there_when_the_manager_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_plugins()
    quick = load_plugins()
    for name in ("ganzoo_wandb", "ganzoo_tensorboard"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert not quick.managed.__self__.manager.get_plugins()  # type: ignore[attr-defined]

    assert sorted(quick.manager.hook.ganzoo_trackers()) == [["tensorboard"], ["wandb"]]

    assert quick.manager is quick.manager
    assert len(quick.manager.hook.ganzoo_run_finished.get_hookimpls()) == 2


def test_code_that_changed_has_another_index(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [each for each in installed()[0] if each.is_own]
    before = Index(own)._path
    real = registry.Index.__init__.__globals__["sha256_of"]
    monkeypatch.setattr(
        "ganzoo.plugin.index.sha256_of",
        lambda root: "0" * 64 if root and root.name == "ganzoo_losses" else real(root),
    )

    assert Index(own)._path != before


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("GANZOO_CACHE", str(place))

        found = load_plugins()

        assert (found.broken, found.warnings) == ((), ())
        assert found.find("loss", "bce").use == "bce"


def test_a_few_indexes_are_kept(cache: Path) -> None:
    (cache / FOLDER).mkdir(parents=True)
    for number in range(20):
        (cache / FOLDER / f"{number:032x}.json").write_text("{}")

    load_plugins()

    assert len(list((cache / FOLDER).iterdir())) == KEPT
