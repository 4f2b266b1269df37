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

from farandole.console import wiring
from farandole.console.commands.again import again
from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_bytes, say_json
from farandole.console.wiring import Here

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from farandole.broker.settings import Settings
    from farandole.console.books.rows import Written
    from farandole.events.ledger import Row
    from farandole.events.topology import Version

_NAMED = 5  # runs that are named where several can be meant
_AGAIN = 1.0  # seconds: what grows is drawn anew, and a line is said at most so often


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("--watch", is_flag=True, help="Go on until the run is closed.")
@click.option("--again", "repeated", is_flag=True, help="Begin it anew: farandole again ID")
@json_option
@click.pass_obj
def run(here: Here, run_id: str, watch: bool, repeated: bool, as_json: bool) -> None:
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
    here.logs()
    wiring.run(_run(here, run_id, watch, as_json))


async def _run(here: Here, wanted: str, watch: bool, as_json: bool) -> None:
    from farandole.console.books import bookkeeping, rows
    from farandole.events.ids import RUN_LETTERS

    settings = await here.reached()
    if not await rows.exist(settings):
        bookkeeping.no_books(await bookkeeping.state(settings))
    ends = await _ends(settings) if watch else {}
    found = await _find(settings, wanted)
    if found is None and not (watch and len(wanted) == RUN_LETTERS):
        said = (await bookkeeping.state(settings)).said()
        raise Failed(
            f"farandole: no run in the books begins with {wanted!r}"
            + (f"; {said}" if said else "; what there are says: farandole runs")
        )
    if watch:
        await _watch(here, settings, found, wanted, ends, as_json)
        return
    assert found is not None
    assert found.row is not None
    if as_json:
        from farandole.console.books.balance import data

        say_json(data(found.row, _now()))
        return
    for line in _lines(here, found.row, await _version(settings, found.row)):
        say(line)
    if found.row["closed"] is None:
        said = (await bookkeeping.state(settings)).said()
        if said:
            say(_told(here, said))


async def _find(settings: Settings, wanted: str) -> Written | None:
    """The newest row of the run. Raises Failed where several runs can be meant."""
    from farandole.console.books import rows

    found: dict[str, Written] = {}
    async for batch in rows.written(settings):
        for each in batch:
            if not each.run.startswith(wanted):
                continue
            if each.row is None:
                found.pop(each.run, None)
            elif each.run in found or len(found) <= _NAMED:
                found[each.run] = each
    if wanted in found:
        return found[wanted]
    if len(found) > 1:
        names = ", ".join(sorted(found)[:_NAMED])
        more = ", …" if len(found) > _NAMED else ""
        raise Failed(f"farandole: {wanted!r} can be {names}{more}; type more of it")
    return next(iter(found.values()), None)


async def _ends(settings: Settings) -> dict[TopicPartition, int]:
    from aiokafka import TopicPartition

    from farandole.broker.admin import Admin

    topic = settings.names.runs
    async with Admin.open(settings) as admin:
        width = (await admin.topics())[topic]
        return await admin.end_offsets([TopicPartition(topic, i) for i in range(width)])


async def _version(settings: Settings, row: Row) -> Version | None:
    """The run's; None where it is not published (any more)."""
    from farandole.router.table import read

    table = await read(settings)
    return next((v for v in table.of(row["pipeline"]) if v.version == row["version"]), None)


async def _watch(
    here: Here,
    settings: Settings,
    found: Written | None,
    wanted: str,
    start: Mapping[TopicPartition, int],
    as_json: bool,
) -> None:
    from farandole.console.books.balance import data, summary

    row = found.row if found else None
    version = await _version(settings, row) if row else None
    run_id = found.run if found else wanted
    drawn = sys.stdout.isatty() and not as_json
    said, unsaid = 0.0, True
    with _screen(drawn) as draw:
        async with aclosing(_rows(settings, run_id, start)) as rows:
            while True:
                if row is not None and version is None:
                    version = await _version(settings, row)
                now, over = time.monotonic(), row is not None and row["closed"] is not None
                if drawn:
                    draw(_lines(here, row, version) if row else [f"{run_id} is not opened yet"])
                elif row is not None and unsaid and (over or now - said >= _AGAIN):
                    said, unsaid = now, False
                    if as_json:
                        say_bytes([orjson.dumps(data(row, _now()))])
                    elif not over:
                        say(_told(here, summary(row, _now())))
                if over:
                    break
                newer = await anext(rows)
                row, unsaid = newer or row, unsaid or newer is not None
    if row is not None and not (drawn or as_json):
        for line in _lines(here, row, version):
            say(line)


async def _rows(
    settings: Settings, run_id: str, start: Mapping[TopicPartition, int]
) -> AsyncGenerator[Row | None, None]:
    """The newest row of the run whenever there is one; None after a while without."""
    from farandole.console.books import rows

    queue: asyncio.Queue[Row] = asyncio.Queue()

    async def read() -> None:
        async for batch in rows.written(settings, start=start, follow=True):
            for each in batch:
                if each.run == run_id and each.row is not None:
                    queue.put_nowait(each.row)

    reading = asyncio.create_task(read())
    try:
        while True:
            asked = asyncio.create_task(queue.get())
            await asyncio.wait({reading, asked}, timeout=_AGAIN, return_when="FIRST_COMPLETED")
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
def _screen(wanted: bool) -> Iterator[Callable[[Iterable[str]], None]]:
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


def _lines(here: Here, row: Row, version: Version | None) -> list[str]:
    from farandole.console.books.balance import sheet

    return [_told(here, line) for line in sheet(row, version, _now())]


def _told(here: Here, line: str) -> str:
    """Without harm, and with commands as they must be typed here."""
    from farandole.console.__main__ import COMMANDS
    from farandole.console.hints import suggested
    from farandole.events.display import harmless

    return suggested(here, harmless(line.replace("\n", " ")), COMMANDS)


def _now() -> int:
    return int(time.time() * 1000)
