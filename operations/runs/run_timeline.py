"""How many events has each stage settled for a run, and when?"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.ledger_entry import ledger_partition, parse_ledger_entry
from farandole.events.outcome import OutcomeCounts, pending_count
from farandole.events.run_row import RunRow
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.operations.runs.run_rows import read_run_row

_SLICES = 60  # parts of the time of a run, about
_CLOCK_SKEW_MS = 60_000  # ms, the largest difference between the clocks of two workers


@dataclass(frozen=True, slots=True)
class TimelineRequest:
    """Of which run, and how long it may be read."""

    run: str
    within: float = 10.0
    """Seconds after which no more of the ledger is read."""


class TimelineResult(Result):
    """The settled events of a run over its time, in slices of the same width."""

    run: str
    start: int
    """When the first slice begins, in milliseconds of the epoch."""
    width: int
    """The width of a slice, in milliseconds."""
    stages: dict[str, list[int]]
    """By stage, the events that were settled in each slice."""
    complete: bool
    """False if not all of its ledger entries were read: retention has deleted the first ones, or
    there was no time."""


@query
async def read_timeline(installation: Installation, request: TimelineRequest) -> TimelineResult:
    """Return when the stages have settled the events of a run. Raises NotFoundError
    (`unknown_run`)."""
    settings = installation.settings
    row = await read_run_row(settings, request.run)
    end = row["closed"] or int(time.time() * 1000)
    end = max(end, row["last"])
    width = slice_width(end - row["opened"])
    start = row["opened"] // width * width
    slices = (end - start) // width + 1
    stages: dict[str, list[int]] = {}
    complete = False
    try:
        async with asyncio.timeout(request.within):
            complete = await _read_entries(settings, row, end, start, width, slices, stages)
    except TimeoutError:
        pass  # it returns what was read
    return TimelineResult(
        run=request.run, start=start, width=width, stages=stages, complete=complete
    )


def slice_width(span: int) -> int:
    """Return the width of a slice, in milliseconds, for a run of this length: 1, 2 or 5 with zeros,
    and at least 100."""
    least = max(100.0, span / _SLICES)
    power = 10 ** math.floor(math.log10(least))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= least))


async def _read_entries(
    settings: Settings,
    row: RunRow,
    end: int,
    start: int,
    width: int,
    slices: int,
    stages: dict[str, list[int]],
) -> bool:
    """Add the entries of the run to `stages`. Return False if retention has deleted some."""
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        partitions = (await admin.topics([names.ledger_topic])).get(names.ledger_topic, 0)
        if not partitions:
            return False
        tp = TopicPartition(names.ledger_topic, ledger_partition(row["run"].encode(), partitions))
        begin = await admin.offsets_at([tp], row["opened"] - _CLOCK_SKEW_MS)
        first = await admin.start_offsets([tp])
    async with aclosing(scan(settings, [names.ledger_topic], start=begin)) as batches:
        async for records in batches:
            for record in records:
                if record.timestamp > end + _CLOCK_SKEW_MS:
                    return begin[tp] > first[tp] or first[tp] == 0
                entry = parse_ledger_entry(record.value)
                if entry is None or entry["pipeline"] != row["pipeline"]:
                    continue
                for part in entry["runs"]:
                    if part["run"] == row["run"]:
                        of = stages.setdefault(entry["stage"], [0] * slices)
                        index = min(max(0, (entry["at"] - start) // width), slices - 1)
                        of[index] += sum(map(_settled, part["in"].values()))
    return begin[tp] > first[tp] or first[tp] == 0


def _settled(counts: object) -> int:
    """Return how many of the consumed events are settled: not those that are parked."""
    assert isinstance(counts, dict)
    return int(counts["n"]) - pending_count(OutcomeCounts.from_fields(counts))
