"""Which are the last records of a topic that fit a condition?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.record import Record

_GROWTH = 4  # how much farther back each further look goes


async def newest_records(
    settings: Settings,
    admin: ClusterAdmin,
    count: int,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    fits: Callable[[Record], bool],
) -> list[Record]:
    """Return the last `count` committed records of one topic that fit, by their timestamps, in the
    order of each partition. Only what lies between `starts` and `ends` is read, from the end
    backwards: markers and aborted records take offsets too, so nobody knows how far."""
    kept: dict[TopicPartition, deque[Record]] = {p: deque() for p in starts}
    unread = dict(ends)  # records before these offsets have not been looked at
    span = count
    while open_ends := {
        p: end for p, end in unread.items() if len(kept[p]) < count and end > starts[p]
    }:
        begins = {p: max(starts[p], end - span) for p, end in open_ends.items()}
        found: dict[TopicPartition, deque[Record]] = {p: deque(maxlen=count) for p in begins}
        topics = [*{p.topic for p in begins}]
        async with aclosing(
            scan(settings, topics, start=begins, until=open_ends, admin=admin)
        ) as batches:
            async for records in batches:
                of_partition = found[TopicPartition(records[0].topic, records[0].partition)]
                of_partition.extend(record for record in records if fits(record))
        for partition, older in found.items():
            kept[partition].extendleft(reversed(older))
        unread |= begins
        span *= _GROWTH
    return merge_newest(kept.values(), count)


def merge_newest(partitions: Iterable[Iterable[Record]], count: int) -> list[Record]:
    """Return the last `count` of all records by their timestamps; those of one partition keep their
    order, whatever their timestamps are."""
    rest = [left for records in partitions if (left := [*records])]
    newest: deque[Record] = deque()
    while rest and len(newest) < count:
        latest = max(rest, key=lambda records: records[-1].timestamp)
        newest.appendleft(latest.pop())
        rest = [records for records in rest if records]
    return [*newest]
