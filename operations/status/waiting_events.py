"""What waits in each stage to be tried again, and which lanes hold their input?

Rows of a retry topic, read backwards: the newest row of a key says whether it still stands, and
what was read of the end of a lane is exact, whatever stands before it. So where a topic holds more
than a person would wait for, what is found is a part of what waits, and never more than that; and
that a lane holds is among its newest rows, since it parks nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events import retry_record
from farandole.events.record import Record
from farandole.events.safe_text import single_line
from farandole.notifier.dead_letter_view import record_time
from farandole.worker import breaker_alerts

MAX_READ_ROWS = 100_000  # rows of a stage that are read, about; old ones and tombstones count too
MAX_READ_BYTES = 128 * 1024 * 1024  # likewise
_FIRST_OFFSETS = 32  # offsets of each lane that are read first: in most stages there are no more
_GROWTH = 8
_CONCURRENT_TOPICS = 4  # topics that are read at the same time


@dataclass(frozen=True, slots=True)
class OpenBreakerLane:
    """A lane that holds its input."""

    lane: int
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class WaitingEvents:
    """So many events of a stage wait; `more`: at least so many."""

    count: int = 0
    since: datetime | None = None
    """The oldest of them; a replay that was not taken up yet waits since it was ordered."""
    more: bool = False
    held: tuple[OpenBreakerLane, ...] = ()

    def __str__(self) -> str:
        return f"{self.count:,}{'+' if self.more else ''}"


RetryRowState = datetime | OpenBreakerLane | None
"""Since when an event waits; a lane that holds; None: it stands no more."""


async def count_waiting_events(
    admin: ClusterAdmin, settings: Settings, pipeline: str, stages: Iterable[str]
) -> dict[str, WaitingEvents]:
    """By stage, what waited when this was called. Raises BrokerError."""
    existing = await admin.topics()
    topics = {stage: settings.names.retry_topic(pipeline, stage) for stage in stages}
    lanes = [TopicPartition(t, i) for t in topics.values() for i in range(existing.get(t, 0))]
    firsts = await admin.start_offsets(lanes)
    ends = await admin.end_offsets(lanes)
    turn = asyncio.Semaphore(_CONCURRENT_TOPICS)

    async def one(topic: str) -> WaitingEvents:
        written = {tp: ends[tp] for tp in lanes if tp.topic == topic and ends[tp] > firsts[tp]}
        async with turn:
            return await _count_stage(settings, topic, firsts, written)

    return dict(zip(topics, await asyncio.gather(*map(one, topics.values())), strict=True))


async def _count_stage(
    settings: Settings,
    topic: str,
    firsts: Mapping[TopicPartition, int],
    until: Mapping[TopicPartition, int],
) -> WaitingEvents:
    """Of the lanes of one stage, before these offsets."""
    now = datetime.now(UTC)
    found: dict[tuple[int, bytes], RetryRowState] = {}
    rows = size = offsets = 0
    each = _FIRST_OFFSETS
    while until and each:
        start = {tp: max(firsts[tp], end - each) for tp, end in until.items()}
        older: dict[tuple[int, bytes], RetryRowState] = {}
        async with aclosing(scan(settings, [topic], start=start, until=until)) as batches:
            async for records in batches:
                rows += len(records)
                for record in records:
                    size += len(record.value or b"")
                    if record.key is not None:
                        older[record.partition, record.key] = _classify_row(record, now)
        found = older | found
        offsets += sum(until[tp] - first for tp, first in start.items())
        until = {tp: first for tp, first in start.items() if first > firsts[tp]}
        # As many as, at the size of those that were read, there is room for.
        room = min((MAX_READ_ROWS - rows) / max(rows, 1), (MAX_READ_BYTES - size) / max(size, 1))
        each = max(0, min(each * _GROWTH, int(room * offsets / max(len(until), 1))))
    since = [row for row in found.values() if isinstance(row, datetime)]
    held = [row for row in found.values() if isinstance(row, OpenBreakerLane)]
    return WaitingEvents(
        len(since),
        min(since, default=None),
        more=bool(until),
        held=tuple(sorted(held, key=lambda lane: lane.lane)),
    )


def _classify_row(record: Record, now: datetime) -> RetryRowState:
    """None also of what a lane would pass over."""
    key, value = record.key or b"", record.value
    if value is None:
        return None
    if key == breaker_alerts.BREAKER_ROW_KEY:
        said = breaker_alerts.read_breaker_row(value)
        if said is None or said.closed:
            return None
        return OpenBreakerLane(record.partition, said.since, single_line(said.reason)[:200])
    if not key.startswith((retry_record.PARKED_PREFIX, retry_record.REPLAY_PREFIX)):
        return None
    try:
        since = retry_record.parse_retry_row(value).since
    except ValueError:
        return None
    said_so = key.startswith(retry_record.PARKED_PREFIX) and isinstance(since, int) and since > 0
    return record_time(since if said_so else record.timestamp, now)
