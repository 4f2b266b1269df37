"""What does a lane of the bookkeeper do with entries, and when time passes?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from farandole.events.alert import Alert
from farandole.events.alert import outgoing as outgoing_alert
from farandole.events.envelope import constant_headers
from farandole.events.headers import part, sized, varint
from farandole.events.names import Names
from farandole.events.record import Outgoing, Record
from farandole.lanes.lane import Done
from farandole.lanes.port import Partition, Tables
from farandole.ledger import late, reading
from farandole.ledger.book import Book, Change
from farandole.ledger.fold import events_in
from farandole.ledger.stuck import Condition, Watch

log = structlog.get_logger()

_CALM = 2_000  # milliseconds without an old entry after which no old one is taken to be unread
_OLD = 10_000  # milliseconds; of stages that are at work, younger ones never cease to come
_SLICE = 0.5  # seconds of folding in one transaction
_LARGEST = 8 * 1024 * 1024  # bytes of rows in one transaction, nearly
_SAY = 10.0  # seconds between two words about records that are no entries

POSITION = b"position"
_FIRING = b"firing/"  # before the key of an alert
_ID = sized(b"ce_id")


def now() -> int:
    """Milliseconds of the epoch."""
    return time.time_ns() // 1_000_000


class Bookkeeping:
    """`lanes.lane.Work` over partition `index` of `farandole.ledger`."""

    def __init__(
        self,
        names: Names,
        index: int,
        source: str,
        book: Book | None = None,
        clock: Callable[[], int] = now,
        seen: Callable[[], Sequence[Condition] | None] = lambda: None,
    ) -> None:
        """`source`: the `ce_source` of what it writes; `clock` gives milliseconds of the epoch;
        `seen` what stages are like, or None where that is not known anew: to be given to one lane
        alone."""
        self._into = Partition(names.runs, index)
        self._state = Partition(names.bookkeeper_state, index)
        self._alerts = Partition(names.alerts, 0)
        self._source = source
        self._book = book or Book()
        self._clock = clock
        self._calm_since: int | None = None
        self._asked = 0
        self._oldest = 0
        """Of the entries of one batch, when the earliest was written."""
        self._firing: list[Alert] = []
        self._seen = seen
        self._watch = Watch()
        self._unread = 0
        self._said = -_SAY
        self._next = 0
        """The offset up to which (exclusive) everything is in the rows: a group's offsets expire
        when nobody is at work for a week, and to count entries twice is worse than to miss some."""

    @property
    def waits(self) -> None:
        return None

    def born(self, tables: Tables) -> None:
        self._calm_since = None
        self._firing = []
        foreign = self._book.restored(tables[self._into.topic])
        if foreign:
            log.warning("books.foreign", topic=self._into.topic, rows=foreign)
        state = tables[self._state.topic]
        self._next = int(state.get(POSITION, b"0"))
        self._watch.restored(_alerts(state))
        self._seen()  # what was seen before another lane wrote is of then

    async def handle(self, records: Sequence[Record]) -> Done:
        ends = time.monotonic() + _SLICE
        settled = 0
        self._oldest = self._clock()
        for record in records:
            if record.offset >= self._next:
                self._one(record)
                self._next = record.offset + 1
            settled += 1
            if self._book.size >= _LARGEST or time.monotonic() >= ends:
                break
        at = self._clock()
        if self._calm(at, old=self._oldest < at - _OLD):
            # Entries of the last seconds may be unread: what was due before them is late.
            self._judge(at - _OLD)
        return Done(settled, self._writes(f"{record.topic}/{record.partition}/{record.offset}"))

    async def give_up(self, record: Record, deaths: int) -> Done:
        """Its runs will never be complete: what it said of them is not known."""
        log.error("entry.unread", partition=record.partition, offset=record.offset, deaths=deaths)
        self._next = record.offset + 1
        return Done(1, self._writes(""))

    def idle(self) -> Done | None:
        at = self._clock()
        if self._calm(at):
            self._judge(at)  # all is read: what is not complete now is late, and not just unread
        writes = self._writes(f"{self._into.topic}/{self._into.partition}/{at}")
        return Done(0, writes) if writes[self._into] or writes[self._alerts] else None

    def committed(self, done: Done) -> None:
        pass

    async def end(self) -> Done | None:
        return None

    def _calm(self, at: int, *, old: bool = False) -> bool:
        """Can no entry be expected but those of now? `old`: one of an earlier time was read."""
        asleep, self._asked = at - self._asked > _OLD, at  # the process, or its connection
        if old:
            self._calm_since = None
            return False
        if asleep or self._calm_since is None:
            self._calm_since = at
        return at - self._calm_since >= _CALM

    def _judge(self, due: int) -> None:
        """Call those late that should have been complete before."""
        self._firing = [late.fired(row) for row in self._book.late(due)]

    def _one(self, record: Record) -> None:
        entry = reading.entry(record.value)
        if entry is None:
            self._pass_over(record)
            return
        self._oldest = min(self._oldest, entry["at"])
        events = events_in(entry)
        for each in entry["runs"]:
            self._book.add(each, entry, events)

    def _pass_over(self, record: Record) -> None:
        self._unread += 1
        at = time.monotonic()
        if at - self._said >= _SAY:
            log.warning(
                "entry.foreign",
                partition=record.partition,
                offset=record.offset,
                records=self._unread,
            )
            self._said, self._unread = at, 0

    def _writes(self, cause: str) -> dict[Partition, list[Outgoing]]:
        at = self._clock()
        changes = self._book.taken(at)
        written = datetime.fromtimestamp(at / 1000, UTC)
        heads = {
            what: part(constant_headers(self._source, f"run.{what}", written))
            for what in {change.what for change in changes}
            if what is not None
        }
        id_ = f"{cause}/".encode()

        def outgoing(change: Change) -> Outgoing:
            if change.what is None:
                return Outgoing(change.run, None)
            count, head = heads[change.what]
            return Outgoing(
                change.run, change.row, varint(count + 1) + head + _ID + sized(id_ + change.run)
            )

        seen = self._seen()
        news = [] if seen is None else self._watch.judged(seen, at)
        told = [*self._firing, *map(late.resolved, self._book.no_more_late()), *news]
        self._firing = []
        return {
            self._into: [outgoing(change) for change in changes],
            self._alerts: [
                outgoing_alert(alert, self._source, id_ + alert.key.encode(), written)
                for alert in told
            ],
            self._state: [Outgoing(POSITION, b"%d" % self._next), *map(_kept, news)],
        }


def _kept(alert: Alert) -> Outgoing:
    """As the lane's state: what fires."""
    firing = alert.model_dump_json().encode() if alert.state == "firing" else None
    return Outgoing(_FIRING + alert.key.encode(), firing)


def _alerts(state: Mapping[bytes, bytes]) -> list[Alert]:
    found = []
    for key, value in state.items():
        if key.startswith(_FIRING):
            try:
                found.append(Alert.model_validate_json(value))
            except ValidationError:
                log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
    return found
