"""What the project says of itself in several places is the same in all of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

import ganzoo

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SYSTEMS = {"ubuntu": "POSIX :: Linux", "macos": "MacOS", "windows": "Microsoft :: Windows"}


def read(name: str) -> Any:
    """Return what a YAML file holds."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def classified(topic: str) -> set[str]:
    """Return what the classifiers say under a topic."""
    found = (each.partition(f"{topic} :: ") for each in PROJECT["classifiers"])
    return {rest for before, topic_found, rest in found if topic_found and not before}


def test_workflow_classifiers_and_required_python_agree() -> None:
    matrix = read(".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    versions = {each for each in classified("Programming Language :: Python") if "." in each}
    newest_first = sorted(matrix["python"], key=lambda each: int(each.partition(".")[2]))

    assert set(matrix["python"]) == versions
    assert PROJECT["requires-python"] == f">={newest_first[0]}"
    assert {SYSTEMS[each.partition("-")[0]] for each in matrix["os"]} == classified(
        "Operating System"
    )
    told = re.search(r"Python (3\.\d+) or newer", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert told is not None
    assert PROJECT["requires-python"] == f">={told[1]}"


def test_the_tools_aim_at_the_oldest_python() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    oldest = PROJECT["requires-python"].removeprefix(">=")

    assert tools["mypy"]["python_version"] == oldest
    assert tools["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def test_the_citation_is_of_this_version() -> None:
    citation = read("CITATION.cff")

    assert citation["version"] == ganzoo.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["cff-version"] == "1.2.0"


def test_a_tag_is_compared_with_the_version_as_it_is_written() -> None:
    line = f'__version__ = "{ganzoo.__version__}"'
    step = read(".github/workflows/release.yml")["jobs"]["version"]["steps"][-1]["run"]

    assert line in (ROOT / "ganzoo" / "_version.py").read_text(encoding="utf-8").splitlines()
    for tag, code in ((ganzoo.__version__, 0), (f"{ganzoo.__version__}9", 1)):
        environment = {**os.environ, "GITHUB_REF_NAME": f"v{tag}"}
        done = subprocess.run(["bash", "-c", step], cwd=ROOT, env=environment, check=False)
        assert done.returncode == code


def command(name: str, language: str) -> str:
    """Return the README's marked command, as the scripts in .ci find it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\s+```{language}\n(.+?)\n```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_windows_has_the_same_test_command_in_its_own_words() -> None:
    here = command("test-command", "sh")

    there = here.replace("python3", "python").replace(".venv/bin/pip", ".venv/bin/python -m pip")
    assert command("test-command-windows", "bat") == there.replace(".venv/bin/", ".venv\\Scripts\\")


def test_workflows_call_what_is_there_and_name_no_registry() -> None:
    runs = json.dumps(read(".github/workflows/tests.yml"))
    assert ".ci/run" in runs
    assert ".ci\\\\run.ps1" in runs
    assert (ROOT / ".ci" / "run.ps1").is_file()

    files = [*ROOT.glob(".github/**/*.yml"), *ROOT.glob(".ci/*"), ROOT / ".pre-commit-config.yaml"]
    files += [ROOT / "CITATION.cff", ROOT / "pyproject.toml"]
    assert len(files) >= 10
    for file in files:
        assert not re.search(r"pypi\.org|pythonhosted|npmjs|index-url", file.read_text("utf-8")), (
            file
        )


FORM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "description", "body"],
    "properties": {
        "name": {"type": "string", "minLength": 4},
        "description": {"type": "string", "minLength": 4},
        "title": {"type": "string"},
        "labels": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "body": {
            "type": "array",
            "contains": {"properties": {"type": {"not": {"const": "markdown"}}}},
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "attributes"],
                "properties": {
                    "type": {"enum": ["markdown", "textarea", "input", "dropdown", "checkboxes"]},
                    "id": {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
                    "attributes": {"type": "object"},
                    "validations": {"properties": {"required": {"type": "boolean"}}},
                },
                "if": {"properties": {"type": {"const": "markdown"}}},
                "then": {"properties": {"attributes": {"required": ["value"]}}},
                "else": {"properties": {"attributes": {"required": ["label"]}}},
            },
        },
    },
}
"""What the issue forms of the host may hold."""


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_issue_forms_are_forms(name: str) -> None:
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")

    assert [error.message for error in Draft7Validator(FORM).iter_errors(form)] == []
    ids = [field["id"] for field in form["body"] if "id" in field]
    assert len(set(ids)) == len(ids)


def test_pre_commit_calls_the_tools_of_contributing() -> None:
    (local,) = read(".pre-commit-config.yaml")["repos"]

    assert local["repo"] == "local"
    asked = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for hook in local["hooks"]:
        assert set(hook) >= {"id", "name", "entry", "language"}
        assert " ".join(hook["entry"].split()[:2]).removesuffix(" --fix") in asked
