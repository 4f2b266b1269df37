"""Which notices wait for delivery, when is each one tried again, and which rows have changed?

While deliveries succeed, notices are sent as they are written. Once one has failed, those with the
same recipients go out one at a time, the oldest first, until none waits: so they arrive in order
after an outage. After the oldest has failed another one is tried at once, so that a single notice
which its server never takes cannot hold up the others; if the server comes back just then, that one
is the first to arrive.
"""

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


_OUTAGE_FAILURES = 2
"""Failed attempts in a row after which a success means that an outage is over."""

Route = tuple[object, ...]
"""What notices have in common that the same people get in the same way."""


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
    _failures_in_a_row: dict[Route, int] = field(default_factory=dict)
    """By route: failed attempts since the last success."""

    def restore(self, notices: Iterable[Notice]) -> None:
        """Replace the notices by those that the last owner committed. Running attempts stay
        known."""
        self.notices = {notice.key: notice for notice in notices}
        self._changed_notices, self._to_send, self._failures_in_a_row = {}, {}, {}

    def add(self, notice: Notice) -> None:
        """Store a new notice. Schedule its first attempt; but if older ones of its route wait, let
        the oldest be tried first, now."""
        waiting = self._waiting(_route(notice))
        if not any(map(self._is_late, waiting)):
            self._schedule(notice)
            return
        self._store(notice.key, notice)
        if waiting[0].due is not None:
            self._store(waiting[0].key, waiting[0].model_copy(update={"due": None}))

    def _schedule(self, notice: Notice) -> None:
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
        if attempt.remaining is None:
            self._note_success(_route(notice))
        else:
            self._note_failure(notice)

    def _note_success(self, route: Route) -> None:
        """After an outage, let the notices of a route be due now."""
        if self._failures_in_a_row.pop(route, 0) >= _OUTAGE_FAILURES:
            for notice in self._waiting(route):
                if notice.due is not None:
                    self._store(notice.key, notice.model_copy(update={"due": None}))

    def _note_failure(self, failed: Notice) -> None:
        """Let the notices of a route wait as long as its oldest one, unless that is what failed:
        then one more is tried."""
        route = _route(failed)
        self._failures_in_a_row[route] = self._failures_in_a_row.get(route, 0) + 1
        waiting = self._waiting(route)
        if not waiting or waiting[0].key == failed.key or waiting[0].due is None:
            return
        for notice in waiting[1:]:
            if notice.due is None or notice.due < waiting[0].due:
                self._store(notice.key, notice.model_copy(update={"due": waiting[0].due}))

    def retry_due(self, now: datetime) -> None:
        """Schedule the notices that are due again, and delete those delivered over an hour ago."""
        routes: dict[Route, list[Notice]] = {}
        for key, notice in list(self.notices.items()):
            if notice.delivered is None:
                routes.setdefault(_route(notice), []).append(notice)
            elif notice.written + HOUR < now and notice.delivered + HOUR < now:
                del self.notices[key]
                self._changed_notices[key] = None
        for waiting in routes.values():
            due = [n for n in waiting if not self._is_running(n) and (n.due or now) <= now]
            if any(map(self._is_late, waiting)):
                is_free = not any(map(self._is_running, waiting))
                due = [self._next_of_late(waiting, due)] if due and is_free else []
            for notice in due:
                self._schedule(notice)

    def _next_of_late(self, waiting: Iterable[Notice], due: Iterable[Notice]) -> Notice:
        """Return the oldest of the due notices; but if the last attempt has failed, and the oldest
        of all is not due, the one that was tried least, so that each has its turn."""
        oldest = min(due, key=_age)
        if oldest is min(waiting, key=_age) or not self._failures_in_a_row.get(_route(oldest)):
            return oldest
        return min(due, key=lambda notice: (notice.attempts, *_age(notice)))

    def _waiting(self, route: Route) -> list[Notice]:
        """Return the notices of a route that are not delivered, the oldest first."""
        found = (n for n in self.notices.values() if n.delivered is None and _route(n) == route)
        return sorted(found, key=_age)

    def _is_running(self, notice: Notice) -> bool:
        return notice.key in self.sending or notice.key in self._to_send

    def _is_late(self, notice: Notice) -> bool:
        """Return True if an attempt has failed, or none was made because others wait."""
        return bool(notice.failures) or not (notice.attempts or self._is_running(notice))

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


def _route(notice: Notice) -> Route:
    return notice.channels, notice.webhook, notice.recipients


def _age(notice: Notice) -> tuple[datetime, str]:
    return notice.written, notice.id
