"""Which rows does a compacted topic have now, and when do they change?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.broker_errors import BrokerError, DeadlineExceededError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.end_reader import EndReader, ask_ends
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import Record

log = structlog.get_logger()

_POLL_MS = 200  # how long a poll waits; it returns at once when a record comes
_FETCH_WAIT_MS = 2_000  # how long Kafka keeps a fetch; it answers at once when a record comes
_RETRY_PAUSE = 1.0  # seconds after a failed poll; the client reconnects by itself


class TableFollower:
    """Keeps the newest value of each key of a compacted topic with one partition up to date."""

    def __init__(
        self,
        settings: Settings,
        reader: AIOKafkaConsumer,
        topic: str,
        is_readable: Callable[[Record], bool] = lambda record: True,
    ) -> None:
        """A record with a value for which `is_readable` returns False is skipped: the row that was
        there before stays."""
        self._settings = settings
        self._reader = reader
        self._committed_ends = EndReader(settings)
        self._written_ends = EndReader(settings, "read_uncommitted")
        self._is_readable = is_readable
        self._partition = TopicPartition(topic, 0)
        self._rows: dict[bytes, bytes] = {}
        self._written_at: dict[bytes, int] = {}
        self._offsets: dict[bytes, int] = {}
        self._unreadable: dict[bytes, Record] = {}
        self._position = 0
        self._handed_over: int | None = None
        self._skipper = UndecodableSkipper(reader, self._rewind)
        self._moved = asyncio.Condition()
        self._failures = 0
        self._failure: Exception | None = None
        self._seen: Mapping[bytes, bytes] | None = None

    @property
    def rows(self) -> Mapping[bytes, bytes]:
        """The rows by key, the newest last; a new object after each change."""
        return self._rows

    @property
    def written_at(self) -> Mapping[bytes, int]:
        """The time at which each of `rows` was written, in milliseconds of the epoch."""
        return self._written_at

    @property
    def offsets(self) -> Mapping[bytes, int]:
        """The offset of each of `rows`."""
        return self._offsets

    @property
    def unreadable(self) -> Mapping[bytes, Record]:
        """The records for which `is_readable` returned False, by key, as long as they are the
        newest of their keys."""
        return self._unreadable

    async def current(self) -> Mapping[bytes, bytes]:
        """Return `rows` once they contain everything that could be read when this was called.
        Raises DeadlineExceededError and BrokerError."""
        # For a reader of committed records the end is the last stable offset.
        return await self._read_to_end(self._committed_ends)

    async def settled(self) -> Mapping[bytes, bytes]:
        """Return `rows` once they contain everything that was written when this was called, also in
        transactions that had not ended then: wait for their end. Raises DeadlineExceededError and
        BrokerError."""
        return await self._read_to_end(self._written_ends)

    async def close(self) -> None:
        """Close what `current` and `settled` have opened."""
        await self._committed_ends.close()
        await self._written_ends.close()

    async def _read_to_end(self, reader: EndReader) -> Mapping[bytes, bytes]:
        topic = self._partition.topic
        ends = await reader.ends([self._partition], self._settings.deadline, _asking_for_end(topic))
        return await self.read_up_to(ends[self._partition])

    async def read_up_to(self, end: int) -> Mapping[bytes, bytes]:
        """Return `rows` once they contain everything before this offset. For a caller who has asked
        for the end by a client that does not fetch: where one does, the answer waits for the fetch.
        Raises DeadlineExceededError and BrokerError."""
        await with_deadline(
            self._until(lambda: self._position >= end),
            self._settings.deadline,
            f"reading {self._partition.topic}",
        )
        return self._rows

    async def next_change(self) -> Mapping[bytes, bytes]:
        """Wait until `rows` differ from what the last call returned, and return them. Raises
        BrokerError if reading fails meanwhile for a reason that does not go away by itself."""
        await self._until(lambda: self._rows is not self._seen)
        self._seen = self._rows
        return self._rows

    async def _until(self, met: Callable[[], bool]) -> None:
        before = self._failures
        async with self._moved:
            await self._moved.wait_for(lambda: met() or self._failures > before)
        if not met():
            raise BrokerError(f"reading {self._partition.topic}: {self._failure!r}")

    async def run(self) -> None:
        """Follow the topic until cancelled. The other methods wait for this one. After any error it
        tries again; they raise one that is not Kafka's."""
        self._reader.assign([self._partition])
        while True:
            try:
                await self._poll()
            except (KafkaError, DeadlineExceededError) as error:
                log.warning("table.unread", topic=self._partition.topic, why=str(error))
            except Exception as error:
                log.exception("table.broken", topic=self._partition.topic)
                await self._report(error)
            else:
                continue
            # Records that were decoded before the error, in the same fetch, are read again.
            self._rewind()
            await asyncio.sleep(_RETRY_PAUSE)

    async def _report(self, error: Exception) -> None:
        """Let whoever waits raise this error."""
        async with self._moved:
            self._failure = error
            self._failures += 1
            self._moved.notify_all()

    async def _poll(self) -> None:
        if self._handed_over is None:
            await with_deadline(
                self._reader.seek_to_beginning(self._partition), self._settings.deadline, "seeking"
            )
            self._handed_over = await self._read_position()
            await self._move(self._handed_over)  # an empty topic may begin far from 0
        found = await self._skipper.poll([self._partition], self._get_records)
        position = self._handed_over = await self._read_position()
        # An undecodable record has no key: no process of ours wrote it.
        records = [
            record
            for batch in found.values()
            for record in batch
            if record.key is not None and self._is_taken(record.key, record)
        ]
        if not records and position == self._position:
            return
        if records:
            rows = dict(self._rows)
            for record in records:
                assert record.key is not None
                rows.pop(record.key, None)
                self._written_at.pop(record.key, None)
                self._offsets.pop(record.key, None)
                if record.value is not None:
                    rows[record.key] = record.value
                    self._written_at[record.key] = record.timestamp
                    self._offsets[record.key] = record.offset
            self._rows = rows
        await self._move(position)

    async def _move(self, position: int) -> None:
        async with self._moved:
            self._position = position
            self._moved.notify_all()

    def _is_taken(self, key: bytes, record: Record) -> bool:
        """Return True if the record changes the rows; keep it as unreadable if not."""
        self._unreadable.pop(key, None)
        if record.value is None or self._is_readable(record):
            return True
        self._unreadable[key] = record
        return False

    async def _get_records(
        self, partitions: Sequence[TopicPartition], max_records: int | None
    ) -> Batches:
        found: Batches = await self._reader.getmany(
            *partitions, timeout_ms=_POLL_MS, max_records=max_records
        )
        return found

    async def _read_position(self) -> int:
        position: int = await with_deadline(
            self._reader.position(self._partition), self._settings.deadline, "asking"
        )
        return position

    def _rewind(self) -> None:
        if self._handed_over is not None:
            self._reader.seek(self._partition, self._handed_over)


