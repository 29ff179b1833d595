"""From an empty folder to a run that uses it; and a house full of plugins, some of them broken."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_shelf import Shelf, good
from small_recipe import small

from ganzoo.cli.app import ganzoo
from ganzoo.plugin import registry

BROKEN = {
    "absent": ("import nonsense_that_is_not_there\n", "No module named 'nonsense_that_is_not"),
    "future": (good("future", "GANZOO_API = 2\n"), "needs plugin API 2; this ganzoo has 1"),
    "misspelt": (
        good("misspelt").replace("ganzoo_losses", "ganzoo_loses"),
        "there is no hook named 'ganzoo_loses'; did you mean 'ganzoo_losses'",
    ),
    "taken": (good("hinge"), "loss 'hinge' of ganzoo-taken 0.3 is already supplied by"),
    "raises": (good("raises").replace("return [Good]", "return [1 / 0]"), "ZeroDivisionError"),
}
"""Five broken plugins and what is said of them."""


@pytest.mark.timeout(300)
def test_from_an_empty_folder_to_a_run_that_uses_it(tmp_path: Path) -> None:
    for tool in ("build", "hatchling", "pip"):
        if importlib.util.find_spec(tool) is None and not (tool == "pip" and shutil.which("pip")):
            pytest.skip(f"needs {tool}")
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
    site = tmp_path / "site"
    command = [sys.executable, "-c", "from ganzoo.cli import main; main()"]

    def run(*words: str, **environment: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(*command, "new", "plugin", "ganzoo-quadratic", "--kind", "loss")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "ganzoo-quadratic")
    [wheel] = (tmp_path / "ganzoo-quadratic" / "dist").glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    checked = run(*command, "plugins", "check", "quadratic", PYTHONPATH=str(site))
    (tmp_path / "r.toml").write_text(small(loss="quadratic"))
    folder = run(*command, "run", "r.toml", "--device", "cpu", PYTHONPATH=str(site)).strip()

    assert "all passed" in checked
    assert json.loads((tmp_path / folder / "status.json").read_text())["status"] == "done"
    assert 'use = "quadratic"' in (tmp_path / folder / "recipe.toml").read_text()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Twenty installed plugins, five of which are broken in different ways."""
    shelf = Shelf(tmp_path / "site-packages")
    shelf.folder.mkdir()
    for number in range(15):
        shelf.install(f"good{number}", good(f"good_{number}"))
    for name, (source, _) in BROKEN.items():
        shelf.install(name, source)
    monkeypatch.syspath_prepend(str(shelf.folder))
    yield shelf
    shelf.forget()


@pytest.mark.usefixtures("house")
def test_a_run_does_not_mind_five_broken_plugins_that_it_does_not_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(small())

    with pytest.raises(SystemExit) as end:
        ganzoo.main(["run", str(recipe), "--out", str(tmp_path / "runs"), "--device", "cpu"])

    assert end.value.code == 0
    said = capsys.readouterr()
    assert Path(said.out.strip()).is_dir()
    warning = "failed to load: absent, future, misspelt, raises, taken"
    assert " ".join(said.err.split()).count(warning) == 1


@pytest.mark.usefixtures("house")
def test_all_five_are_named_with_their_causes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ganzoo.main(["plugins", "--json"])

    assert end.value.code == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {name for name, row in rows.items() if row["status"] == "broken"} == set(BROKEN)
    for name, (_, cause) in BROKEN.items():
        assert cause in rows[name]["error"]
    assert sum(row["status"] == "loaded" and "good" in name for name, row in rows.items()) == 15


@pytest.mark.slow
def test_twenty_plugins_cost_less_than_a_tenth_of_a_second(house: Shelf) -> None:
    def seconds(**rest: set[str]) -> float:
        found = []
        for _ in range(5):
            house.forget()
            start = time.process_time()
            registry.load_plugins(**rest)  # type: ignore[arg-type]
            found.append(time.process_time() - start)
        return min(found)

    registry.load_plugins()  # compiles the twenty modules, once
    alone, together = seconds(block={"*"}), seconds()

    print(f"{1000 * alone:.1f} ms without, {1000 * together:.1f} ms with twenty plugins")
    assert together - alone < 0.1
