"""What time is it by the broker's clock?

A reading is a record whose time the broker sets as it appends it (`LogAppendTime`). So at the end
of a reading the broker's clock shows that time at least: from there on this machine's monotonic
clock goes on, and the result is never ahead of the broker's clock. It is behind by the way of an
answer, about a millisecond, and by what two clocks may drift apart. (A broker also tells the time
with DescribeQuorum, as precisely; but that takes Kafka 3.3, and a right that nothing else needs.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from farandole.broker.backoff import Backoff, is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.missing_rights import denial_text, missing_right
from farandole.broker.settings import Settings

log = structlog.get_logger()

CLOCK_KEY = b"clock"
"""The key of the records in `farandole.schedules` by which the clock is read; they have no
value."""
READING_AGE = 60.0  # seconds after which the clock is read again
_LONGEST_AGE = 180.0  # seconds after which a reading says nothing any more
_LARGEST_JUMP = 1.0  # seconds by which the clocks of this machine may move against each other
_DRIFT = 200e-6  # by which share this machine's clock may run faster than the broker's
_READINGS = 5  # of each round
_LOG_APPEND_TIME = 1
_READING = "reading the broker's clock"
_BACKOFF = Backoff(first=0.2, longest=5.0)


class ClockReading(NamedTuple):
    """What the broker has told, and what the clocks of this machine showed when it came."""

    told: float
    """In seconds of the epoch, as is `wall`."""
    monotonic: float
    wall: float


class BrokerClock:
    """The broker's clock, by readings of it and by this machine's clocks."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`monotonic` stands still while the machine is suspended, and `wall` does not: that they
        have moved against each other shows it, as it shows that somebody has set the clock."""
        self._monotonic = monotonic
        self._wall = wall
        self._best: ClockReading | None = None

    def read(self, told: float) -> ClockReading:
        """Return a reading: the broker has just told this time."""
        return ClockReading(told, self._monotonic(), self._wall())

    def set(self, readings: Sequence[ClockReading]) -> None:
        """Go by these readings from now on. Each is right, and the quickest the most precise."""
        self._best = max(readings, key=lambda each: each.told - each.monotonic)

    def now(self) -> float | None:
        """Return the time in seconds of the epoch, never one that the broker's clock has not
        reached. None if it must be read: it never was, or for too long, or this machine's clock has
        jumped."""
        best, at = self._best, self._monotonic()
        if best is None or at - best.monotonic > _LONGEST_AGE:
            return None
        if abs((self._wall() - at) - (best.wall - best.monotonic)) > _LARGEST_JUMP:
            return None
        return best.told + (at - best.monotonic) * (1 - _DRIFT)

    @property
    def is_due(self) -> bool:
        """True if the clock is to be read."""
        best = self._best
        return (
            best is None or self._monotonic() - best.monotonic > READING_AGE or self.now() is None
        )

    @property
    def difference(self) -> float | None:
        """By how many seconds this machine's wall clock is ahead of the broker's; None if that is
        not known."""
        now = self.now()
        return None if now is None else self._wall() - now


class KafkaClock:
    """The clock of the broker that leads `farandole.schedules`, read whenever somebody asks for it
    and the last reading is too old: a scheduler that only stands by writes nothing."""

    def __init__(self, settings: Settings, clock: BrokerClock | None = None) -> None:
        self._settings = settings
        self._topic = settings.names.schedules_topic
        self._clock = clock or BrokerClock()
        self._asked = asyncio.Event()
        self._read = asyncio.Condition()
        self._error: BrokerError | None = None
        self._has_own_time = True

    def now(self) -> datetime | None:
        """Return the time (`BrokerClock.now`)."""
        if self._clock.is_due:
            self._asked.set()
        now = self._clock.now()
        return None if now is None else datetime.fromtimestamp(now, UTC)

    @property
    def difference(self) -> float | None:
        """By how many seconds this machine's wall clock is ahead of the broker's; None if that is
        not known."""
        return self._clock.difference

    async def known(self) -> None:
        """Wait until the time is known. Raises BrokerError if it cannot be read."""
        while self.now() is None:
            async with self._read:
                await self._read.wait()
            if self._error is not None:
                raise self._error

    async def run(self) -> None:
        """Read the clock whenever it is asked for, until cancelled."""
        failures = 0  # in a row
        while True:
            try:
                async with open_client(make_producer(self._settings), self._settings) as producer:
                    while True:
                        await self._asked.wait()
                        self._asked.clear()
                        self._clock.set(
                            [await self._take_reading(producer) for _ in range(_READINGS)]
                        )
                        failures = 0
                        await self._report(None)
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("scheduler.clock_unread", why=str(error))
                await self._report(error)
                await asyncio.sleep(_BACKOFF.delay(failures))

    async def _take_reading(self, producer: AIOKafkaProducer) -> ClockReading:
        try:
            written = await with_deadline(
                producer.send_and_wait(self._topic, None, key=CLOCK_KEY, partition=0),
                self._settings.deadline,
                _READING,
            )
        except KafkaError as error:
            right = missing_right(error, "Write")
            why = str(error) if right is None else denial_text(right)
            raise BrokerError(f"{_READING}: {why}") from None
        is_told = written.timestamp_type == _LOG_APPEND_TIME
        return self._clock.read(written.timestamp / 1000 if is_told else self._own_time())

    def _own_time(self) -> float:
        """Return the time of this machine: the broker tells none of its own."""
        if self._has_own_time:
            self._has_own_time = False
            log.warning(
                "scheduler.clock_own",
                why=f"{self._topic} does not have message.timestamp.type=LogAppendTime, so this"
                " machine's clock counts",
                remedy="set it with kafka-configs.sh, and start the scheduler again",
            )
        return time.time()

    async def _report(self, error: BrokerError | None) -> None:
        async with self._read:
            self._error = error
            self._read.notify_all()