def _asking_for_end(topic: str) -> str:
    return f"asking for the end of {topic}"


@asynccontextmanager
async def follow_table(
    settings: Settings, topic: str, is_readable: Callable[[Record], bool] = lambda record: True
) -> AsyncIterator[TableFollower]:
    """Yield a follower that has read what is in the topic now; `is_readable` is that of
    TableFollower. Raises the errors of `open_client` and `current`."""
    consumer = make_consumer(settings, fetch_max_wait_ms=_FETCH_WAIT_MS)
    async with open_client(consumer, settings) as reader:
        follower = TableFollower(settings, reader, topic, is_readable)
        partition, what = TopicPartition(topic, 0), _asking_for_end(topic)
        ends = await ask_ends(reader, [partition], settings.deadline, what)  # it fetches later
        reading = asyncio.create_task(follower.run())
        try:
            await follower.read_up_to(ends[partition])
            yield follower
        finally:
            reading.cancel()
            await asyncio.wait({reading})
            await follower.close()


@asynccontextmanager
async def follow_table_if_there(
    settings: Settings, topic: str, is_readable: Callable[[Record], bool] = lambda record: True
) -> AsyncIterator[TableFollower | None]:
    """Yield what `follow_table` does; None if the topic does not exist now."""
    async with ClusterAdmin.open(settings) as admin:
        exists = topic in await admin.topics([topic])
    if not exists:
        yield None
        return
    async with follow_table(settings, topic, is_readable) as follower:
        yield follower
