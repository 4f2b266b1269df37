"""Which run rows has the bookkeeper written?"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import NamedTuple

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import ScanStart, scan
from farandole.events.run_row import RunRow, parse_run_row
from farandole.operations.errors import NotFoundError

_OPEN = b'"closed":null'
_CLOSED = re.compile(rb'"closed":\d')  # not inside a text: its quotes would be escaped


class RunRecord(NamedTuple):
    """One record of `farandole.runs`."""

    run: str
    row: RunRow | None
    """None if the run is deleted: then earlier rows of it do not count."""
    partition: int
    offset: int


async def read_run_records(
    settings: Settings, *, start: ScanStart = "earliest", follow: bool = False
) -> AsyncGenerator[list[RunRecord]]:
    """Yield the records of `farandole.runs` in batches, without records that no bookkeeper wrote.
    Raises BrokerError."""
    topic = settings.names.runs_topic
    async with aclosing(scan(settings, [topic], start=start, follow=follow)) as batches:
        async for records in batches:
            found = []
            for record in records:
                row = parse_run_row(record.value)
                if record.key is None or (row is None and record.value is not None):
                    continue
                run = record.key.decode(errors="backslashreplace")
                found.append(RunRecord(run, row, record.partition, record.offset))
            yield found


async def read_open_rows(settings: Settings, pipeline: str) -> list[RunRow]:
    """Return the newest rows of the runs of a pipeline that have not ended. No other rows are
    decoded: most are of runs that have. Raises BrokerError."""
    newest: dict[bytes, bytes] = {}
    async for records in scan(settings, [settings.names.runs_topic]):
        for record in records:
            if record.key is None:
                continue
            if record.value is not None and _OPEN in record.value:
                newest[record.key] = record.value
            elif record.value is None or _CLOSED.search(record.value):
                newest.pop(record.key, None)
    rows = map(parse_run_row, newest.values())
    return [row for row in rows if row is not None and row["pipeline"] == pipeline]


async def first_matching_row(
    settings: Settings, run: str, matches: Callable[[RunRow], bool]
) -> RunRow:
    """Return the first row of a run that matches. Existing rows are read first, then the function
    waits for new ones. Raises BrokerError."""
    async with aclosing(read_run_records(settings, follow=True)) as batches:
        async for batch in batches:
            for each in batch:
                if each.run == run and each.row is not None and matches(each.row):
                    return each.row
    raise AssertionError("a topic that is followed has no end")


async def run_rows_exist(settings: Settings) -> bool:
    """Return True if a bookkeeper has ever run. Raises BrokerError."""
    async with ClusterAdmin.open(settings) as admin:
        return settings.names.runs_topic in await admin.topics([settings.names.runs_topic])


async def read_run_row(settings: Settings, run: str) -> RunRow:
    """Return the newest row of a run. Raises NotFoundError (`unknown_run`) and BrokerError."""
    found: RunRow | None = None
    async for batch in read_run_records(settings):
        for each in batch:
            if each.run == run:
                found = each.row
    if found is None:
        raise NotFoundError(
            "unknown_run",
            f"the books know no run {run!r}; they are written while a run goes on, "
            "and name those of the last days",
            run=run,
        )
    return found


async def read_statuses(settings: Settings, runs: Collection[str]) -> dict[str, str]:
    """Return the status of each of these runs that the books know. Raises BrokerError."""
    found: dict[str, str] = {}
    if not runs:
        return found
    wanted = {run.encode(): run for run in runs}
    async for records in scan(settings, [settings.names.runs_topic]):
        for record in records:
            run = wanted.get(record.key or b"")
            if run is None:
                continue
            row = parse_run_row(record.value)
            if row is not None:
                found[run] = row["status"]
            elif record.value is None:
                found.pop(run, None)
    return found
