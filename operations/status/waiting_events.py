"""How many events of each stage wait to be tried again, and which lanes have an open breaker?

The rows of a retry topic are read backwards. The newest row of a key says whether the event still
waits, so the result is exact for the part that was read. If a topic has more rows than can be read
quickly, the count is a lower bound. The row of a breaker is always among the newest rows, because a
lane with an open breaker parks no more events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events import retry_record
from farandole.events.number_format import grouped
from farandole.events.record import Record
from farandole.events.record_time import known_time, past_time
from farandole.events.row_format import NewerFormatError
from farandole.events.safe_text import single_line
from farandole.worker import breaker_alerts

MAX_READ_ROWS = 100_000  # rows of a stage that are read, about, including old ones and tombstones
MAX_READ_BYTES = 128 * 1024 * 1024  # likewise
_FIRST_OFFSETS = 32  # offsets of each lane that are read first; most stages have no more
_GROWTH = 8
_CONCURRENT_TOPICS = 4  # topics that are read at the same time


@dataclass(frozen=True, slots=True)
class OpenBreakerLane:
    """A lane that takes no input because its breaker is open."""

    lane: int
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class WaitingEvents:
    """The waiting events of one stage. The names of the fields are those of the JSON form."""

    count: int = 0
    since: datetime | None = None
    """Since when the oldest of them waits; None if nothing waits. A replay that was not taken up
    yet waits since it was ordered."""
    more: bool = False
    """True if there may be more than `count`: not every row was read."""
    held: tuple[OpenBreakerLane, ...] = ()
    """The lanes that have an open breaker."""
    due: datetime | None = field(default=None, compare=False)
    """When the last of them is tried again, as far as their rows say."""
    for_person: int = 0
    """Those among them that wait for a person, not for a time (`farandole parked`)."""

    def __str__(self) -> str:
        return f"{grouped(self.count)}{'+' if self.more else ''}"


class WaitingRow(NamedTuple):
    """An event that waits."""

    since: datetime
    due: datetime | None = None
    """When it is tried again; None if the row does not say."""
    for_person: bool = False
    """It waits until a person decides."""


RetryRowState = WaitingRow | OpenBreakerLane | None
"""What the newest row of a key says: that its event waits, or that the breaker of a lane is open;
None if neither."""


async def count_waiting_events(
    admin: ClusterAdmin, settings: Settings, pipeline: str, stages: Iterable[str]
) -> dict[str, WaitingEvents]:
    """Return by stage the events that waited at the time of the call. Raises BrokerError."""
    topics = {stage: settings.names.retry_topic(pipeline, stage) for stage in stages}
    existing = await admin.topics(topics.values())
    lanes = [TopicPartition(t, i) for t in topics.values() for i in range(existing.get(t, 0))]
    firsts = await admin.start_offsets(lanes)
    ends = await admin.end_offsets(lanes)
    slots = asyncio.Semaphore(_CONCURRENT_TOPICS)

    async def count(topic: str) -> WaitingEvents:
        written = {tp: ends[tp] for tp in lanes if tp.topic == topic and ends[tp] > firsts[tp]}
        async with slots:
            return await _count_stage(settings, topic, firsts, written)

    return dict(zip(topics, await asyncio.gather(*map(count, topics.values())), strict=True))


async def _count_stage(
    settings: Settings,
    topic: str,
    firsts: Mapping[TopicPartition, int],
    until: Mapping[TopicPartition, int],
) -> WaitingEvents:
    """Return the waiting events in the lanes of one stage, from rows before the offsets `until`."""
    now = datetime.now(UTC)
    newest: dict[tuple[int, bytes], RetryRowState] = {}
    rows = size = offsets = 0
    per_lane = _FIRST_OFFSETS
    while until and per_lane:
        start = {tp: max(firsts[tp], end - per_lane) for tp, end in until.items()}
        older: dict[tuple[int, bytes], RetryRowState] = {}
        async with aclosing(scan(settings, [topic], start=start, until=until)) as batches:
            async for records in batches:
                rows += len(records)
                for record in records:
                    size += len(record.value or b"")
                    if record.key is not None:
                        older[record.partition, record.key] = classify_row(record, now)
        newest = older | newest
        offsets += sum(until[tp] - first for tp, first in start.items())
        until = {tp: first for tp, first in start.items() if first > firsts[tp]}
        # As many rows as the limits allow, if older rows have the same size.
        room = min((MAX_READ_ROWS - rows) / max(rows, 1), (MAX_READ_BYTES - size) / max(size, 1))
        per_lane = max(0, min(per_lane * _GROWTH, int(room * offsets / max(len(until), 1))))
    waiting = [row for row in newest.values() if isinstance(row, WaitingRow)]
    breaker_lanes = [row for row in newest.values() if isinstance(row, OpenBreakerLane)]
    return WaitingEvents(
        len(waiting),
        min((row.since for row in waiting), default=None),
        more=bool(until),
        held=tuple(sorted(breaker_lanes, key=lambda lane: lane.lane)),
        due=max((row.due for row in waiting if row.due is not None), default=None),
        for_person=sum(row.for_person for row in waiting),
    )


def classify_row(record: Record, now: datetime) -> RetryRowState:
    """Return what a row says; None also if a lane would skip it."""
    key, value = record.key or b"", record.value
    if value is None:
        return None
    if key == breaker_alerts.BREAKER_ROW_KEY:
        try:
            row = breaker_alerts.read_breaker_row(value)
        except NewerFormatError:
            return None
        if row is None or row.closed:
            return None
        return OpenBreakerLane(record.partition, row.since, single_line(row.reason)[:200])
    if not key.startswith((retry_record.PARKED_PREFIX, retry_record.REPLAY_PREFIX)):
        return None
    try:
        event = retry_record.parse_retry_row(value)
    except ValueError:
        return None
    except NewerFormatError:
        return WaitingRow(past_time(record.timestamp, now))  # it waits, whatever its row says
    is_parked = key.startswith(retry_record.PARKED_PREFIX)
    has_time = is_parked and isinstance(event.since, int) and event.since > 0
    return WaitingRow(
        past_time(event.since if has_time else record.timestamp, now),
        known_time(event.due) if is_parked and isinstance(event.due, int) else None,
        is_parked and event.waits_for_person,
    )
