"""No pickle, no eval, no code from data: by the source, and by a run with all of them broken."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from children import run_child, train, write_recipe

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*ROOT.glob("ganzoo/**/*.py"), *ROOT.glob("plugins/**/*.py")])
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("torch", "hub"),
    ("np", "load"),
    ("numpy", "load"),
    ("os", "system"),
    ("os", "popen"),
}


def offences(source: str) -> list[str]:
    """Return what the source of a module does that could execute data."""
    found = []
    tree = ast.parse(source)
    # numpy's own files are read, and never an object in them: each call has to say so.
    safe = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and any(
            each.arg == "allow_pickle"
            and isinstance(each.value, ast.Constant)
            and each.value.value is False
            for each in node.keywords
        )
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() if id(node) in safe:
                pass
            case ast.Import(names=names):
                found += [a.name for a in names if a.name.split(".")[0] in FORBIDDEN_MODULES]
            case ast.ImportFrom(module=str(name)) if name.split(".")[0] in FORBIDDEN_MODULES:
                found.append(name)
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                found.append(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                found += [f"{owner}.{name}"] * ((owner, name) in FORBIDDEN_ATTRIBUTES)
        if isinstance(node, ast.Call):
            words = {keyword.arg: keyword.value for keyword in node.keywords}
            for name in ("shell", "allow_pickle", "trust_remote_code"):
                if isinstance(value := words.get(name), ast.Constant) and value.value is True:
                    found.append(f"{name}=True")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_can_execute_what_it_reads(path: Path) -> None:
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import load",
        "eval('1')",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=pickles)",
        "subprocess.run(x, shell=True)",
        "np.fromfile(f, allow_pickle=True)",
    ],
)
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert len(offences(source)) >= 1


def train_without_unpicklers(recipe: Path, run: Path, stop_at: int) -> None:
    """Train where every unpickler raises."""
    import pickle

    import numpy as np
    import torch

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was about to be unpickled")

    for module, name in (
        (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load"),
        (np, "load"),
    ):  # fmt: skip
        setattr(module, name, refuse)
    train(recipe, run, (), stop_at)


def test_a_run_and_its_resume_need_no_unpickler(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)

    assert run_child(train_without_unpicklers, recipe, tmp_path / "run", 6) == 143
    assert run_child(train_without_unpicklers, recipe, tmp_path / "run", 0) == 0
