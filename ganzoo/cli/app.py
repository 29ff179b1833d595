"""The verbs of the command line, imported one at a time."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ganzoo._version import __version__
from ganzoo.cli.exit import ending
from ganzoo.common.errors import GanzooError, suggest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ganzoo.plugin.verbs import Verb

VERBS = {
    "run": ("run:run", "Train RECIPE, a file or the name of a shipped recipe."),
    "resume": ("resume:resume", "Resume RUN: its four letters, its folder, or 'last'."),
    "ablate": ("ablate:ablate", "Run the remaining cells of an ablation, then compare."),
    "compare": ("compare:compare", "Compare runs or ablations: recipes, machines, scores."),
    "sample": (
        "sample:sample",
        "Generate images with a run's model, an exported or a shipped one.",
    ),
    "report": ("report:report", "Write the report page of RUN."),
    "export": ("export:export", "Export RUN's generator for other tools or a model hub."),
    "measure": ("measure:measure", "Evaluate a run, or a folder of images, against real images."),
    "bench": ("bench:bench", "Measure the training speed of RECIPE; write nothing."),
    "speedrun": (
        "speedrun:speedrun",
        "Time how long a recipe trains until it is as good as TRACK asks.",
    ),
    "check": ("check:check", "Check recipes; report every mistake with file and line."),
    "runs": ("runs:runs", "List, filter, tag, follow, stop and remove runs."),
    "list": ("list:list_things", "List recipes, ablations, runs, data or components."),
    "show": ("show:show", "Show the component, recipe or run called NAME."),
    "plugins": ("plugins:plugins", "List plugins, also blocked and broken ones, or check one."),
    "new": ("new:new", "Create a recipe or a plugin of your own."),
    "data": ("data:data", "Download, inspect and locate datasets; manage the image cache."),
    "schema": ("check:schema", "Print the JSON schema of recipes, for editors."),
    "doctor": ("doctor:doctor", "Check the installation and this machine; exit 2 on problems."),
    "completion": ("completion:completion", "Print the shell completion script for SHELL."),
}
"""Each verb: the module of ganzoo.cli and the name it is found at, and the line that is its help.

A verb of a plugin is written down in the same way; the list of verbs is printed without imports.
"""
KEPT = (
    "name", "context_settings", "callback", "help", "short_help", "options_metavar",
    "add_help_option", "no_args_is_help", "hidden", "deprecated",
)  # fmt: skip
"""What a plugin's command keeps in ganzoo's layout, besides its options."""
ALIASES = {"ls": "list", "validate": "check", "env": "doctor"}
FOOTER = "All commands: -q quiet, -v verbose, --debug tracebacks, -h help; ganzoo --version"
HEADINGS = {
    "Train": ("run", "resume", "ablate", "speedrun"),
    "Results": ("runs", "compare", "report", "board", "measure"),
    "Models": ("sample", "translate", "play", "export", "invert"),
    "Recipes and plugins": ("list", "show", "check", "new", "plugins", "schema"),
    "Machine": ("data", "doctor", "bench", "completion"),
}
"""The verbs that come with ganzoo, under the headings of its help page."""
MORE = "More"
"""The heading of those that none names."""
MANY = 12
"""More options than these stand in sections on a help page."""
SECTIONS = {
    "Machine": (
        "device",
        "precision",
        "deterministic",
        "threads",
        "workers",
        "processes",
        "data",
        "data_path",
        "offline",
    ),
    "Plugins and trackers": ("plugin", "block", "track"),
}
"""Options by their names, in sections that come after the verb's own."""


@dataclass
class Settings:
    """What holds for the whole command line, wherever on it the option stands."""

    verbosity: int = 0
    """Below 0: only warnings, errors and results; above: more detail."""
    debug: bool = False
    words: tuple[str, ...] = ()
    """The command line itself."""


class Command(click.Command):
    """A verb whose help ends with examples, and which knows the options of all verbs."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **rest: Any) -> None:
        rest.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **rest)
        self.examples = tuple(examples)
        self.params.extend(shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words behind the verb; what other tools call otherwise is told what it is."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            from ganzoo.cli.hints import hinted

            raise hinted(self, error, words) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options; many of them in sections, the verb's own first."""
        rows = {
            each.name: row
            for each in self.get_params(ctx)
            if isinstance(each, click.Option) and (row := each.get_help_record(ctx))
        }
        sections = {
            title: [rows.pop(name) for name in names if name in rows]
            for title, names in (SECTIONS.items() if len(rows) > MANY else ())
        }
        for title, lines in {"Options": [*rows.values()], **sections}.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples, exactly as they are typed."""
        write_examples(self.examples, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the help option, which the last line of every page names."""
        return hidden_help(super().get_help_option(ctx))


