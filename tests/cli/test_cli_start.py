"""A start imports what its command needs: looked at in sys.modules, not by a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from calling import Call

from benchmarks.startup import COMMANDS, leaves
from ganzoo.cli.app import VERBS, ganzoo
from ganzoo.plugin.registry import load_plugins

HEAVY = {"torch", "torchvision", "scipy", "sklearn", "numpy", "matplotlib", "onnx"}
LIGHT = {"pydantic", "importlib.metadata", "concurrent.futures"}
"""What most commands do without."""
PROGRAM = """
import contextlib, io, json, sys
from ganzoo.cli import main
sys.argv = ["ganzoo", *{words!r}]
with contextlib.redirect_stdout(io.StringIO()):
    try: main()
    except SystemExit as end: code = end.code or 0
print(json.dumps([code, [*sys.modules]]))
"""


@pytest.fixture(autouse=True, scope="module")
def index() -> None:
    """Have an index, as every start but the first after an installation has."""
    load_plugins(block={"*"})


def modules_of(words: str, wanted: int) -> set[str]:
    """Return what a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(words=words.split())],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    code, modules = json.loads(done.stdout)
    assert code == wanted, done.stderr
    return set(modules)


def of_plugins(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("ganzoo_")}


@pytest.mark.parametrize(
    ("words", "code"),
    [("--version", 0), ("--help", 0), ("run nope", 2), ("list", 0), ("list losses", 0),
     ("list models", 0), ("show nope", 2)],
)  # fmt: skip
def test_what_lists_and_what_finds_no_name_imports_no_plugin_and_no_pydantic(
    words: str, code: int
) -> None:
    modules = modules_of(words, code)

    assert modules & (HEAVY | LIGHT) == set()
    assert of_plugins(modules) == set()


def test_a_dataset_that_is_none_is_told_from_the_index() -> None:
    modules = modules_of("data get nope", 2)

    assert modules & HEAVY == set()
    assert of_plugins(modules) == set()


def test_a_recipe_is_checked_by_the_modules_of_its_own_components() -> None:
    modules = modules_of("check dcgan_digits", 0)

    assert modules & HEAVY == set()
    assert {name.partition(".")[0] for name in of_plugins(modules)} == {
        "ganzoo_dcgan",
        "ganzoo_datasets",
        "ganzoo_losses",
        "ganzoo_metrics",
        "ganzoo_optimizers",
        "ganzoo_steps",
    }
    assert {"ganzoo_losses.bce", "ganzoo_datasets.digits"} <= modules
    assert {"ganzoo_losses.hinge", "ganzoo_datasets.mnist"} & modules == set()


def test_the_list_of_verbs_says_what_their_help_pages_say() -> None:
    context = click.Context(ganzoo)

    for name, (_, about) in VERBS.items():
        command = ganzoo.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(100) == about
        assert not command.hidden


def test_a_shell_completes_verbs_with_what_they_do(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_GANZOO_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", "ganzoo sch")
    monkeypatch.setenv("COMP_CWORD", "sch")

    assert call().stdout == "plain,schema\tPrint the JSON schema of recipes, for...\n"


def test_python_looks_for_cycles_as_ever_once_a_command_has_begun() -> None:
    program = (
        "import gc; from ganzoo.cli import OBJECTS, collect_later\n"
        "usual, others = gc.get_threshold(), len(gc.callbacks)\n"
        "collect_later(); assert gc.get_threshold()[0] == OBJECTS\n"
        "kept = [[] for _ in range(OBJECTS + 1000)]\n"
        "assert gc.get_threshold() == usual and len(gc.callbacks) == others\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stderr == ""


@pytest.mark.parametrize("heavy", ["", "sys.modules['torch'] = sys"], ids=["light", "torch"])
def test_on_the_way_out_of_a_light_command_only_the_search_for_cycles_is_left_out(
    heavy: str,
) -> None:
    program = (
        "import atexit, gc, sys\nfrom ganzoo.cli import main\n"
        "sys.argv = ['ganzoo', 'run', 'nope']\n"
        f"{heavy}\n"
        "atexit.register(lambda: print('frozen' if gc.get_freeze_count() else 'as ever'))\n"
        "file = open('left.txt', 'w'); file.write('whole')\n"
        "main()\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "as ever\n" if heavy else "frozen\n")
    assert Path("left.txt").read_text() == "whole"


def test_the_start_of_every_command_is_measured() -> None:
    def calls(command: str) -> bool:
        return any(f"{each} ".startswith(f"{command} ") for each in COMMANDS)

    assert [command for command in leaves() if command and not calls(command)] == []
