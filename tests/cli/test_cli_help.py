"""Help pages: nothing hidden, with examples, and without knowing torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from calling import Call

from ganzoo import __version__
from ganzoo.cli.app import ALIASES, FOOTER, HEADINGS, MORE, VERBS, added, ganzoo, in_layout

PAGES = [
    (),
    *((verb,) for verb in VERBS),
    *((verb,) for verb in added()),
    ("data", "get"),
    ("measure", "of"),
    ("measure", "prepare"),
    ("measure", "adopt"),
    ("data", "look"),
    ("data", "path"),
    ("data", "cache"),
    ("data", "cache", "list"),
    ("data", "cache", "clear"),
    ("plugins", "check"),
    ("new", "plugin"),
    ("new", "recipe"),
    *(("runs", verb) for verb in ("list", "tag", "note", "logs", "stop", "remove", "prune")),
]


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_help_page_is_no_wider_than_a_terminal_and_ends_with_examples(
    call: Call, words: tuple[str, ...]
) -> None:
    result = call(*words, "-h")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert max(map(len, lines)) <= 90
    assert "Examples:" in lines
    assert lines[-1].startswith("All commands: -q")


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_example_is_a_line_that_the_command_line_understands(words: tuple[str, ...]) -> None:
    command: click.Command = ganzoo
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found

    for example in command.examples:  # type: ignore[attr-defined]
        said = re.sub(r"\s{3,}.*| > .*|^\w+:\s+|[$]\(.*", "", example).replace('eval "', "")
        parts = [part for part in said.split() if part != "cd"]
        if not parts:
            continue
        assert parts[0] == "ganzoo"
        assert parts[1] in [*VERBS, *added()]
        options = {part for part in parts if part.startswith("--")}
        known = {option for each in all_commands() for option in each.opts}
        assert options <= known


def test_nothing_is_hidden_and_many_options_stand_in_sections(call: Call) -> None:
    root = call("-h").stdout
    page = call("run", "-h").stdout

    assert all(f"\n  {verb} " in root for verb in VERBS)
    titles = [f"\n{each}:\n" for each in HEADINGS]
    assert [root.index(each) for each in titles] == sorted(root.index(each) for each in titles)
    assert f"\n{MORE}:" not in root
    shared = {"quiet", "verbose", "debug", "help"}  # which the last line of every page names
    assert {each.name for each in all_commands() if getattr(each, "hidden", False)} <= shared
    titles = ["\nOptions:", "--set", "\nMachine:", "--precision", "\nPlugins and trackers:"]
    assert [page.index(each) for each in titles] == sorted(page.index(each) for each in titles)


def test_a_plugins_command_has_the_same_layout_and_its_epilog_as_examples() -> None:
    @click.group(epilog="ganzoo paint walls")
    def paint() -> None:
        """Paint."""

    @paint.command()
    @click.option("-v", "--varnish", is_flag=True, help="Varnish it, too.")
    def walls(varnish: bool) -> None:
        """Paint the walls."""

    made = in_layout(paint)

    assert isinstance(made, click.Group)
    page = made.get_help(click.Context(made, info_name="ganzoo paint"))
    inner = made.commands["walls"].get_help(click.Context(made.commands["walls"]))
    assert page.index("walls  Paint the walls.") < page.index("Examples:\n  ganzoo paint walls\n")
    assert page.endswith(FOOTER)
    assert "-v, --varnish  Varnish it, too." in inner
    assert [each.name for each in made.commands["walls"].params] == ["varnish", "quiet", "debug"]


def all_commands() -> list[click.Parameter]:
    """Return the parameters of all verbs and of the verbs in them."""
    context = click.Context(ganzoo)
    verbs = [found for verb in [*VERBS, *added()] if (found := ganzoo.get_command(context, verb))]
    inner = [
        each for verb in verbs if isinstance(verb, click.Group) for each in verb.commands.values()
    ]
    return [parameter for command in [*verbs, *inner] for parameter in command.params]


@pytest.mark.parametrize(("alias", "verb"), ALIASES.items())
def test_names_from_other_tools_work(call: Call, alias: str, verb: str) -> None:
    page = call(alias, "-h").stdout

    assert page.splitlines()[2:] == call(verb, "-h").stdout.splitlines()[2:]


@pytest.mark.parametrize("words", [(), ("data",)], ids=" ".join)
def test_a_group_without_a_verb_prints_its_help(call: Call, words: tuple[str, ...]) -> None:
    result = call(*words)

    assert result.exit_code == 0
    assert result.stdout == call(*words, "-h").stdout


def test_a_misspelt_verb_brings_a_suggestion_and_exit_code_2(call: Call) -> None:
    result = call("rnu")

    assert result.exit_code == 2
    assert "no command 'rnu'; did you mean 'run'?" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_shells_script(call: Call, shell: str) -> None:
    result = call("completion", shell)

    assert result.exit_code == 0
    assert "_GANZOO_COMPLETE" in result.stdout


def test_a_shell_that_asks_gets_recipes(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GANZOO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "ganzoo run dcgan_d")
    monkeypatch.setenv("COMP_CWORD", "2")

    result = call()

    assert result.stdout == "plain,dcgan_digits\n"


def asked_by_a_shell(call: Call, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    monkeypatch.setenv("_GANZOO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"ganzoo {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    return call().stdout.splitlines()


OF_RUNS = [
    "resume", "report", "compare", "sample", "measure", "export", "runs logs",
    "runs tag", "runs note", "runs stop", "runs remove", "runs prune", "play", "invert",
    "translate",
]  # fmt: skip


@pytest.fixture
def abcd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one run here, of these letters."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "mine" / "20261122-0530-abcd"
    run.mkdir(parents=True)
    (run / "recipe.toml").write_text('[loss]\nuse = "bce"\n')


@pytest.mark.usefixtures("abcd")
@pytest.mark.parametrize("verb", OF_RUNS)
def test_each_verb_of_runs_completes_them(
    verb: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_by_a_shell(call, monkeypatch, f"{verb} ab") == ["plain,abcd"]
    assert asked_by_a_shell(call, monkeypatch, f"{verb} zz") == ["dir,zz"]


@pytest.mark.usefixtures("abcd")
def test_the_last_run_and_trained_models_complete(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_by_a_shell(call, monkeypatch, "sample la") == ["plain,last"]
    assert "plain,zoo:fast_ring" in asked_by_a_shell(call, monkeypatch, "sample zoo:")


@pytest.mark.usefixtures("abcd")
def test_keys_of_the_named_recipe_complete(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked_by_a_shell(call, monkeypatch, "run toy_ring --set train.b")
    assert found == ["plain,train.batch_size="]
    from_runs = asked_by_a_shell(call, monkeypatch, "run toy_ring --set init.from=a")
    assert from_runs == ["plain,init.from=abcd"]
    assert asked_by_a_shell(call, monkeypatch, "run nope --set train.b") == [""]


@pytest.mark.parametrize(
    "words", ["invert abcd x", "translate abcd x", "invert abcd x.png --file y", "run x"]
)
def test_pictures_and_files_complete_as_files(
    words: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_by_a_shell(call, monkeypatch, words) == [f"file,{words.split(' ')[-1]}"]


def test_version_is_one_line(call: Call) -> None:
    from ganzoo._version import __version__

    assert call("--version").stdout == f"ganzoo {__version__}\n"


def test_python_m_ganzoo_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganzoo", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, f"ganzoo {__version__}\n")


def test_the_list_of_verbs_needs_neither_pydantic_nor_any_plugin() -> None:
    program = (
        "import sys\nfrom ganzoo.cli.app import ganzoo\n"
        "try:\n    ganzoo.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in {'pydantic', "
        "'torch', 'numpy'} or name.startswith('ganzoo_')))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
