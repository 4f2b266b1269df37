"""Which notices wait for delivery, when is each one tried again, and which rows have changed?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.broker.backoff import Backoff
from farandole.events.incident_record import Notice
from farandole.notifier.delivery_outcome import AttemptResult

HOUR = timedelta(hours=1)
MAX_WAITING_NOTICES = 200
"""The most notices of one pipeline that may wait for delivery. Then no more are written."""
DELIVERY_BACKOFF = Backoff(first=15.0, longest=900.0)
"""Between two attempts to deliver a notice."""


class OutboxChanges(NamedTuple):
    """The rows of the outbox table that changed, and the attempts to start after the commit."""

    notices: Mapping[bytes, Notice | None]
    """By key; None deletes the row."""
    to_send: tuple[Notice, ...]


@dataclass(slots=True)
class NoticeOutbox:
    """The notices that are not delivered, and those that were delivered within the last hour."""

    notices: dict[bytes, Notice] = field(default_factory=dict)
    sending: set[bytes] = field(default_factory=set)
    """The keys of the notices that this process is delivering at the moment."""
    _changed_notices: dict[bytes, None] = field(default_factory=dict)
    """The keys of changed rows, in the order of their first change."""
    _to_send: dict[bytes, Notice] = field(default_factory=dict)

    def restore(self, notices: Iterable[Notice]) -> None:
        """Replace the notices by those that the last owner committed. Running attempts stay
        known."""
        self.notices = {notice.key: notice for notice in notices}
        self._changed_notices, self._to_send = {}, {}

    def add(self, notice: Notice) -> None:
        """Store a new notice, or one that is due again, and schedule its next attempt."""
        # The attempt is counted before it is made. So the count shows that a notice may have
        # arrived, even if the result of the attempt was lost.
        counted = notice.model_copy(update={"attempts": notice.attempts + 1, "due": None})
        self._store(notice.key, counted)
        self._to_send[notice.key] = counted

    def start_attempt(self, notice: Notice) -> None:
        """Note that an attempt is running. The caller has committed the row that counts the
        attempt."""
        self.sending.add(notice.key)

    def finish_attempt(self, key: bytes, attempt: AttemptResult, now: datetime) -> None:
        """Store the result of an attempt: delivered, or due again after a backoff."""
        self.sending.discard(key)
        notice = self.notices.get(key)
        if notice is None or notice.delivered is not None:
            return
        if not attempt.was_made:
            counted = attempt.remaining
            if counted is not None and counted.attempts == notice.attempts:
                self._store(key, notice.model_copy(update={"attempts": notice.attempts - 1}))
            return
        update: dict[str, object] = {"failures": dict(attempt.failures)}
        if attempt.remaining is None:
            update |= {"delivered": now, "due": None}
        else:
            due = now + timedelta(seconds=DELIVERY_BACKOFF.longest_delay(notice.attempts))
            update |= {"recipients": attempt.remaining.recipients, "due": due}
        self._store(key, notice.model_copy(update=update))

    def retry_due(self, now: datetime) -> None:
        """Schedule the notices that are due again, and delete those delivered over an hour ago."""
        for key, notice in list(self.notices.items()):
            if notice.delivered is not None:
                if notice.written + HOUR < now and notice.delivered + HOUR < now:
                    del self.notices[key]
                    self._changed_notices[key] = None
            elif key in self.sending or key in self._to_send:
                continue
            elif notice.due is None or notice.due <= now:
                self.add(notice)

    def allowance(self, pipeline: str, per_hour: int, now: datetime) -> int:
        """Return how many notices of a pipeline may still be written now.

        Two limits apply: `per_hour` notices within an hour, and `MAX_WAITING_NOTICES` that are not
        delivered. The result can be negative. An incident that gets no notice now grows, and gets
        one later."""
        of_pipeline = [n for n in self.notices.values() if n.pipeline == pipeline]
        recent = sum(1 for n in of_pipeline if n.written > now - HOUR)
        waiting = sum(1 for n in of_pipeline if n.delivered is None)
        return min(per_hour - recent, MAX_WAITING_NOTICES - waiting)

    def take_changes(self) -> OutboxChanges:
        """Return the changes since the last call."""
        changes = OutboxChanges(
            {key: self.notices.get(key) for key in self._changed_notices},
            tuple(self._to_send.values()),
        )
        self._changed_notices, self._to_send = {}, {}
        return changes

    def has_changes(self) -> bool:
        """Return True if `take_changes` would return something to write or to send."""
        return bool(self._changed_notices or self._to_send)

    def _store(self, key: bytes, notice: Notice) -> None:
        self.notices[key] = notice
        self._changed_notices[key] = None
