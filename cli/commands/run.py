"""What has one run done, and does it balance?"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

import click
import orjson

from farandole.cli.commands.again import again
from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_byte_lines, print_json, print_line
from farandole.cli.rendering.errors import CommandError

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from farandole.broker.settings import Settings
    from farandole.events.run_row import RunRow
    from farandole.events.topology_version import Version
    from farandole.operations.runs.run_rows import RunRecord

_MAX_NAMED_RUNS = 5  # runs that are named where several can be meant
_REDRAW_INTERVAL = 1.0  # seconds: what grows is drawn anew, and a line is said at most so often


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("--watch", is_flag=True, help="Go on until the run is closed.")
@click.option("--again", "repeated", is_flag=True, help="Begin it anew: farandole again ID")
@json_option
@click.pass_obj
def run(context: CliContext, run_id: str, watch: bool, repeated: bool, as_json: bool) -> None:
    """Show the balance sheet of a run: of each event type, what each stage was given, has settled,
    and how; then what is wrong.

    ID is a run's id, or its beginning if no other run begins so. `oldest`: how old an event was at
    most when it was settled. `each`: what handling one took. With --watch and a whole ID the run
    need not have been opened yet; with --json every change is one document in one line.
    """
    if not run_id:
        raise click.UsageError("ID is empty")
    if repeated:
        click.get_current_context().invoke(again, run_id=run_id, as_json=as_json)
        return
    context.configure_logs()
    run_async(_show_run(context, run_id, watch, as_json))


async def _show_run(context: CliContext, wanted: str, watch: bool, as_json: bool) -> None:
    from farandole.events.run_ids import RUN_ID_LENGTH
    from farandole.operations.reason_text import reason_text
    from farandole.operations.runs import bookkeeper_lag, run_rows

    settings = await context.connect()
    if not await run_rows.run_rows_exist(settings):
        raise bookkeeper_lag.no_run_rows_error(await bookkeeper_lag.read_bookkeeper_lag(settings))
    ends = await _run_topic_ends(settings) if watch else {}
    found = await _find_run(settings, wanted)
    if found is None and not (watch and len(wanted) == RUN_ID_LENGTH):
        problem = (await bookkeeper_lag.read_bookkeeper_lag(settings)).problem()
        said = reason_text(problem) if problem else None
        raise CommandError(
            f"farandole: no run in the books begins with {wanted!r}"
            + (f"; {said}" if said else "; what there are says: farandole runs")
        )
    if watch:
        await _watch_run(context, settings, found, wanted, ends, as_json)
        return
    assert found is not None
    assert found.row is not None
    if as_json:
        from farandole.operations.runs.balance_sheet import balance_data

        print_json(balance_data(found.row, _now()))
        return
    for line in _sheet_lines(context, found.row, await _version_of_run(settings, found.row)):
        print_line(line)
    if found.row["closed"] is None:
        problem = (await bookkeeper_lag.read_bookkeeper_lag(settings)).problem()
        said = reason_text(problem) if problem else None
        if said:
            print_line(_complete_line(context, said))


async def _find_run(settings: Settings, wanted: str) -> RunRecord | None:
    """The newest row of the run. Raises CommandError where several runs can be meant."""
    from farandole.operations.runs import run_rows

    found: dict[str, RunRecord] = {}
    async for batch in run_rows.read_run_records(settings):
        for each in batch:
            if not each.run.startswith(wanted):
                continue
            if each.row is None:
                found.pop(each.run, None)
            elif each.run in found or len(found) <= _MAX_NAMED_RUNS:
                found[each.run] = each
    if wanted in found:
        return found[wanted]
    if len(found) > 1:
        names = ", ".join(sorted(found)[:_MAX_NAMED_RUNS])
        more = ", …" if len(found) > _MAX_NAMED_RUNS else ""
        raise CommandError(f"farandole: {wanted!r} can be {names}{more}; type more of it")
    return next(iter(found.values()), None)


async def _run_topic_ends(settings: Settings) -> dict[TopicPartition, int]:
    from aiokafka import TopicPartition

    from farandole.broker.cluster_admin import ClusterAdmin

    topic = settings.names.runs_topic
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics())[topic]
        return await admin.end_offsets([TopicPartition(topic, i) for i in range(width)])


async def _version_of_run(settings: Settings, row: RunRow) -> Version | None:
    """The run's; None where it is not published (any more)."""
    from farandole.router.topology_store import read_topology

    table = await read_topology(settings)
    return next((v for v in table.of(row["pipeline"]) if v.version == row["version"]), None)


