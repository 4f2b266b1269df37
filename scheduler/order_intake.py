"""Which orders stand in the control topic, and what has fired of the times that they are about?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from farandole.events.controls_in_force import TimedDocument, oldest_of_each
from farandole.events.firing_record import FiringRecord
from farandole.events.record_time import MOMENT
from farandole.events.schedule_document import BackfillDocument, FireDocument
from farandole.events.schedule_row import order_key
from farandole.scheduler.facts import PastFiring
from farandole.scheduler.order_change import PastTimes

_VISIBLE = timedelta(minutes=1)
"""After this, a record that was committed is read by everybody who begins to read."""

ReadPast = Callable[[str, str, datetime, datetime], Sequence[PastFiring] | None]
"""`farandole.scheduler.facts.Facts.past_firings`."""


@dataclass
class _Past:
    """What has fired in the range of an order: what was read, and what was fired since then."""

    pipeline: str
    schedule: str
    order: str
    start: datetime
    end: datetime
    is_read: bool = False
    under_own_key: set[datetime] = field(default_factory=set)
    at_all: set[datetime] = field(default_factory=set)
    by_id: set[datetime] = field(default_factory=set)

    def note(self, planned: datetime, suffix: str) -> None:
        self.at_all.add(planned)
        if not suffix:
            self.under_own_key.add(planned)
        if suffix == self.order:
            self.by_id.add(planned)

    def concerns(self, record: FiringRecord) -> bool:
        return (
            (record.pipeline, record.schedule) == (self.pipeline, self.schedule)
            and record.outcome == "fired"
            and self.start <= record.planned < self.end
        )


class OrderIntake:
    """The orders, by the keys of their rows."""

    def __init__(self) -> None:
        self._documents: dict[bytes, TimedDocument] = {}
        self._past: dict[bytes, _Past] = {}
        self._recent: deque[FiringRecord] = deque()
        """What was fired within the last minute."""

    def take(self, documents: Iterable[TimedDocument]) -> set[bytes]:
        """Take over the documents in the log. Return the keys of the orders that are new or have
        another document, and of those whose documents are gone."""
        before = self._documents
        # The oldest of an id counts, whether it is read together with the others or before them.
        self._documents = {
            _row_key(each): each
            for each in oldest_of_each([*documents], FireDocument, BackfillDocument)
        }
        changed = {
            key
            for key in before.keys() | self._documents.keys()
            if _generation(before.get(key)) != _generation(self._documents.get(key))
        }
        for key in changed:
            self.forget_past(key)
        return changed

    def document(self, key: bytes) -> TimedDocument | None:
        """Return the document of an order; None if there is none."""
        return self._documents.get(key)

    @property
    def keys(self) -> Collection[bytes]:
        """The keys of the rows of all orders that have a document."""
        return self._documents.keys()

    def note(self, record: FiringRecord) -> None:
        """Note what was fired."""
        if record.outcome != "fired" or record.run is not None:
            return  # with its run it is written for the second time
        self._recent.append(record)
        while record.at - self._recent[0].at > _VISIBLE:
            self._recent.popleft()
        for past in self._past.values():
            if past.concerns(record):
                past.note(record.planned, record.suffix)

    def past(self, key: bytes, read: ReadPast) -> PastTimes | None:
        """Return what has fired in the range of an order; None if it is being read."""
        past = self._past.get(key)
        if past is None:
            past = self._past[key] = _new_past(self._documents[key])
            for record in filter(past.concerns, self._recent):
                past.note(record.planned, record.suffix)
        if not past.is_read:
            found = read(past.pipeline, past.schedule, past.start, past.end)
            if found is None:
                return None
            past.is_read = True
            for planned, suffix, outcome in found:
                if outcome == "fired":
                    past.note(planned, suffix)
        return PastTimes(past.under_own_key, past.at_all, past.by_id)

    def forget_past(self, key: bytes) -> None:
        """Forget what has fired: the order is executed, or withdrawn."""
        self._past.pop(key, None)


def _generation(document: TimedDocument | None) -> int | None:
    return None if document is None else document.generation


def _row_key(document: TimedDocument) -> bytes:
    control = document.control
    assert isinstance(control, FireDocument | BackfillDocument)
    return control.key if isinstance(control, BackfillDocument) else order_key(control.key)


def _new_past(document: TimedDocument) -> _Past:
    control = document.control
    assert isinstance(control, FireDocument | BackfillDocument)
    if isinstance(control, FireDocument):
        start, end = control.planned, control.planned + MOMENT
    else:
        start, end = control.start, control.end
    return _Past(control.pipeline, control.schedule, control.id, start, end)
