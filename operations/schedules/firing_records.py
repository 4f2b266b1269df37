"""What became of the planned times of a schedule?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from aiokafka import TopicPartition
from pydantic import ValidationError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.record_time import to_milliseconds
from farandole.scheduler.firing_scan import scan_firings

_FIRST_SPAN = timedelta(days=1)
_GROWTH = 4  # how much farther back each further look goes
_CLOCK_MARGIN = timedelta(hours=1)
"""By how much the clock of a scheduler may have been behind when it wrote a record."""

FiringOrder = tuple[datetime, datetime, str]
"""The place of a record in the history of a schedule: when it was planned, when it was decided, and
the suffix of its key."""


def firing_order(record: FiringRecord) -> FiringOrder:
    """Return the place of a record among those of its schedule."""
    return record.planned, record.at, record.suffix


async def read_firings(
    settings: Settings,
    pipeline: str,
    schedule: str,
    *,
    since: datetime | None = None,
    limit: int | None = None,
    before: FiringOrder | None = None,
) -> list[FiringRecord]:
    """Return the records of a schedule, the newest planned time first: those planned since then,
    or all that are kept, and before `before` in this order; with `limit` only the newest of these.
    Raises NewerFormatError and BrokerError.

    A record is written after the time for which it was planned, so the newest planned times are
    found by going back step by step, and what is older is not read.
    """
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([names.firings_topic])).get(names.firings_topic, 0)
        partitions = [TopicPartition(names.firings_topic, i) for i in range(width)]
        firsts = await admin.start_offsets(partitions)
        span = _FIRST_SPAN
        while partitions:
            begin = datetime.now(UTC) - span if limit is not None else None
            if begin is None or (since is not None and begin < since):
                begin = since
            starts = firsts
            if begin is not None:
                at = to_milliseconds(begin - _CLOCK_MARGIN)
                starts = await admin.offsets_at(partitions, at)
            is_all = begin == since or all(starts[p] <= firsts[p] for p in partitions)
            found = await _read_from(settings, admin, pipeline, schedule, starts)
            known = since if is_all else begin
            records = [
                each
                for each in found
                if (known is None or each.planned >= known)
                and (before is None or firing_order(each) < before)
            ]
            if is_all or (limit is not None and len(records) >= limit):
                records.sort(key=firing_order, reverse=True)
                return records[:limit]
            span *= _GROWTH
    return []


async def _read_from(
    settings: Settings,
    admin: ClusterAdmin,
    pipeline: str,
    schedule: str,
    starts: dict[TopicPartition, int],
) -> Sequence[FiringRecord]:
    """Return the newest record of each firing; records that no scheduler wrote are skipped."""
    found: dict[bytes, FiringRecord] = {}
    async with aclosing(scan_firings(settings, admin, pipeline, schedule, starts)) as records:
        async for key, value in records:
            if value is None:
                found.pop(key, None)
                continue
            try:
                found[key] = parse_firing(value)
            except ValidationError:
                continue
    return [*found.values()]
