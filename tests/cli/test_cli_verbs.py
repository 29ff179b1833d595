"""Verbs of plugins: listed without running a line of them, called like ganzoo's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from calling import Call, parsed, shell
from plugin_shelf import Shelf

from ganzoo import testing
from ganzoo.cli.app import ALIASES, VERBS, ganzoo
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.verbs import BUILT_IN, written

HOOK = """
from ganzoo.api import hookimpl
{above}

@hookimpl
def ganzoo_commands():
    {body}
"""
COMMAND = '''
import click
from ganzoo.api import GanzooError

@click.command()
@click.argument("how")
def wave(how):
    """Wave at HOW."""
    if how == "told":
        raise GanzooError("nobody is there")
    if how == "broken":
        raise ZeroDivisionError("oh")
    if how == "left":
        raise SystemExit(7)
    print("waves", how)
    return 5 if how == "five" else None
'''


def hook(verbs: object, above: str = "") -> str:
    return HOOK.format(above=above, body=f"return {verbs!r}")


WAVE = {"wave": ("waving_command:wave", "Wave at somebody.")}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "site-packages")
    shelf.folder.mkdir()
    monkeypatch.syspath_prepend(str(shelf.folder))
    monkeypatch.setenv("GANZOO_BLOCK", "")
    yield shelf
    shelf.forget()


@pytest.fixture
def waving(shelf: Shelf) -> Shelf:
    """A plugin with a verb, which tells when its modules run."""
    shelf.put("waving.py", "open('ran.txt', 'a').write('plugin ')\n" + hook(WAVE))
    shelf.put("waving_command.py", "open('ran.txt', 'a').write('command ')\n" + COMMAND)
    shelf.register("ganzoo-waving", [("waves", "waving")])
    return shelf


def ran() -> str:
    return Path("ran.txt").read_text() if Path("ran.txt").exists() else ""


@pytest.mark.usefixtures("waving")
def test_help_lists_a_verb_under_its_plugin_and_runs_no_code_of_it(call: Call) -> None:
    told = call("--help")

    assert told.exit_code == 0
    assert "Plugin waves (ganzoo-waving 0.3):\n  wave  Wave at somebody.\n" in told.stdout
    assert told.stdout.index("Plugin waves") > told.stdout.index("doctor  ")
    assert ran() == ""


@pytest.mark.usefixtures("waving")
def test_a_verb_is_called_with_its_words_and_its_exit_code(call: Call) -> None:
    assert (call("wave", "you").stdout, ran()) == ("waves you\n", "command ")
    assert call("wave", "five").exit_code == 5
    assert call("wave", "left").exit_code == 7
    assert call("wave").exit_code == 2


@pytest.mark.usefixtures("waving")
def test_a_verb_takes_the_options_of_all_verbs(call: Call) -> None:
    assert call("wave", "-q", "you").stdout == "waves you\n"
    assert "Wave at HOW." in call("wave", "-h").stdout


@pytest.mark.usefixtures("waving")
def test_what_goes_wrong_in_a_verb_is_told_as_its_plugins(call: Call) -> None:
    told, broken = call("wave", "told"), call("wave", "broken")

    assert (told.exit_code, told.stderr) == (2, "nobody is there\n")
    assert broken.exit_code == 2
    assert "command 'wave' of plugin 'waves' (ganzoo-waving 0.3) failed: ZeroDivisionError: oh" in (
        broken.stderr
    )
    assert "waving_command.py:" in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.usefixtures("waving")
def test_a_misspelt_verb_of_a_plugin_is_suggested_and_completed(call: Call) -> None:
    assert "no command 'wafe'; did you mean 'wave'?" in call("wafe").stderr
    context = ganzoo.make_context("ganzoo", [], resilient_parsing=True)
    assert [item.value for item in ganzoo.shell_complete(context, "wa")] == ["wave"]
    assert ran() == ""


@pytest.mark.usefixtures("waving")
def test_plugins_lists_verbs_and_a_blocked_plugin_has_none(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {row["name"]: row["supplies"] for row in parsed(call("plugins", "--json"))}
    assert rows["waves"] == ["verb wave"]

    monkeypatch.setenv("GANZOO_BLOCK", "ganzoo-waving")
    assert "wave" not in call("--help").stdout
    assert "no command 'wave'" in call("wave", "you").stderr


def test_a_verb_that_cannot_be_loaded_is_named_and_breaks_nothing_else(
    shelf: Shelf, call: Call
) -> None:
    places = {
        "absent": "no_such_module_at_all:x",
        "nameless": "waving_command:nobody",
        "number": "waving_command:NUMBER",
        "exits": "exiting_command:x",
    }
    shelf.put("broken.py", hook({name: (place, "Fails.") for name, place in places.items()}))
    shelf.put("waving_command.py", COMMAND + "NUMBER = 7\n")
    shelf.put("exiting_command.py", "raise SystemExit(0)\n")
    shelf.register("ganzoo-broken", [("broken", "broken")])

    said = {name: call(name) for name in places}

    assert call("--help").exit_code == 0
    assert {done.exit_code for done in said.values()} == {2}
    assert all(f"command '{name}' of plugin 'broken'" in said[name].stderr for name in places)
    assert "No module named 'no_such_module_at_all'" in said["absent"].stderr
    assert "is 7, which is not a click command" in said["number"].stderr
    assert "SystemExit: 0" in said["exits"].stderr


@pytest.mark.parametrize(
    "source",
    [
        "def ganzoo_commands(:\n",
        "# ganzoo_commands\nraise OSError\n",
        HOOK.format(above="", body="return 1 / 0"),
        HOOK.format(above="", body="raise KeyboardInterrupt"),
        hook({"run": ("x:y", "Shadows.")}),
        "ganzoo_commands = " + "(" * 5000 + "\n",
        "ganzoo_commands = '\0'\n",
    ],
    ids=["syntax", "raises", "computed", "interrupt", "shadow", "deep", "null"],
)
def test_a_broken_plugin_with_verbs_never_breaks_help(
    shelf: Shelf, call: Call, source: str
) -> None:
    shelf.put("wrecked.py", source)
    shelf.register("ganzoo-wrecked", [("wrecked", "wrecked"), ("lost", "not_there.at.all:x")])

    told = call("--help")

    assert told.exit_code == 0
    assert "Plugin" not in told.stdout
    assert "Train RECIPE" in told.stdout
    assert [broken.name for broken in load_plugins().broken] == ["lost", "wrecked"]


@pytest.mark.parametrize(
    ("verbs", "said"),
    [
        ({"run": ("x:y", "Shadows.")}, "command 'run' is ganzoo's own"),
        ({"ls": ("x:y", "Shadows.")}, "command 'ls' is ganzoo's own"),
        ({"Wave": ("x:y", "Waves.")}, "command 'Wave' needs lowercase letters"),
        ({"--wave": ("x:y", "Waves.")}, "command '--wave' needs lowercase letters"),
        ({"w" * 101: ("x:y", "Waves.")}, "101 characters; 100 are allowed"),
        ({"wave": "x:y"}, "command 'wave' needs ('module:command', 'What it does.')"),
        ({"wave": ("x.y", "Waves.")}, "command 'wave' is at 'x.y'; write 'module:command'"),
        ({"wave": ("x:y", "")}, "command 'wave' needs a line"),
        ({"wave": ("x:y", "two\nlines")}, "command 'wave' needs a line"),
        ({7: ("x:y", "Waves.")}, "7 is not a command name"),
        (["wave"], "returned ['wave'], not a dict of commands"),
    ],
    ids=repr,
)
def test_a_hook_that_gives_no_verbs_sets_its_plugin_aside(
    shelf: Shelf, verbs: object, said: str
) -> None:
    shelf.put("odd.py", hook(verbs))
    shelf.register("ganzoo-odd", [("odd", "odd")])

    (broken,) = load_plugins(block={"ganzoo-torch"}).broken

    assert said in broken.error


def test_verbs_that_cannot_be_read_are_refused_on_loading(shelf: Shelf) -> None:
    shelf.put("computed.py", HOOK.format(above=f"VERBS = {WAVE!r}", body="return VERBS"))
    shelf.register("ganzoo-computed", [("computed", "computed")])

    (broken,) = load_plugins(block={"ganzoo-torch"}).broken

    assert "return a dict literal" in broken.error


def test_of_two_plugins_with_a_verb_help_and_registry_take_the_same(
    shelf: Shelf, call: Call
) -> None:
    for name in ("beta", "alpha"):
        shelf.put(f"{name}.py", hook({"wave": ("waving_command:wave", f"Of {name}.")}))
        shelf.register(f"ganzoo-{name}", [(name, name)])

    found = load_plugins(block={"ganzoo-torch"})

    assert [plugin.name for plugin in found.plugins] == ["alpha"]
    assert "command 'wave' of ganzoo-beta 0.3 is already added by ganzoo-alpha" in str(
        found.broken[0]
    )
    assert "wave  Of alpha." in call("--help").stdout
    assert "Of beta." not in call("--help").stdout


def test_a_module_in_a_package_is_read_without_importing_the_package(
    shelf: Shelf, call: Call
) -> None:
    shelf.put("outer/__init__.py", "raise OSError('imported')\n")
    shelf.put("outer/inner.py", hook(WAVE))
    shelf.register("ganzoo-outer", [("outer", "outer.inner")])

    assert "Plugin outer (ganzoo-outer 0.3):\n  wave" in call("--help").stdout


def test_the_kit_finds_what_is_wrong_with_a_verb(shelf: Shelf) -> None:
    decorated = "@click.command()\n@click.option('--fast')\n"
    shelf.put("bare_command.py", f"import click\n\n{decorated}def bare(fast):\n    pass\n")
    shelf.put("verbs_bare.py", hook({"bare": ("bare_command:bare", "Does nothing."),
                               "gone": ("bare_command:gone", "Is not there.")}))  # fmt: skip
    shelf.register("ganzoo-bare", [("bare-verbs", "verbs_bare")])

    problems = [str(problem) for problem in testing.check("bare-verbs").problems]

    assert len(problems) == 3
    assert "command 'bare': prints its help: its function has no docstring" in problems[0]
    assert "command 'bare': explains each option: option --fast has no help" in problems[1]
    assert (
        "command 'gone': is a click command: command 'gone' of plugin 'bare-verbs'" in problems[2]
    )


def test_ganzoos_own_names_are_all_kept_from_plugins() -> None:
    assert {*VERBS, *ALIASES} == BUILT_IN


def test_only_what_is_written_out_is_read() -> None:
    assert written(hook(WAVE)) == WAVE
    assert written("def ganzoo_commands():\n    return dict(wave=('x:y', 'z'))\n") == {}
    assert written("x = 1\n") == {}


def test_the_shell_sees_it_too(waving: Shelf) -> None:
    folders = os.pathsep.join([str(waving.folder), *sys.path])

    done = shell("ganzoo wave you", PYTHONPATH=folders)

    assert (done.returncode, done.stdout) == (0, "waves you\n"), done.stderr
