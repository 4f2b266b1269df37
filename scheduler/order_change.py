"""What does an order change, and how does a planned time fire that is not left to its schedule?

Orders, to fire by hand and to backfill, fire for planned times for which the schedule may have
fired as well, or may still want to. Each planned time fires under its own key at most once, whoever
lets it fire; once more it fires with the order's id as suffix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from farandole.events.firing_record import FiringKey, FiringRecord
from farandole.events.record_time import MOMENT
from farandole.events.root_record import RootRecord
from farandole.events.schedule_row import Arrival, BackfillRow, FiredRun, OrderRow, ScheduleRow
from farandole.scheduler.schedule_decision import fired_run
from farandole.scheduler.schedule_history import ScheduleHistory
from farandole.scheduler.trigger import Firing, Refusal

MakeTrigger = Callable[[Firing], RootRecord | Refusal]


class PastTimes(NamedTuple):
    """Which planned times have fired, of those that an order is about."""

    under_own_key: Set[datetime]
    at_all: Set[datetime]
    """Also those that have fired with a suffix only."""
    by_id: Set[datetime] = frozenset()
    """Those that have fired with the order's id as suffix."""


@dataclass(frozen=True, slots=True)
class OrderSurroundings:
    """What the execution of an order depends on."""

    history: ScheduleHistory
    """Its newest version has the schedule."""
    past: PastTimes | None
    """None if it is not known yet: it is being read."""
    make_trigger: MakeTrigger
    most: int
    """How many firings there may be, at most."""
    now: datetime
    tzdata: str


class OrderedFiring(NamedTuple):
    """An event that an order lets be published."""

    root: RootRecord
    run: FiredRun
    """With its record."""


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What is to happen to an order. Rows that are None do not change."""

    schedule: ScheduleRow | None = None
    backfill: BackfillRow | None = None
    order: OrderRow | None = None
    firings: Sequence[OrderedFiring] = ()
    records: Sequence[FiringRecord] = ()
    """Of what does not fire."""
    wake: datetime | None = None
    """When to look at the order again; None if only something else can change it."""
    is_over: bool = False
    """The order's row is to be deleted."""
    ends: bytes | None = None
    """The key of the document that is to be deleted; None for none."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A planned time that is the order's, and no longer the schedule's."""

    row: ScheduleRow
    """The schedule's row without it."""
    suffix: str
    """The order's id if the planned time has fired, or will yet by itself; otherwise empty."""
    arrivals: Mapping[str, Arrival] = field(default_factory=dict)
    """What had come for it of what the schedule depends on."""
    is_left: bool = False
    """The schedule will fire for it as well."""


def claim(
    row: ScheduleRow, history: ScheduleHistory, planned: datetime, past: PastTimes, order: str
) -> Claim:
    """Take a planned time from the schedule, if it has it still. Raises ValueError as
    `ScheduleHistory.next_planned`."""
    for each in row.waiting:
        if each.planned == planned and not each.suffix:
            others = tuple(other for other in row.waiting if other is not each)
            return Claim(row.model_copy(update={"waiting": others}), "", each.arrivals)
    if planned > row.through:
        following = history.next_planned(row.through)
        if following is not None and following.at == planned:
            # The next one is worked out when the schedule is looked at.
            return Claim(row.model_copy(update={"through": planned, "next": None}), "")
        if _is_planned(history, planned):
            return Claim(row, order, is_left=True)
    return Claim(row, order if planned in past.under_own_key else "")


def make_firing(
    around: OrderSurroundings,
    planned: datetime,
    claimed: Claim,
    *,
    by: str,
    order: str,
    reason: str,
) -> OrderedFiring | Refusal:
    """Return the event of a planned time, by the newest version; or why there is none."""
    history = around.history
    spec, newest = history.spec, history.pipeline.newest
    assert spec is not None
    key = FiringKey(newest.pipeline, history.schedule, planned, claimed.suffix)
    firing = Firing(key, newest.version, spec, claimed.arrivals)
    made = around.make_trigger(firing)
    if isinstance(made, Refusal):
        return made
    run = fired_run(firing, made, around.now, around.tzdata, reason=reason, by=by, order=order)
    return OrderedFiring(made, run)


def _is_planned(history: ScheduleHistory, time: datetime) -> bool:
    planned = history.next_planned(time - MOMENT)
    return planned is not None and planned.at == time
