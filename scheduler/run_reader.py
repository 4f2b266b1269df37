"""What do the books say of runs since the lane has last read them?

`farandole.runs` is read without a group, from where the state of the lane says: so what was decided
by it and how far it was read are committed together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.backoff import Backoff, is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import Record, UndecodableRecord
from farandole.events.row_format import NewerFormatError
from farandole.events.run_row import parse_run_row
from farandole.scheduler.facts import RunChange, RunCursor, RunsRead

log = structlog.get_logger()

MAX_BUFFERED = 20_000  # changes that are read and not taken, unless somebody waits for the end
_POLL_MS = 200  # how long a poll waits; it returns at once when a record comes
_FULL_PAUSE = 0.05  # seconds between two looks whether there is room again
_BACKOFF = Backoff(first=0.2, longest=5.0)

AskForEnds = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
_TOLD = ("completed", "settled", "amended")
"""The transitions that are more than a newer row."""


class RunBuffer:
    """The changes that were read and not taken. Of several rows of a run of which nothing else is
    told, only the newest is kept."""

    def __init__(self, cursor: RunCursor) -> None:
        self._taken = dict(cursor)
        self._read = dict(cursor)
        self._changes: dict[int, tuple[int, int, RunChange]] = {}
        self._plain: dict[str, int] = {}
        """By run, the place of a change in `_changes` that a newer row replaces."""
        self._left: dict[int, int] = {}
        """By partition, how many changes of it are left."""
        self._next = 0

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, partition: int, offset: int, change: RunChange) -> None:
        """Add the next change of a partition."""
        replaced = self._plain.pop(change.run, None)
        if replaced is not None:
            del self._changes[replaced]
            self._left[partition] -= 1
        if not change.transition:
            self._plain[change.run] = self._next
        self._changes[self._next] = partition, offset, change
        self._left[partition] = self._left.get(partition, 0) + 1
        self._next += 1

    def move(self, partition: int, position: int) -> None:
        """Note that a partition is read up to this offset."""
        self._read[partition] = position

    def take(self, limit: int) -> RunsRead | None:
        """Return the oldest changes, `limit` of them at most; None if there are none."""
        places = list(islice(self._changes, limit))
        if not places:
            return None
        changes = []
        for place in places:
            partition, offset, change = self._changes.pop(place)
            if self._plain.get(change.run) == place:
                del self._plain[change.run]
            self._left[partition] -= 1
            self._taken[partition] = offset + 1
            changes.append(change)
        for partition, position in self._read.items():
            if not self._left.get(partition):
                self._taken[partition] = max(position, self._taken.get(partition, 0))
        return RunsRead(changes, dict(self._taken))


class RunReader:
    """Reads `farandole.runs` beside the lane (`farandole.scheduler.facts.RunFacts`)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.names.runs_topic
        self._buffer = RunBuffer({})
        self._cursor: RunCursor | None = None
        """From where to read on; None once the reader does."""
        self._is_wanted = asyncio.Event()
        self._is_reading = False
        self._positions: dict[TopicPartition, int] = {}
        self._moved = asyncio.Condition()
        self._waiting = 0  # calls of `read_to_end`
        self._failures = 0
        self._failure = ""
        self._newer: NewerFormatError | None = None

    def follow(self, cursor: RunCursor) -> None:
        """Read on from here (`RunFacts.follow`)."""
        self._buffer = RunBuffer(cursor)
        self._cursor = cursor
        self._newer = None
        self._is_wanted.set()

    def rest(self) -> None:
        """Read nothing until the next `follow`."""
        self._is_wanted.clear()
        self._buffer = RunBuffer({})

    def take(self, limit: int) -> RunsRead | None:
        """Return the next changes (`RunFacts.take`). Raises NewerFormatError at a row that a newer
        bookkeeper has written."""
        found = self._buffer.take(limit)
        if found is None and self._newer is not None:
            raise self._newer
        return found

    @property
    def has_some(self) -> bool:
        """True if `take` would return some, or raise."""
        return len(self._buffer) > 0 or self._newer is not None

    async def read_to_end(self, ask: AskForEnds) -> None:
        """Wait until everything is read that could be read when this was called, however much it
        is. `ask` returns the ends of partitions, up to which committed records can be read. Raises
        BrokerError."""
        self._waiting += 1
        try:
            await self._until(lambda: self._is_reading and self._cursor is None)
            ends = await ask(list(self._positions))
            await self._until(
                lambda: all(self._positions.get(tp, 0) >= end for tp, end in ends.items())
            )
        finally:
            self._waiting -= 1

    async def _until(self, met: Callable[[], bool]) -> None:
        """Wait until this is true, or `take` would raise. Raises BrokerError if reading fails
        meanwhile, and DeadlineExceededError if nothing is read for too long."""
        before, what = self._failures, f"reading {self._topic}"
        async with self._moved:
            while not met() and self._newer is None:
                await with_deadline(self._moved.wait(), self._settings.deadline, what)
                if self._failures > before:
                    raise BrokerError(f"{what}: {self._failure}")

    async def run(self) -> None:
        """Read from the first `follow` on, until cancelled."""
        failures = 0  # in a row
        while True:
            await self._is_wanted.wait()
            try:
                # Nothing else is asked of this client: a fetch that finds nothing may take long.
                consumer = make_consumer(self._settings, fetch_max_wait_ms=500)
                async with open_client(consumer, self._settings) as reader:
                    skipper = UndecodableSkipper(reader, partial(self._rewind, reader))
                    self._is_reading = True
                    while self._is_wanted.is_set():
                        await self._read(reader, skipper)
                        failures = 0
                self._is_reading = False
            except (BrokerError, KafkaError) as error:
                failures += 1
                if is_logged(failures):
                    log.warning("scheduler.runs_unread", why=str(error))
                self._is_reading = False
                if self._cursor is None:
                    self._cursor = {tp.partition: at for tp, at in self._positions.items()}
                async with self._moved:
                    self._failures, self._failure = self._failures + 1, str(error)
                    self._moved.notify_all()
                await asyncio.sleep(_BACKOFF.delay(failures))

    async def _read(self, reader: AIOKafkaConsumer, skipper: UndecodableSkipper) -> None:
        """Read once; wait while the buffer is full and nobody waits for the end."""
        before = dict(self._positions)
        if self._cursor is not None:
            await self._seek(reader)
            before = {}
        if self._newer is not None or (len(self._buffer) >= MAX_BUFFERED and not self._waiting):
            await asyncio.sleep(_FULL_PAUSE)
            return
        found = await skipper.poll(list(self._positions), partial(_poll, reader))
        if self._cursor is not None:
            return  # the lane has sent us elsewhere meanwhile
        for records in found.values():
            for record in records:
                self._add(record)
        if self._newer is None:
            for tp in self._positions:
                # Behind the last record there may be the marker of its transaction.
                position: int = await reader.position(tp)
                self._positions[tp] = position
                self._buffer.move(tp.partition, position)
        if self._positions != before:
            async with self._moved:
                self._moved.notify_all()

    def _add(self, record: Record) -> None:
        if self._newer is not None:
            return
        try:
            change = run_change(record)
        except NewerFormatError as error:
            self._newer = error
            return
        if change is not None:
            self._buffer.add(record.partition, record.offset, change)

    async def _seek(self, reader: AIOKafkaConsumer) -> None:
        """Begin at the cursor; at the first record of a partition in which it is out of range: the
        topic was created again, or written anew."""
        cursor = self._cursor
        assert cursor is not None
        async with ClusterAdmin.open(self._settings) as admin:
            width = (await admin.topics([self._topic])).get(self._topic, 0)
            partitions = [TopicPartition(self._topic, index) for index in range(width)]
            firsts = await admin.start_offsets(partitions)
            ends = await admin.end_offsets(partitions)
        if not partitions:
            raise BrokerError(f"there is no {self._topic}")
        reader.assign(partitions)
        self._positions = {}
        for tp in partitions:
            at = cursor.get(tp.partition, firsts[tp])
            if not firsts[tp] <= at <= ends[tp]:
                log.warning("scheduler.runs_lost", partition=tp.partition, offset=at)
                at = firsts[tp]
            self._positions[tp] = at
        self._rewind(reader)
        if self._cursor is cursor:
            self._cursor = None

    def _rewind(self, reader: AIOKafkaConsumer) -> None:
        for tp, at in self._positions.items():
            reader.seek(tp, at)


def run_change(record: Record) -> RunChange | None:
    """Return what a record of `farandole.runs` says; None if no bookkeeper wrote it. Raises
    NewerFormatError."""
    if isinstance(record, UndecodableRecord) or record.key is None:
        return None
    run = record.key.decode(errors="backslashreplace")
    if record.value is None:
        return RunChange(run)
    row = parse_run_row(record.value)
    if row is None or row["run"] != run:
        return None
    told = dict(record.headers).get("ce_type") or b""
    transition = told.decode(errors="replace").removeprefix("run.")
    root, closed = row["root"], row["closed"]
    return RunChange(
        run,
        transition if transition in _TOLD else "",
        row["pipeline"],
        "" if root is None else root["type"],
        row["status"],
        None if closed is None else datetime.fromtimestamp(closed / 1000, UTC),
    )


async def _poll(
    reader: AIOKafkaConsumer, partitions: Sequence[TopicPartition], max_records: int | None
) -> Batches:
    found: Batches = await reader.getmany(*partitions, timeout_ms=_POLL_MS, max_records=max_records)
    return found
