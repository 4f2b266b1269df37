"""How are the rows of 100,000 runs read so that the newest runs are there first?

Backwards: the last stretch of each partition first, then the one before it. A row counts if no
later one of its run was read; the others need not even be decoded. So after each stretch everything
is known of the runs that were opened since its first record was written.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from aiokafka import TopicPartition

from farandole.broker.partition_reader import PartitionReader
from farandole.broker.settings import Settings
from farandole.events.record import Record

FIRST_STRETCH = 20_000
"""Offsets of each partition that are read first."""
LONGEST_STRETCH = 40_000
_MANY_RECORDS = 20_000
"""In a stretch of one partition; one that compaction has left with fewer is followed by a longer
one."""
_ROWS_AT_ONCE = 200
"""Rows that are decoded before others may go on."""
_FETCH = {"max_partition_fetch_bytes": 2 * 2**20}


class RunLoader:
    """Reads the rows before some offsets, once.

    `is_settled` returns True for a run of which a later row was read. `take` gets the newest other
    row of each run in a stretch, with its partition.
    """

    def __init__(
        self,
        settings: Settings,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        is_settled: Callable[[str], bool],
        take: Callable[[TopicPartition, Record], None],
    ) -> None:
        """`ranges`: the first offset of each partition, and the one at which its follower
        begins."""
        self._settings = settings
        self._is_settled = is_settled
        self._take = take
        self._first = {tp: first for tp, (first, _) in ranges.items()}
        self._left = {tp: end for tp, (first, end) in ranges.items() if first < end}
        self._total = sum(end - first for first, end in ranges.values())
        self.written_since: int | None = None
        """In milliseconds of the epoch: of runs that were opened later everything is known. None
        before the first stretch."""

    @property
    def progress(self) -> tuple[int, int]:
        """How many offsets were read, and how many there are in all."""
        left = sum(end - self._first[tp] for tp, end in self._left.items())
        return self._total - left, self._total

    async def run(
        self, done: Callable[[TopicPartition], None], progressed: Callable[[], None]
    ) -> None:
        """Read everything; `done` is called for each partition that is read, and `progressed` after
        each stretch. Raises BrokerError and
        DeadlineExceededError; then it can be called again, and goes on."""
        for partition in self._first.keys() - self._left.keys():
            done(partition)
        lengths = dict.fromkeys(self._left, FIRST_STRETCH)
        async with PartitionReader.open(self._settings, **_FETCH) as reader:
            while self._left:
                stretch = {
                    tp: (max(self._first[tp], end - lengths[tp]), end)
                    for tp, end in self._left.items()
                }
                counts, oldest = await self._read(reader, stretch)
                for partition, (begin, _) in stretch.items():
                    if counts[partition] < _MANY_RECORDS:
                        lengths[partition] = min(2 * lengths[partition], LONGEST_STRETCH)
                    if begin <= self._first[partition]:
                        del self._left[partition]
                        done(partition)
                    else:
                        self._left[partition] = begin
                if oldest is not None:
                    self.written_since = oldest
                progressed()

    async def _read(
        self, reader: PartitionReader, stretch: Mapping[TopicPartition, tuple[int, int]]
    ) -> tuple[dict[TopicPartition, int], int | None]:
        """Read a stretch of each partition. Return how many records each had, and the time of that
        first record which was written last."""
        newest: dict[TopicPartition, dict[bytes | None, Record]] = {tp: {} for tp in stretch}
        counts = dict.fromkeys(stretch, 0)
        began: dict[TopicPartition, int] = {}
        reader.read_from({tp: begin for tp, (begin, _) in stretch.items()})
        left = dict(stretch)
        while left:
            for partition, records in (await reader.poll(1.0)).items():
                wanted = _before(records, stretch[partition][1])
                if wanted:
                    counts[partition] += len(wanted)
                    began.setdefault(partition, wanted[0].timestamp)
                    newest[partition] |= {record.key: record for record in wanted}
            for partition in [tp for tp, (_, end) in left.items() if reader.positions[tp] >= end]:
                del left[partition]
                reader.leave(partition)
        number = 0
        for partition, rows in newest.items():
            for key, record in rows.items():
                if number % _ROWS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                number += 1
                if key is not None and not self._is_settled(key.decode(errors="backslashreplace")):
                    self._take(partition, record)
        return counts, max(began.values(), default=None)


def _before(records: Sequence[Record], end: int) -> Sequence[Record]:
    """Return those records, in the order of the log, whose offsets are below `end`."""
    if not records or records[-1].offset < end:
        return records
    return records[: bisect_left(records, end, key=attrgetter("offset"))]