async def _watch_run(
    context: CliContext,
    settings: Settings,
    found: RunRecord | None,
    wanted: str,
    start: Mapping[TopicPartition, int],
    as_json: bool,
) -> None:
    from farandole.operations.runs.balance_sheet import balance_data, progress_summary

    row = found.row if found else None
    version = await _version_of_run(settings, row) if row else None
    run_id = found.run if found else wanted
    drawn = sys.stdout.isatty() and not as_json
    said, unsaid = 0.0, True
    with _live_screen(drawn) as draw:
        async with aclosing(_follow_run_rows(settings, run_id, start)) as rows:
            while True:
                if row is not None and version is None:
                    version = await _version_of_run(settings, row)
                now, over = time.monotonic(), row is not None and row["closed"] is not None
                if drawn:
                    draw(
                        _sheet_lines(context, row, version)
                        if row
                        else [f"{run_id} is not opened yet"]
                    )
                elif row is not None and unsaid and (over or now - said >= _REDRAW_INTERVAL):
                    said, unsaid = now, False
                    if as_json:
                        print_byte_lines([orjson.dumps(balance_data(row, _now()))])
                    elif not over:
                        print_line(_complete_line(context, progress_summary(row, _now())))
                if over:
                    break
                newer = await anext(rows)
                row, unsaid = newer or row, unsaid or newer is not None
    if row is not None and not (drawn or as_json):
        for line in _sheet_lines(context, row, version):
            print_line(line)


async def _follow_run_rows(
    settings: Settings, run_id: str, start: Mapping[TopicPartition, int]
) -> AsyncGenerator[RunRow | None, None]:
    """The newest row of the run whenever there is one; None after a while without."""
    from farandole.operations.runs import run_rows

    queue: asyncio.Queue[RunRow] = asyncio.Queue()

    async def read() -> None:
        async for batch in run_rows.read_run_records(settings, start=start, follow=True):
            for each in batch:
                if each.run == run_id and each.row is not None:
                    queue.put_nowait(each.row)

    reading = asyncio.create_task(read())
    try:
        while True:
            asked = asyncio.create_task(queue.get())
            await asyncio.wait(
                {reading, asked}, timeout=_REDRAW_INTERVAL, return_when="FIRST_COMPLETED"
            )
            if not asked.done():
                asked.cancel()
                if reading.done():
                    await reading  # says why it ended
                yield None
                continue
            row = asked.result()
            while not queue.empty():
                row = queue.get_nowait()
            yield row
    finally:
        reading.cancel()
        await asyncio.wait({reading})


@contextmanager
def _live_screen(wanted: bool) -> Iterator[Callable[[Iterable[str]], None]]:
    """What draws lines in the place of those before."""
    if not wanted:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda lines: live.update(
            Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True
        )


def _sheet_lines(context: CliContext, row: RunRow, version: Version | None) -> list[str]:
    from farandole.operations.runs.balance_sheet import balance_lines

    return [_complete_line(context, line) for line in balance_lines(row, version, _now())]


def _complete_line(context: CliContext, line: str) -> str:
    """Without harm, and with commands as they must be typed here."""
    from farandole.cli.__main__ import COMMANDS
    from farandole.cli.command_hints import complete_commands
    from farandole.events.safe_text import escape_harmful

    return complete_commands(context, escape_harmful(line.replace("\n", " ")), COMMANDS)


def _now() -> int:
    return int(time.time() * 1000)
