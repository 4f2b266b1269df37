"""What does the notifier's lane do with dead letters, alerts, wishes, and when time passes?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel

from farandole.events import settlement
from farandole.events.control import Mute
from farandole.events.names import Names
from farandole.events.record import Outgoing, Record, Undecodable
from farandole.lanes.lane import Done
from farandole.lanes.port import Partition, Tables
from farandole.notifier import rows
from farandole.notifier.alarms import Alarm
from farandole.notifier.casebook import Casebook, Changes
from farandole.notifier.letters import Letter, Schemas
from farandole.notifier.outcome import Attempt
from farandole.notifier.sending import Sending

log = structlog.get_logger()

_SLICE = 0.5  # seconds of handling in one transaction
_CALM = 2.0  # seconds without an old letter after which no letter is taken to be unread
_OLD = 10.0  # seconds; of stages that keep failing, younger ones never cease to come
_PATIENCE = 2.0  # seconds that attempts under way have when the lane ends


def now() -> datetime:
    return datetime.now(UTC)


class Notifying:
    """`lanes.lane.Work` over every dead-letter topic, alerts and `farandole.control`."""

    def __init__(
        self,
        names: Names,
        casebook: Casebook,
        sending: Sending,
        schemas: Schemas,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._names = names
        self._casebook = casebook
        self._sending = sending
        self._schemas = schemas
        self._clock = clock
        self._calm_since: datetime | None = None
        self._unmarked: dict[bytes, Attempt] = {}
        """What came of attempts, and is not committed: a life that ends forgets nothing of it."""

    @property
    def waits(self) -> None:
        return None

    def born(self, tables: Tables) -> None:
        self._calm_since = None
        names = self._names
        wishes = rows.wishes(tables[names.control].values())
        self._casebook.restored(
            rows.incidents(tables[names.incidents]),
            rows.notices(tables[names.outbox]),
            [wish for wish in wishes if isinstance(wish, Mute)],
        )
        self._mark(self._unmarked)

    async def handle(self, records: Sequence[Record]) -> Done:
        ends = time.monotonic() + _SLICE
        settled = 0
        for record in records:
            self._one(record)
            settled += 1
            if time.monotonic() >= ends:
                break
        self._pass(records, unread=settled < len(records))
        self._tend()
        return self._done(settled)

    async def give_up(self, record: Record, deaths: int) -> Done:
        """Count it, and read nothing of it."""
        log.error("letter.unread", topic=record.topic, offset=record.offset, deaths=deaths)
        place = (record.topic, record.partition, record.offset, record.timestamp)
        self._one(Undecodable(*place))
        self._tend()
        return self._done(1)

    def idle(self) -> Done | None:
        self._pass(())
        self._tend()
        done = self._done(0)
        return done if done.writes else None

    def committed(self, done: Done) -> None:
        to_send, marked = done.tally
        for key in marked:
            del self._unmarked[key]
        for notice in to_send:
            self._casebook.sent(notice)
            self._sending.start(notice)

    async def end(self) -> Done | None:
        await self._sending.end(_PATIENCE)
        self._take_attempts()
        done = self._done(0)
        return done if done.writes else None

    def _one(self, record: Record) -> None:
        if record.topic == self._names.control:
            for wish in rows.wishes([record.value] if record.value else []):
                self._casebook.asked(wish)
            return
        if record.topic == self._names.alerts:
            alarm = Alarm.read(record, self._clock())
            if alarm is not None:
                self._casebook.heard(alarm)
            return
        origin = self._names.of_dead(record.topic)
        if origin is not None and not settlement.is_one(record.headers):
            self._casebook.died(Letter.read(record, *origin, self._schemas, self._clock()))

    def _pass(self, records: Sequence[Record], *, unread: bool = False) -> None:
        """Time passes only where no letter of an earlier time can be expected."""
        at = self._clock()
        oldest = (at.timestamp() - _OLD) * 1000
        if unread or any(record.timestamp < oldest for record in records):
            self._calm_since = None
            return
        self._calm_since = self._calm_since or at
        if (at - self._calm_since).total_seconds() >= _CALM:
            self._casebook.passed(at)

    def _take_attempts(self) -> None:
        ended = dict(self._sending.ended())
        self._unmarked |= ended
        self._mark(ended)

    def _mark(self, attempts: Mapping[bytes, Attempt]) -> None:
        for key, attempt in attempts.items():
            self._casebook.tried(key, attempt, self._clock())

    def _tend(self) -> None:
        self._take_attempts()
        self._casebook.due(self._clock())

    def _done(self, settled: int) -> Done:
        changes = self._casebook.taken() or Changes({}, {}, ())
        writes = {
            Partition(topic, 0): [Outgoing(key, _value(row)) for key, row in changed.items()]
            for topic, changed in (
                (self._names.incidents, changes.incidents),
                (self._names.outbox, changes.notices),
            )
            if changed
        }
        return Done(settled, writes, (changes.to_send, tuple(self._unmarked)))


def _value(row: BaseModel | None) -> bytes | None:
    return None if row is None else row.model_dump_json().encode()
