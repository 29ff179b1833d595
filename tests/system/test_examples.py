"""The example packages: found as any package, checked by their own tests, no line of the core."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from plugin_shelf import Shelf
from small_recipe import small

from ganzoo import testing
from ganzoo.cli.app import ganzoo
from ganzoo.plugin import registry

PACKAGES = sorted((Path(__file__).parents[2] / "examples" / "plugins").iterdir())
SOURCES = os.pathsep.join(str(package / "src") for package in PACKAGES)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the packages where installed ones are."""
    shelf = Shelf(tmp_path / "site-packages")
    shelf.folder.mkdir()
    for package in PACKAGES:
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        entries = project["entry-points"]["ganzoo"]
        shelf.register(project["name"], entries.items(), project["version"])
        shelf.modules |= set(entries.values())
        monkeypatch.syspath_prepend(str(package / "src"))
    monkeypatch.syspath_prepend(str(shelf.folder))
    yield
    shelf.forget()


def test_there_is_one_for_each_shape() -> None:
    assert [package.name for package in PACKAGES] == [
        "ganzoo-example-dataset", "ganzoo-example-loss", "ganzoo-example-metric",
        "ganzoo-example-verb",
    ]  # fmt: skip


def test_their_own_tests_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, PACKAGES)],
        env=os.environ | {"PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout


@pytest.mark.usefixtures("installed")
def test_a_run_uses_all_components_at_once_and_a_verb_draws_it(tmp_path: Path) -> None:
    found = registry.load_plugins()
    assert found.broken == ()
    recipe = tmp_path / "three.toml"
    recipe.write_text(
        small(
            above='requires = ["ganzoo-example-loss", "ganzoo-example-dataset", '
            '"ganzoo-example-metric"]',
            dataset="drawn_shapes",
            loss="relativistic_hinge",
            optimizer="adam",
        )
        + """\
[measure]
network = "random"
samples = 16
reference = 16
[[metric]]
use = "edge_gap"
"""
    )

    with pytest.raises(SystemExit) as end:
        ganzoo.main(["run", str(recipe), "--out", str(tmp_path / "runs"), "--device", "cpu"])

    assert end.value.code == 0
    [result] = (tmp_path / "runs").rglob("result.json")
    assert '"edge_gap"' in result.read_text()
    drawn = CliRunner().invoke(ganzoo, ["sparks", str(result.parent)])
    assert drawn.exit_code == 0, drawn.output
    assert "discriminator/loss" in drawn.stdout


@pytest.mark.usefixtures("installed")
def test_the_verb_is_listed_and_keeps_its_promises() -> None:
    told = CliRunner().invoke(ganzoo, ["--help"]).stdout
    rows = CliRunner().invoke(ganzoo, ["plugins", "--json"]).stdout

    assert "Plugin example-verb (ganzoo-example-verb 0.1.0):\n  sparks  Draw the losses" in told
    assert '"verb sparks"' in rows
    testing.check("example-verb").raise_for_problems()