class Group(click.Group):
    """Verbs about one thing, like ``data get`` and ``data path``."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **rest: Any) -> None:
        rest.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **rest)
        self.examples = tuple(examples)
        self.params.extend(shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Answer a group without a verb with its help, which is no mistake."""
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs first, then the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples, exactly as they are typed."""
        write_examples(self.examples, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the help option, which the last line of every page names."""
        return hidden_help(super().get_help_option(ctx))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one may have been meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            if name.startswith("-"):
                self.parse_args(ctx, args)
            ctx.fail(f"no command {name!r}{self.meant(ctx, name)}")
        return super().resolve_command(ctx, args)

    def known(self, ctx: click.Context) -> list[str]:
        """Return every name that could have been meant."""
        return self.list_commands(ctx)

    def meant(self, ctx: click.Context, name: str) -> str:
        """Return ``; did you mean 'x'?`` for a name that is none, or an empty string."""
        from ganzoo.cli.hints import verb_within

        found = verb_within(name, self.known(ctx), VERBS)
        return f"; did you mean {found!r}?" if found else suggest(name, self.known(ctx))


class Verbs(Group):
    """The whole command line: ganzoo's own verbs, and those of plugins below them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return ganzoo's own verbs in the order they are needed."""
        return list(VERBS)

    def known(self, ctx: click.Context) -> list[str]:
        """Return all verbs."""
        return [*self.list_commands(ctx), *added()]

    def meant(self, ctx: click.Context, name: str) -> str:
        """Return the nearest verb, or what another tool's is called here."""
        from ganzoo.cli.hints import verb_meant

        found = verb_meant(name)
        return f"; did you mean {found!r}?" if found else super().meant(ctx, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb's module."""
        found_at = VERBS.get(ALIASES.get(cmd_name, cmd_name))
        if found_at is None:
            verb = added().get(cmd_name)
            return None if verb is None else command_of(verb)
        module, _, name = found_at[0].partition(":")
        found = getattr(import_module(f"ganzoo.cli.commands.{module}"), name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write ganzoo's own verbs, then those of each plugin; none of them is imported.

        Those of plugins that come with ganzoo stand among its own.
        """
        from ganzoo.plugin.discovery import OWN

        verbs_added = added()
        shipped = {n: verb for n, verb in verbs_added.items() if verb.origin.split()[0] == OWN}
        left = {name: about for name, (_, about) in VERBS.items()}
        left |= {name: verb.about for name, verb in shipped.items()}
        for heading, names in HEADINGS.items():
            if own := [(name, left.pop(name)) for name in names if name in left]:
                with formatter.section(heading):
                    formatter.write_dl(own)
        if left:
            with formatter.section(MORE):
                formatter.write_dl([*left.items()])
        others = [verb for name, verb in verbs_added.items() if name not in shipped]
        for (plugin, origin), verbs in groupby(others, lambda verb: (verb.plugin, verb.origin)):
            with formatter.section(f"Plugin {plugin} ({origin})"):
                formatter.write_dl([(verb.name, verb.about) for verb in verbs])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete verbs, ganzoo's own and those of plugins, without importing them."""
        from click.shell_completion import CompletionItem

        own = {
            name: click.Command(name, help=about).get_short_help_str()
            for name, (_, about) in VERBS.items()
        }
        others = {verb.name: verb.about for verb in added().values()}
        options = click.Command.shell_complete(self, ctx, incomplete)

        def begun(verbs: Mapping[str, str]) -> list[CompletionItem]:
            return [
                CompletionItem(name, help=about)
                for name, about in verbs.items()
                if name.startswith(incomplete)
            ]

        return begun(own) + options + begun(others)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the verb; what goes wrong in a plugin's is told as the plugin's."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, GanzooError, OSError):
            raise
        except (Exception, SystemExit) as error:
            verb = added().get(ctx.invoked_subcommand or "")
            if verb is None:
                raise
            if isinstance(error, SystemExit) and isinstance(error.code, int | None):
                raise click.exceptions.Exit(error.code or 0) from error
            raise failure_of(verb, error) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,  # noqa: ARG002
        standalone_mode: bool = True,  # noqa: ARG002
        **extra: Any,
    ) -> Any:
        """Run the command line and exit, always by way of ``exit.ending``."""
        words = list(sys.argv[1:] if args is None else args)
        name = prog_name or "ganzoo"
        complete(self, name)
        settings = Settings(debug="--debug" in words, words=tuple(words))

        def body() -> int | None:
            with self.make_context(name, words, obj=settings, **extra) as context:
                outcome = self.invoke(context)
            return outcome if isinstance(outcome, int) else None

        sys.exit(ending(body, lambda: settings.debug))


def added() -> Mapping[str, Verb]:
    """Return the verbs of installed plugins, as their sources say; none of them is imported."""
    from ganzoo.plugin.verbs import installed

    return installed(os.environ.get("GANZOO_BLOCK", ""), tuple(sys.path))


def command_of(verb: Verb) -> click.Command:
    """Import a plugin's verb, and give it the options of all verbs."""
    from ganzoo.cli import output as streams
    from ganzoo.common.errors import PluginError
    from ganzoo.plugin.isolation import stdout_on_stderr
    from ganzoo.plugin.verbs import command, whose

    with stdout_on_stderr():
        found = command(verb, streams.warn)
    if not isinstance(found, click.Command):
        raise PluginError(f"{whose(verb)} is {found!r:.80}, which is not a click command")
    return in_layout(found)


def in_layout(command: click.Command) -> click.Command:
    """Return a click command with the help page and the options of ganzoo's own.

    The lines of its epilog are its examples. A command of a class of its own keeps its page.
    """
    if isinstance(command, Command | Group):
        return command
    made = command
    examples = [line for line in inspect.cleandoc(command.epilog or "").splitlines() if line]
    if type(command) in {click.Command, click.Group}:
        said = {name: getattr(command, name) for name in KEPT}
        if isinstance(command, click.Group):
            verbs = {name: in_layout(each) for name, each in command.commands.items()}
            alone = command.invoke_without_command
            made = Group(commands=verbs, examples=examples, invoke_without_command=alone, **said)
        else:
            made = Command(examples=examples, **said)
    made.context_settings.setdefault("help_option_names", ["-h", "--help"])
    taken = {flag for option in command.params for flag in option.opts}
    made.params = command.params + [
        each for each in shared_options() if taken.isdisjoint(each.opts)
    ]
    completed(made)
    return made


def completed(command: click.Command) -> None:
    """Let arguments called RUN or RECIPE complete; a completion of the plugin's own comes first."""
    from ganzoo.cli.options import RECIPE, RUN

    known = {"run": RUN, "recipe": RECIPE}
    for each in command.params:
        if isinstance(each, click.Argument) and each.type is click.STRING and each.name in known:
            each.type = known[each.name]


def failure_of(verb: Verb, error: BaseException) -> GanzooError:
    """Return what to tell of a plugin's verb that failed."""
    from ganzoo.common.errors import PluginError, say
    from ganzoo.plugin.attempt import last_place
    from ganzoo.plugin.verbs import whose

    return PluginError(
        f"{whose(verb)} failed: {say(error)}{last_place(error)}; report it to its author"
    )


def complete(verbs: click.Group, name: str) -> None:
    """Answer the shell, if it is the shell that asks for completions."""
    request = os.environ.get("_GANZOO_COMPLETE")
    if request:
        from click.shell_completion import shell_complete

        raise SystemExit(shell_complete(verbs, {}, name, "_GANZOO_COMPLETE", request))


def shared_options() -> list[click.Option]:
    """Return new copies of the options that every verb takes; the help's last line has them."""

    def add(by: int) -> Any:
        def remember(ctx: click.Context, parameter: click.Parameter, count: int) -> None:  # noqa: ARG001
            ctx.ensure_object(Settings).verbosity += by * count

        return remember

    def debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001
        ctx.ensure_object(Settings).debug |= value

    common: dict[str, Any] = {"expose_value": False, "hidden": True}
    return [
        click.Option(["-q", "--quiet"], count=True, callback=add(-1), **common),
        click.Option(["-v", "--verbose"], count=True, callback=add(1), **common),
        click.Option(["--debug"], is_flag=True, callback=debug, **common),
    ]


def hidden_help(option: click.Option | None) -> click.Option | None:
    """Keep ``-h`` out of the list of options; the last line names it."""
    if option is not None:
        option.hidden = True
    return option


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write the examples line by line, and the options that every verb takes."""
    formatter.write("\n")
    if examples:
        formatter.write("Examples:\n")
        formatter.write("".join(f"  {example}\n" for example in examples))
    formatter.write(f"{FOOTER}\n")


@click.group(
    name="ganzoo",
    cls=Verbs,
    examples=[
        "ganzoo run fast_digits     train on digits; nothing to download",
    ],
)
@click.version_option(__version__, prog_name="ganzoo", message="%(prog)s %(version)s", hidden=True)
def ganzoo() -> None:
    """Train, reproduce and compare GANs from recipes. Every part is a plugin."""
