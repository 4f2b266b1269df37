"""What do the stages make of some events, in memory?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.event_input import read_data, read_event_lines
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line

if TYPE_CHECKING:
    from farandole.operations.events.try_events import TriedEvent, TryRequest


@click.command("try")
@click.argument(
    "event_type",
    metavar="[EVENT]",
    required=False,
    shell_complete=shell_completion.complete_event_types,
)
@click.option("--data", metavar="JSON|@FILE|-", help="The data of one event.")
@click.option(
    "--file",
    "file",
    metavar="FILE|-",
    help="Events, one a line: the data of EVENT; without EVENT as `tail --save` writes them. - for "
    "standard input.",
)
@click.option("--run", "run", metavar="RUN", help="The event that opened this run, from Kafka.")
@click.option("--schedule", metavar="NAME", help="The event that this schedule triggers.")
@click.option(
    "--planned",
    metavar="TIME",
    help="For which planned time, with --schedule: 2026-11-30T02:30; by default for the next one.",
)
@click.option(
    "--stage",
    metavar="STAGE",
    shell_complete=shell_completion.complete_stages,
    help="Only this stage.",
)
@click.option(
    "--flag",
    "flags",
    metavar="NAME=VALUE",
    multiple=True,
    help="The value of a flag, instead of its default in the file; may be given several times.",
)
@click.option("--with-effects", is_flag=True, help="Also call stages that write to the outside.")
@click.option("--all", "whole", is_flag=True, help="Print all events, also where there are many.")
@click.option("--watch", is_flag=True, help="Try again at each save in the pipeline's folder.")
@json_option
@click.pass_obj
def try_(
    context: CliContext,
    event_type: str | None,
    data: str | None,
    file: str | None,
    run: str | None,
    schedule: str | None,
    planned: str | None,
    stage: str | None,
    flags: tuple[str, ...],
    with_effects: bool,
    whole: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Show what each stage makes of some events, in memory.

    The stages work as they do on Kafka, and their retries take no time. Nothing is written, and no
    Kafka is needed; stages that write to the outside are not called. At most 20 events are printed
    below one step, unless --all is given. The time at a step is a mean. Checks of data are judged
    at the end. Exit code 1: an event died, or a check has failed.
    """
    if sum(option is not None for option in (data, file, run, schedule)) != 1:
        raise click.UsageError(
            "say which events: --data JSON, --file FILE, --run RUN, or --schedule NAME"
        )
    names_event = run is not None or schedule is not None
    if (data is not None and event_type is None) or (names_event and event_type is not None):
        raise click.UsageError("name the EVENT for --data, and none for --run or --schedule")
    if planned is not None and schedule is None:
        raise click.UsageError("--planned needs --schedule NAME")
    if watch:
        words = [event_type] if event_type is not None else []
        options = {
            "--data": data,
            "--file": file,
            "--run": run,
            "--schedule": schedule,
            "--planned": planned,
            "--stage": stage,
        }
        for option, value in options.items():
            words += [option, value] if value is not None else []
        for each in flags:
            words += ["--flag", each]
        words += ["--with-effects"] * with_effects + ["--all"] * whole
        words += ["--json"] * as_json
        _try_at_each_save(context, words)
        return
    from farandole.operations.events.try_events import TriedFiring, TryRequest

    events: Sequence[TriedEvent | TriedFiring]
    if schedule is not None:
        events = [TriedFiring(schedule, planned)]
    else:
        events = _events(context, event_type, data, file, run)
    request = TryRequest(events, stage, with_effects, _flag_values(flags))
    _try(context, request, whole, as_json)


def _flag_values(flags: Sequence[str]) -> dict[str, str]:
    """Return the values by name. Raises UsageError."""
    values = {}
    for each in flags:
        name, sign, value = each.partition("=")
        if not sign:
            raise click.UsageError(f"--flag {each}: write NAME=VALUE, such as --flag vip=true")
        values[name] = value
    return values


def _events(
    context: CliContext, event_type: str | None, data: str | None, file: str | None, run: str | None
) -> Sequence[TriedEvent]:
    """Return the events that the options name. Raises UsageError and OperationError."""
    from farandole.operations.events.try_events import TriedEvent

    if run is not None:
        from farandole.operations.runs.tried_root import tried_root

        return [context.run(lambda installation: tried_root(installation, run))]
    if data is not None and event_type is not None:
        return [TriedEvent(event_type, read_data(data))]
    lines = read_event_lines(file or "-", data_of=event_type)
    return [TriedEvent(line.type, line.data, line.key) for line in lines]


def _try(context: CliContext, request: TryRequest, whole: bool, as_json: bool) -> None:
    from farandole.cli.rendering.try_view import try_lines
    from farandole.operations.events.try_events import try_events

    context.configure_logs("error")  # the tree says all the rest
    with redirect_stdout(sys.stderr):  # what functions print is no part of the result
        result = try_events(context.topology(), request)
    if as_json:
        print_json(result.to_data())
    else:
        for line in try_lines(result, whole=whole):
            print_line(line)
    if result.has_died or result.has_failed_checks:
        raise click.exceptions.Exit(1)


def _try_at_each_save(context: CliContext, words: Sequence[str]) -> None:
    """Try the events now and whenever a file in the folder has changed, each time in a process of
    its own: this one would not import changed functions again."""
    from watchfiles import watch

    given = sys.stdin.buffer.read() if "-" in words else b""
    argv = context.invocation.argv("try", *words)
    subprocess.run(argv, input=given, check=False)  # noqa: S603 -- our own command
    for _ in watch(context.folder.resolve(), raise_interrupt=False):
        print_line(f"{'─' * 20} saved")
        subprocess.run(argv, input=given, check=False)  # noqa: S603
