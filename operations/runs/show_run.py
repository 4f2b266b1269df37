"""What is the state of one run, now or whenever it changes?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.next_step import NextStep
from farandole.events.run_ids import RUN_ID_LENGTH
from farandole.events.run_row import RunRow
from farandole.events.topology_version import Version
from farandole.operations.errors import ConflictError, NotFoundError, operation_stream, query
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_message, reason_steps
from farandole.operations.runs.balance_sheet import RunResult, balance_sheet
from farandole.operations.runs.bookkeeper_lag import no_run_rows_error, read_bookkeeper_lag
from farandole.operations.runs.run_rows import RunRecord, read_run_records, run_rows_exist
from farandole.operations.runs.unread_roots import find_unread_run
from farandole.router.topology_store import read_topology

_MAX_NAMED_RUNS = 5  # runs that an error names if several match
WATCH_INTERVAL = 1.0  # seconds after which a watched run is shown again without a new row


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Which run to show: an id, or a beginning that no other run has."""

    run: str


class RunUpdate(NamedTuple):
    """A watched run at one moment."""

    run: RunResult | None
    """None while no row of the run exists: it is not opened yet."""
    changed: bool
    """True if the ledger has written a row since the update before."""


@query
async def show_run(installation: Installation, request: RunRequest) -> RunResult:
    """Return the balance sheet of a run; also of one whose root no stage has worked yet, by its
    whole id. Raises NotFoundError `no_run_rows` or `unknown_run`, and
    ConflictError `ambiguous_run`."""
    settings = installation.settings
    found = None
    if await run_rows_exist(settings):
        found = await _find_run(settings, request.run)
    row = found.row if found is not None else await find_unread_run(settings, request.run)
    if row is None:
        await _require_run_rows(settings)
        raise await _unknown_run(settings, request.run)
    topology = await version_of_run(settings, row)
    stale = None
    if row["closed"] is None:
        stale = (await read_bookkeeper_lag(settings)).problem()
    return balance_sheet(row, _now(), topology, stale)


@operation_stream
async def watch_run(installation: Installation, request: RunRequest) -> AsyncGenerator[RunUpdate]:
    """Yield a run whenever it has a new row, and at least every WATCH_INTERVAL seconds, until it is
    closed. With a whole id the run need not be opened yet. Raises as `show_run` does."""
    settings = installation.settings
    await _require_run_rows(settings)
    ends = await _run_topic_ends(settings)
    found = await _find_run(settings, request.run)
    if found is None and len(request.run) != RUN_ID_LENGTH:
        raise await _unknown_run(settings, request.run)
    row = found.row if found else None
    topology: Version | None = None
    changed = True
    async with aclosing(
        _follow_run_rows(settings, found.run if found else request.run, ends)
    ) as rows:
        while True:
            if row is not None and topology is None:
                topology = await version_of_run(settings, row)
            yield RunUpdate(row and balance_sheet(row, _now(), topology), changed)
            if row is not None and row["closed"] is not None:
                return
            newer = await anext(rows)
            row, changed = newer or row, newer is not None


async def _require_run_rows(settings: Settings) -> None:
    if not await run_rows_exist(settings):
        raise no_run_rows_error(await read_bookkeeper_lag(settings))


async def _unknown_run(settings: Settings, run: str) -> NotFoundError:
    problem = (await read_bookkeeper_lag(settings)).problem()
    message = f"no run in the books begins with {run!r}"
    steps: tuple[NextStep, ...] = (NextStep("what there are says", ("runs",)),)
    if problem is not None:
        message, steps = f"{message}; {reason_message(problem)}", reason_steps(problem)
    return NotFoundError("unknown_run", message, next_steps=steps, run=run)


async def _find_run(settings: Settings, beginning: str) -> RunRecord | None:
    """Return the newest row of the run whose id is or begins with `beginning`; None if there is
    none. Raises ConflictError if several runs match."""
    found: dict[str, RunRecord] = {}
    async for batch in read_run_records(settings):
        for record in batch:
            if not record.run.startswith(beginning):
                continue
            if record.row is None:
                found.pop(record.run, None)
            elif record.run in found or len(found) <= _MAX_NAMED_RUNS:
                found[record.run] = record
    if beginning in found:
        return found[beginning]
    if len(found) > 1:
        names = sorted(found)[:_MAX_NAMED_RUNS]
        more = ", …" if len(found) > _MAX_NAMED_RUNS else ""
        raise ConflictError(
            "ambiguous_run",
            f"{beginning!r} can be {', '.join(names)}{more}; type more of it",
            run=beginning,
            candidates=names,
        )
    return next(iter(found.values()), None)


async def _run_topic_ends(settings: Settings) -> dict[TopicPartition, int]:
    topic = settings.names.runs_topic
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([topic]))[topic]
        return await admin.end_offsets([TopicPartition(topic, i) for i in range(width)])


async def version_of_run(settings: Settings, row: RunRow) -> Version | None:
    """Return the version that wires the run; None if it is not published any more."""
    table = await read_topology(settings)
    return next((v for v in table.of(row["pipeline"]) if v.version == row["version"]), None)


async def _follow_run_rows(
    settings: Settings, run: str, start: Mapping[TopicPartition, int]
) -> AsyncGenerator[RunRow | None]:
    """Yield the newest row of the run whenever there is one; yield None after WATCH_INTERVAL
    seconds without one."""
    queue: asyncio.Queue[RunRow] = asyncio.Queue()

    async def read() -> None:
        async for batch in read_run_records(settings, start=start, follow=True):
            for record in batch:
                if record.run == run and record.row is not None:
                    queue.put_nowait(record.row)

    reading = asyncio.create_task(read())
    try:
        while True:
            next_row = asyncio.create_task(queue.get())
            await asyncio.wait(
                {reading, next_row}, timeout=WATCH_INTERVAL, return_when="FIRST_COMPLETED"
            )
            if not next_row.done():
                next_row.cancel()
                if reading.done():
                    await reading  # raises the error of the reader
                yield None
                continue
            row = next_row.result()
            while not queue.empty():
                row = queue.get_nowait()
            yield row
    finally:
        reading.cancel()
        await asyncio.wait({reading})


def _now() -> int:
    return int(time.time() * 1000)
