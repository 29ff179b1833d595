"""A stranger's package: built as a wheel, installed by pip, found by ganzoo."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "third_party" / "ganzoo-lsgan-example"
SCRIPT = """
import json, sys
from ganzoo.plugin.registry import load_plugins
registry = load_plugins()
plugin = registry.owner("loss", "lsgan_example")
spec = registry.find("loss", "lsgan_example")
print(json.dumps({
    "plugin": [plugin.name, plugin.distribution, plugin.version, plugin.source, plugin.path.name],
    "spec": spec.model_validate({"real_target": 0.9}).model_dump(),
    "broken": registry.broken,
    "warnings": registry.warnings,
    "unmet": registry.unmet(["ganzoo-lsgan-example"]),
    "torch": "torch" in sys.modules,
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package without network, from a copy, so that the source stays as it is."""
    for tool in ("build", "hatchling"):
        if importlib.util.find_spec(tool) is None:
            pytest.skip(f"needs {tool}: pip install 'ganzoo-torch[test]'")
    source = tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(PACKAGE, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source))
    [built] = (source / "dist").glob("*.whl")
    return built


def run(*command: str, **environment: str) -> str:
    result = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if found := shutil.which("pip"):
        return [found]
    pytest.skip("needs pip")


def test_the_wheel_holds_the_plugin_and_its_entry_point(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "ganzoo_lsgan_example/__init__.py" in archive.namelist()
        assert archive.read(entry_points).decode().split() == [
            "[ganzoo]",
            "lsgan-example",
            "=",
            "ganzoo_lsgan_example",
        ]


def test_an_installed_package_of_a_stranger_is_found_and_usable(
    wheel: Path, tmp_path: Path
) -> None:
    run(*pip(), "install", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel))

    found = json.loads(run(sys.executable, "-c", SCRIPT, PYTHONPATH=str(tmp_path)))

    assert found == {
        "plugin": [
            "lsgan-example",
            "ganzoo-lsgan-example",
            "0.3.0",
            "entry point",
            "ganzoo_lsgan_example",
        ],
        "spec": {"real_target": 0.9},
        "broken": [],
        "warnings": [],
        "unmet": [],
        "torch": False,
    }
