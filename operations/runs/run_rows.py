"""Which run rows has the bookkeeper written?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import ScanStart, scan
from farandole.events.run_row import RunRow, parse_run_row
from farandole.operations.errors import NotFoundError


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
