"""What is to happen now to an order, from its document in the control topic to its end?

An order is executed once, whatever happens to its document later. Its document is deleted a week
after it was executed; the order's row is deleted when its document is gone, that of a backfill no
earlier than a week after its end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from farandole.events.controls_in_force import TimedDocument
from farandole.events.firing_record import FiringRecord
from farandole.events.schedule_document import BackfillDocument, FireDocument
from farandole.events.schedule_row import BackfillRow, OrderRow, ScheduleRow
from farandole.scheduler.backfill import DELETED, ended_early, go_on, new_backfill
from farandole.scheduler.facts import Facts
from farandole.scheduler.manual_firing import fire_by_hand
from farandole.scheduler.order_change import MakeTrigger, OrderChange, OrderSurroundings
from farandole.scheduler.order_intake import OrderIntake
from farandole.scheduler.schedule_history import ScheduleHistory
from farandole.scheduler.scheduler_state import SchedulerState

log = structlog.get_logger()

KEPT = timedelta(days=7)
"""For how long an order that was executed is known."""
READ_INTERVAL = timedelta(milliseconds=250)
"""How often to look whether it is read what has fired."""


class OrderedSchedule(NamedTuple):
    """The schedule that an order is about."""

    history: ScheduleHistory
    """Its newest version has the schedule."""
    row: ScheduleRow
    make_trigger: MakeTrigger
    most: int
    """How many firings there may be, at most."""


FindSchedule = Callable[[str, str], OrderedSchedule | str | None]
"""From pipeline and schedule to the schedule; why there is none; or None if a newer release alone
can say."""


class Orders:
    """The orders of the lane."""

    def __init__(self, state: SchedulerState, facts: Facts, tzdata: str) -> None:
        self._state = state
        self._facts = facts
        self._tzdata = tzdata
        self._intake = OrderIntake()

    def take(self, documents: Iterable[TimedDocument]) -> Collection[bytes]:
        """Take over the documents in the log. Return the keys of the orders that are to be looked
        at."""
        return self._intake.take(documents)

    def keys(self) -> Collection[bytes]:
        """Return the keys of all orders, with a document or a row."""
        backfills = (row.key for row in self._state.rows() if isinstance(row, BackfillRow))
        return {*self._intake.keys, *self._state.orders, *backfills}

    def note(self, record: FiringRecord) -> None:
        """Note what became of a planned time."""
        self._intake.note(record)

    def decide(self, key: bytes, find_schedule: FindSchedule, now: datetime) -> OrderChange:
        """Return what is to happen to an order."""
        document = self._intake.document(key)
        backfill, order = self._state.backfill(key), self._state.orders.get(key)
        if order is not None:
            return _keep(order.at, document, now, is_known=document is not None)
        if backfill is not None and backfill.ended is not None:
            return _keep(backfill.ended, document, now, is_known=True)
        if document is None:
            change = OrderChange() if backfill is None else ended_early(backfill, DELETED, now)
            return replace(change, wake=now + KEPT)
        control = document.control
        if isinstance(control, BackfillDocument):
            backfill = backfill or new_backfill(control, document.at)
        change = self._execute(key, control, backfill, find_schedule, now)
        if change.order is None and (change.backfill is None or change.backfill.ended is None):
            return change
        self._intake.forget_past(key)
        return replace(change, wake=now + KEPT)

    def _execute(
        self,
        key: bytes,
        control: object,
        backfill: BackfillRow | None,
        find_schedule: FindSchedule,
        now: datetime,
    ) -> OrderChange:
        assert isinstance(control, FireDocument | BackfillDocument)
        try:
            schedule = find_schedule(control.pipeline, control.schedule)
            if schedule is None:
                return OrderChange()
            if isinstance(schedule, str):
                return _refuse(control, backfill, schedule, now)
            past = self._intake.past(key, self._facts.past_firings)
            around = OrderSurroundings(
                schedule.history, past, schedule.make_trigger, schedule.most, now, self._tzdata
            )
            if isinstance(control, FireDocument):
                change = fire_by_hand(control, schedule.row, around)
            else:
                assert backfill is not None
                change = go_on(backfill, schedule.row, around)
            return change if past is not None else _look_soon(change, now)
        except Exception as error:  # one order must not stop everything else
            # Mostly the file names what this release, or this machine, does not know.
            known = isinstance(error, ValueError)
            log.warning("order.failed", order=key.decode(), why=str(error), exc_info=not known)
            return _refuse(control, backfill, str(error) if known else repr(error), now)


def _refuse(
    control: FireDocument | BackfillDocument, backfill: BackfillRow | None, why: str, now: datetime
) -> OrderChange:
    if backfill is not None:
        return ended_early(backfill, why, now)
    return OrderChange(order=OrderRow(id=control.id, at=now, refused=why))


def _look_soon(change: OrderChange, now: datetime) -> OrderChange:
    """Return the change of an order that waits until what has fired is read."""
    if change.wake is not None or change.order is not None or change.backfill is not None:
        return change
    return replace(change, wake=now + READ_INTERVAL)


def _keep(
    at: datetime, document: TimedDocument | None, now: datetime, *, is_known: bool
) -> OrderChange:
    """Return what becomes of an order that was executed at this time. `is_known`: its row is to be
    kept for now."""
    if not is_known:
        return OrderChange(is_over=True)
    if now < at + KEPT:
        return OrderChange(wake=at + KEPT)
    return OrderChange(is_over=True) if document is None else OrderChange(ends=document.key)
