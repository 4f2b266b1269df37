"""What do the stages make of some events, in memory?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line

if TYPE_CHECKING:
    from farandole.operations.events.try_events import TriedEvent


@click.command("try")
@click.argument(
    "event_type",
    metavar="[EVENT]",
    required=False,
    shell_complete=shell_completion.complete_event_types,
)
@click.option("--data", metavar="JSON", help="The data of one event.")
@click.option(
    "--file",
    "file",
    metavar="FILE|-",
    help="Events, one a line: the data of EVENT; without EVENT what `tail --json` prints. - for "
    "standard input.",
)
@click.option("--run", "run", metavar="RUN", help="The event that opened this run, from Kafka.")
@click.option(
    "--stage",
    metavar="STAGE",
    shell_complete=shell_completion.complete_stages,
    help="Only this stage.",
)
@click.option("--with-effects", is_flag=True, help="Also call stages that write to the outside.")
@click.option("--watch", is_flag=True, help="Try again at each save in the pipeline's folder.")
@json_option
@click.pass_obj
def try_(
    context: CliContext,
    event_type: str | None,
    data: str | None,
    file: str | None,
    run: str | None,
    stage: str | None,
    with_effects: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Run events through the pipeline in memory, and print what each stage makes of them.

    The stages work as they do on Kafka, and their retries take no time. Nothing is written, and no
    Kafka is needed; stages that write to the outside are not called. Exit code 1: an event died.
    """
    if sum(option is not None for option in (data, file, run)) != 1:
        raise click.UsageError("say which events: --data JSON, --file FILE, or --run RUN")
    if (data is not None and event_type is None) or (run is not None and event_type is not None):
        raise click.UsageError("name the EVENT for --data, and none for --run")
    if watch:
        words = [event_type] if event_type is not None else []
        options = {"--data": data, "--file": file, "--run": run, "--stage": stage}
        for option, value in options.items():
            words += [option, value] if value is not None else []
        words += ["--with-effects"] * with_effects + ["--json"] * as_json
        _try_at_each_save(context, words)
        return
    events = _events(context, event_type, data, file, run)
    _try(context, events, stage, with_effects, as_json)


def _events(
    context: CliContext, event_type: str | None, data: str | None, file: str | None, run: str | None
) -> Sequence[TriedEvent]:
    """Return the events that the options name. Raises UsageError and OperationError."""
    from farandole.operations.events.try_events import TriedEvent

    if run is not None:
        from farandole.operations.runs.tried_root import tried_root

        return [context.run(lambda installation: tried_root(installation, run))]
    if data is not None and event_type is not None:
        return [TriedEvent(event_type, _require_json(data, "--data"))]
    lines = _read_lines(file or "-")
    named = enumerate(lines, 1)
    return [_event_in(line, event_type, f"{file}:{number}") for number, line in named if line]


def _event_in(line: str, event_type: str | None, place: str) -> TriedEvent:
    from farandole.events.json_text import member_text, parse_json
    from farandole.operations.events.try_events import TriedEvent

    raw = _require_json(line, place)
    if event_type is not None:
        return TriedEvent(event_type, raw)
    found = parse_json(raw)
    if not isinstance(found, dict) or not isinstance(found.get("type"), str) or "data" not in found:
        raise click.UsageError(
            f"{place}: no event with `type` and `data`, as `tail --json` prints them; name the "
            "EVENT if each line is the data of one"
        )
    key = found.get("key")
    text = member_text(line, "data") or "null"  # digit for digit
    return TriedEvent(found["type"], text.encode(), key if isinstance(key, str) else None)


def _read_lines(file: str) -> Sequence[str]:
    if file == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(file).read_text("utf-8").splitlines()
    except OSError as error:
        raise click.UsageError(f"--file {file}: {error.strerror}") from None


def _require_json(text: str, place: str) -> bytes:
    from farandole.events.json_text import parse_json

    raw = text.encode("utf-8", "surrogateescape")
    try:
        parse_json(raw)
    except ValueError as error:
        raise click.UsageError(f"{place} is not JSON: {error}") from None
    return raw


def _try(
    context: CliContext,
    events: Sequence[TriedEvent],
    stage: str | None,
    with_effects: bool,
    as_json: bool,
) -> None:
    from farandole.cli.rendering.try_view import try_lines
    from farandole.operations.events.try_events import TryRequest, try_events

    context.configure_logs("error")  # the tree says all the rest
    result = try_events(context.topology(), TryRequest(events, stage, with_effects))
    if as_json:
        print_json(result.to_data())
    else:
        for line in try_lines(result):
            print_line(line)
    if result.has_died:
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
