"""``ganzoo runs``: find runs, write beside them, follow and stop them, and clear them away."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Group
from ganzoo.cli.options import json_option, out_option, run_names
from ganzoo.cli.summaries import count, resume_command, short_name
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.common.files import megabytes
from ganzoo.runs.choosing import STATUSES

if TYPE_CHECKING:
    from ganzoo.runs.clearing import Target
    from ganzoo.runs.folder import RunDir

POLL_S = 0.5


class ListFirst(Group):
    """A group whose first verb is meant where none is named, with that verb's options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in front of options that are its own."""
        is_named = bool(args) and not args[0].startswith("-")
        if not is_named and args[:1] not in (["-h"], ["--help"]) and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs, then the options of the first."""
        self.format_commands(ctx, formatter)
        command = self.commands["list"]
        rows = [
            row
            for each in command.get_params(ctx)
            if isinstance(each, click.Option) and (row := each.get_help_record(ctx))
        ]
        with formatter.section("Options of the list"):
            formatter.write_dl(rows)


run_argument = click.argument("name", metavar="RUN", shell_complete=run_names)
runs_argument = click.argument(
    "names", metavar="RUN...", nargs=-1, required=True, shell_complete=run_names
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(
    cls=ListFirst,
    examples=[
        "ganzoo runs --status running             what trains now",
        "ganzoo runs --recipe 'dcgan_*' --since 2d",
        "ganzoo runs --best frechet               the best run first",
        "ganzoo runs logs abcd -f                 follow one",
    ],
)
def runs() -> None:
    """List, filter, tag, follow, stop and remove runs.

    RUN is the letters of a run, its folder or 'last'.
    """


@runs.command(
    "list",
    examples=["ganzoo runs list --tag good --json", "ganzoo runs --best frechet --most 5"],
)
@click.option(
    "--recipe", multiple=True, metavar="NAME", help="Of this recipe, or 'dcgan_*'; repeatable."
)
@click.option(
    "--status",
    multiple=True,
    metavar="STATUS",
    type=click.Choice(STATUSES),
    help=f"{', '.join(STATUSES[:-1])} or {STATUSES[-1]}; repeatable.",
)
@click.option("--since", metavar="TIME", help="Changed since: 90m, 12h, 2d, 3w or 2026-11-20.")
@click.option("--tag", multiple=True, metavar="TAG", help="With this tag; repeatable.")
@click.option("--best", "metric", metavar="METRIC", help="Those with this score, the best first.")
@click.option("--most", type=click.IntRange(1), metavar="N", help="At most N.")
@out_option
@json_option
def list_(
    *,
    recipe: tuple[str, ...],
    status: tuple[str, ...],
    since: str | None,
    tag: tuple[str, ...],
    metric: str | None,
    most: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """List runs, the newest first."""
    from ganzoo.cli import run_table
    from ganzoo.runs.choosing import Wish
    from ganzoo.runs.choosing import since as moment

    after = None if since is None else moment(since, datetime.now().astimezone())
    rows = run_table.chosen(out, Wish(recipe, status, after, tag), metric, most)
    if as_json:
        return streams.result(rows)
    if rows:
        return run_table.show_runs(rows, metric)
    is_any = bool(recipe or status or since or tag)
    begin = f"no runs in '{out}'; train one: ganzoo run fast_digits"
    streams.tell(f"no such run in '{out}'" if is_any else begin)
    return None


@runs.command(examples=["ganzoo runs tag abcd good v2", "ganzoo runs tag abcd good --remove"])
@run_argument
@click.argument("tags", metavar="TAG...", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Remove the tags.")
@out_option
@json_option
def tag(*, name: str, tags: tuple[str, ...], remove: bool, out: Path, as_json: bool) -> None:
    """Give RUN one or more tags."""
    from ganzoo.common.errors import suggest
    from ganzoo.runs.folder import find
    from ganzoo.runs.notes import Notes, read_notes, refuse_tags, write_notes

    run = find(name, out)
    refuse_tags(tags)
    before = read_notes(run)
    if remove and (strange := [each for each in tags if each not in before.tags]):
        hint = suggest(strange[0], before.tags)
        raise GanzooError(f"run {run.id} has no tag {', '.join(map(repr, strange))}{hint}")
    kept = set(before.tags) - set(tags) if remove else {*before.tags, *tags}
    write_notes(run, Notes(tuple(sorted(kept)), before.note))
    _show_notes(run, as_json=as_json)


@runs.command(examples=["ganzoo runs note abcd 'sharp, but few kinds'", "ganzoo runs note abcd ''"])
@run_argument
@click.argument("text", metavar="[TEXT]", required=False)
@out_option
@json_option
def note(*, name: str, text: str | None, out: Path, as_json: bool) -> None:
    """Write a note on RUN, or print it.

    An empty TEXT removes it.
    """
    from ganzoo.runs.folder import find
    from ganzoo.runs.notes import Notes, read_notes, write_notes

    run = find(name, out)
    if text is not None:
        write_notes(run, Notes(read_notes(run).tags, text.strip()))
    _show_notes(run, as_json=as_json)


def _show_notes(run: RunDir, *, as_json: bool) -> None:
    from ganzoo.runs.notes import read_notes

    found = read_notes(run)
    if as_json:
        streams.result({"id": run.id, "tags": list(found.tags), "note": found.note})
        return
    streams.say(f"{run.id}  tags: {' '.join(found.tags) or 'none'}")
    if found.note:
        streams.say(found.note)


@runs.command(examples=["ganzoo runs logs last", "ganzoo runs logs abcd -f"])
@run_argument
@click.option(
    "-f", "--follow", is_flag=True, help="Follow until the run ends; Ctrl-C stops following."
)
@click.option(
    "-n", "--lines", default=10, type=click.IntRange(0, 10_000), metavar="N",
    help="Start with the last N.", show_default=True,
)  # fmt: skip
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print an object for each line.")
def logs(*, name: str, follow: bool, lines: int, out: Path, as_json: bool) -> None:
    """Print the last logged steps of RUN; with -f also new ones."""
    from ganzoo.common.files import to_json
    from ganzoo.runs.folder import find
    from ganzoo.runs.following import Tail
    from ganzoo.runs.record import Record, is_held

    run = find(name, out)
    tail = Tail(run)

    def show(entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            streams.result(to_json(entry) if as_json else _log_line(entry), whole=True)
        sys.stdout.flush()

    show(tail.last(lines))
    if not follow:
        return
    with suppress(KeyboardInterrupt):
        is_running = True
        while is_running:
            # Asked first: what is written between the two is then read all the same.
            is_running = is_held(run)
            show(tail.news())
            if is_running:
                time.sleep(POLL_S)
        record = Record(run)
        why = f": {record.reason}" if record.reason else ""
        streams.tell(f"{record.status} at step {record.step:,}{why}")


def _log_line(entry: dict[str, Any]) -> str:
    from ganzoo.common.text import number
    from ganzoo.runs.log import scores, terms

    where = f"step {number(entry.get('step', '?'))}"
    if "epoch" in entry:
        where += f", epoch {number(entry['epoch'])}"
    speed = entry.get("images_per_second")
    told = [where, "" if speed is None else f"{number(speed)} images/s", terms(entry)]
    measured = scores(entry)
    return " · ".join(filter(None, [*told, f"measured: {measured}" if measured else ""]))


@runs.command(examples=["ganzoo runs stop last", "ganzoo runs stop mode_collapse"])
@click.argument("name", metavar="RUN", shell_complete=run_names)
@click.option(
    "--wait", "seconds", default=60.0, type=click.FloatRange(0), metavar="S",
    help="Seconds to wait for it to end.", show_default=True,
)  # fmt: skip
@out_option
@json_option
def stop(*, name: str, seconds: float, out: Path, as_json: bool) -> None:
    """Make RUN, which trains in another terminal, save and stop.

    RUN may also be the name of an ablation. It ends as with Ctrl-C, and can be resumed.
    """
    from ganzoo.runs.asking import ask_to_stop
    from ganzoo.runs.clearing import find_any
    from ganzoo.runs.record import Record, is_held

    run, is_ablation = find_any(name, out)
    what = f"ablation {run.path.name}" if is_ablation else f"run {run.id}"
    if not is_held(run):
        status = "" if is_ablation else f", it is {Record(run).status}"
        raise GanzooError(f"{what} does not train now{status}")
    ask_to_stop(run)
    streams.tell(f"asked {what} to save and stop …")
    deadline = time.monotonic() + seconds
    while is_held(run):
        if time.monotonic() >= deadline:
            raise MachineError(
                f"{what} was asked and still runs after {seconds:g} s: it stops between two steps, "
                "once it is not building, measuring or drawing any more. Look again with: "
                "ganzoo runs"
            )
        time.sleep(min(POLL_S, max(deadline - time.monotonic(), 0.01)))
    record = Record(run)
    if as_json:
        streams.result({"id": run.id, "status": record.status, "step": record.step})
    elif is_ablation:
        streams.say(f"stopped {what}; the same 'ganzoo ablate' resumes it")
    else:
        more = "" if record.status == "done" else f"; resume it: {resume_command(run)}"
        streams.say(f"{record.status} at step {record.step:,}{more}")


@runs.command(examples=["ganzoo runs remove abcd efgh", "ganzoo runs remove mode_collapse --yes"])
@runs_argument
@yes_option
@out_option
@json_option
def remove(*, names: tuple[str, ...], yes: bool, out: Path, as_json: bool) -> None:
    """Remove runs with all of their files, permanently.

    An ablation is removed by its name, with its cells. Nothing outside of the
    folder of runs is touched, and no link is followed.
    """
    from ganzoo.runs.clearing import remove as remove_target
    from ganzoo.runs.clearing import target

    found = _all_of(lambda name: target(name, out), names)
    targets = list({each.path: each for each in found}.values())
    sizes = [each.num_bytes for each in targets]
    told = [f"{_what(each)}, {megabytes(size)}" for each, size in zip(targets, sizes, strict=True)]
    _ask("Remove permanently", told, yes=yes)
    for each, line in zip(targets, told, strict=True):
        remove_target(each)
        if not as_json:
            streams.say(f"removed {line}")
    if as_json:
        rows = [
            {"folder": str(each.path), "bytes": n} for each, n in zip(targets, sizes, strict=True)
        ]
        streams.result(rows)


@runs.command(examples=["ganzoo runs prune abcd", "ganzoo runs prune abcd --keep 0 --yes"])
@runs_argument
@click.option(
    "--keep", default=1, type=click.IntRange(0), metavar="N",
    help="Newest ones to keep; 0 only for runs that are done.", show_default=True,
)  # fmt: skip
@yes_option
@out_option
@json_option
def prune(*, names: tuple[str, ...], keep: int, yes: bool, out: Path, as_json: bool) -> None:
    """Remove checkpoints, except the newest and the best.

    The weights to share, generator.safetensors, stay.
    """
    from ganzoo.runs.clearing import prune as prune_run
    from ganzoo.runs.clearing import refuse_pruning, superfluous
    from ganzoo.runs.folder import find

    def checked(name: str) -> RunDir:
        run = find(name, out)
        refuse_pruning(run, keep)
        return run

    found = _all_of(checked, names)
    chosen = list({run.path: run for run in found}.values())
    plans = [(run, superfluous(run, keep)) for run in chosen]
    told = [
        f"{count(len(paths), 'checkpoint')} of {short_name(run)}: "
        + ", ".join(path.stem for path in paths)
        for run, paths in plans
        if paths
    ]
    if told:
        _ask("Remove", told, yes=yes)
    rows = []
    for run, paths in plans:
        removed, freed = prune_run(run, keep) if paths else (0, 0)
        rows.append({"id": run.id, "removed": removed, "bytes": freed})
        if not as_json:
            gone = f"{count(removed, 'checkpoint')} removed, {megabytes(freed)}" if paths else ""
            streams.say(f"{short_name(run)}: {gone or 'nothing to remove'}")
    if as_json:
        streams.result(rows)


def _all_of(look: Any, names: tuple[str, ...]) -> list[Any]:
    """Return what is found for every name, or tell of all that are wrong."""
    found, problems, code = [], [], GanzooError
    for name in names:
        try:
            found.append(look(name))
        except GanzooError as error:
            problems.append(str(error))
            code = type(error)
    if problems:
        raise code("\n".join(problems))
    return found


def _what(each: Target) -> str:
    if each.is_ablation:
        return f"ablation {each.ablation} with {count(len(each.runs), 'cell')}, '{each.path}'"
    (run,) = each.runs
    cell = f" (a cell of ablation {each.ablation})" if each.ablation else ""
    return f"run {run.id}{cell}, '{each.path}'"


def _ask(what: str, lines: list[str], *, yes: bool) -> None:
    """Return if the user agrees.

    Raises:
        GanzooError: if nobody can be asked.
        click.Abort: if not.
    """
    if yes:
        return
    if not is_terminal():
        listed = "\n".join(f"  {line}" for line in lines)
        raise GanzooError(f"not a terminal, so cannot ask; add --yes to remove\n{listed}")
    for line in lines:
        streams.tell(f"  {line}")
    click.confirm(f"{what}?", abort=True, err=True)


def is_terminal() -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin.isatty()
