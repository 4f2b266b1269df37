"""What is to happen now to one schedule?

The decision is a function of the schedule's row, the published versions, and what is known of the
outside. It changes nothing: the caller writes what it says in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from farandole.events.firing_record import FiringKey, FiringOutcome, FiringRecord
from farandole.events.record_time import MOMENT
from farandole.events.root_record import RootRecord
from farandole.events.schedule_row import (
    Arrival,
    Decision,
    FiredRun,
    ScheduleRow,
    WaitingTime,
)
from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler import dependencies
from farandole.scheduler.catch_up import (
    BEHIND_OTHERS,
    WAS_PAUSED,
    expired_reason,
    expiry,
    is_late,
    minute_of,
)
from farandole.scheduler.moved_times import moved_time
from farandole.scheduler.overlap import overlap, waited_text
from farandole.scheduler.pause_state import PauseState
from farandole.scheduler.planned_times import MAX_WAITING, REMOVED, ComeTimes, come_times
from farandole.scheduler.recurrence import firing_time
from farandole.scheduler.schedule_history import ScheduleHistory
from farandole.scheduler.trigger import Firing, Refusal

MAX_FIRINGS = 20
"""How many planned times of a schedule fire in one decision."""
MAX_BYTES = 4 * 1024 * 1024
"""Bytes of events at which a decision, and a transaction, takes no further ones."""
MAX_WATCHED_RUNS = 100
"""How many runs of a schedule are watched. With `allow-all` there can be any number."""
LATE_PERIOD = timedelta(minutes=1)
DEADLINE_CHECK = timedelta(seconds=1)
BEHIND_BLOCKED = "earlier ones wait"
WAITS_FOR_DATA = "not everything has come that it depends on"


class Surroundings(NamedTuple):
    """What a decision depends on beside the schedule's row and versions."""

    written: datetime
    """The time that records bear: not before that of the decision."""
    pause: PauseState
    awake_since: datetime
    """Since when somebody has looked at planned times without a break."""
    books_are_behind: bool
    """Nobody knows how runs stand now."""
    arrivals_known: datetime | None
    """Everything that came before this time is among the arrivals; None if that is not known."""
    make_trigger: Callable[[Firing], RootRecord | Refusal]
    most: int
    """How many firings there may be, at most."""
    tzdata: str


class ScheduleChange(NamedTuple):
    """What is to happen."""

    row: ScheduleRow
    """The same object if nothing in it changes."""
    events: Sequence[RootRecord]
    """What is to be published. The run in the row whose `event` is its id has its record."""
    records: Sequence[FiringRecord]
    """Of what does not fire."""
    cancels: Sequence[str]
    """The runs that are to be cancelled."""
    wake: datetime | None
    """When the schedule is to be looked at again; None if only something else can change it."""
    is_over: bool = False
    """The schedule is no longer in the file, and nothing of it is left: its row is to be
    deleted."""


def new_row(pipeline: str, schedule: str, begins: datetime, version: int) -> ScheduleRow:
    """Return the row of a schedule that was published at `begins`."""
    return ScheduleRow(
        pipeline=pipeline, schedule=schedule, version=version, through=begins - MOMENT
    )


def with_dependencies(row: ScheduleRow, history: ScheduleHistory) -> ScheduleRow:
    """Return the row with its arrivals by the dependencies that the newest version has."""
    newest, spec = history.pipeline.newest.version, history.spec
    if spec is None or not row.arrivals or row.version == newest:
        return row
    before = history.spec_of(row.version)
    if before is None or before.after == spec.after:
        return row
    carried = dependencies.carried_arrivals(before.after, spec.after, row.arrivals)
    return row.model_copy(update={"arrivals": carried, "version": newest, "next": None})


def decide(
    row: ScheduleRow, history: ScheduleHistory, around: Surroundings, now: datetime
) -> ScheduleChange:
    """Return what is to happen to a schedule now. Raises ValueError if the file says what this
    release cannot read: no such expression, no such calendar."""
    row_then = _with_pause(with_dependencies(row, history), around.pause, now)
    come = come_times(
        row_then,
        history,
        now,
        is_paused=around.pause.is_paused,
        awake_since=around.awake_since,
        tzdata=around.tzdata,
    )
    turn = _Turn(row_then, history, around, now)
    turn.add(come)
    turn.settle()
    return turn.change(row, come)


def _with_pause(row: ScheduleRow, pause: PauseState, now: datetime) -> ScheduleRow:
    """Return the row with the pause that is in force, or the end of the last one."""
    if pause.is_paused == row.paused:
        return row
    since = now if pause.since is None else min(pause.since, now)
    if pause.is_paused:
        changed = {"paused": True, "pause_began": since, "pause_ended": None}
    else:
        began = row.pause_began
        ended = since if began is None else max(began, since)
        changed = {"paused": False, "pause_ended": ended}
    return row.model_copy(update=changed)


class _Kept(NamedTuple):
    """A planned time that goes on waiting."""

    time: WaitingTime
    wake: datetime | None = None
    """When to look at it again at the latest; None if only something else can let it fire."""
    is_blocked: bool = False
    """A run that has not ended keeps it from firing."""


class _Turn:
    """One look at everything that waits."""

    def __init__(
        self, row: ScheduleRow, history: ScheduleHistory, around: Surroundings, now: datetime
    ) -> None:
        self._row = row
        self._history = history
        self._spec = history.spec
        self._around = around
        self._now = now
        self._waiting = list(row.waiting)
        self._running = list(row.runs)
        self._arrivals = row.arrivals
        self._last = row.last
        self._decided: tuple[FiringRecord, str] | None = None
        """What was decided last, and the kind of its alert."""
        self._minute, self._late = row.minute, row.late
        self._is_behind_late = False
        self._events: list[RootRecord] = []
        self._bytes = 0  # of the events
        self._records: list[FiringRecord] = []
        self._cancels: list[str] = []
        self._wakes: list[datetime] = []
        self._dues: list[datetime] = []
        """When something is to happen by itself."""
        self._has_more_firings = False
        """Arrivals may have caused more firings than there was room for."""

    def add(self, come: ComeTimes) -> None:
        """Take over what has become of the planned times that have come."""
        for planned, version, outcome, reason in come.decided:
            time = WaitingTime(planned=planned, due=planned, version=version)
            self._end(time, outcome, reason)
        self._waiting += come.waiting

    def settle(self) -> None:
        """Decide over each planned time that waits."""
        spec = self._spec
        if spec is None:
            for each in self._waiting:
                self._end(each, "missed", REMOVED)
            self._waiting = []
            return
        if spec.after and spec.is_timed:
            self._complete_planned(spec)
        elif spec.after:
            self._complete_firings(spec)
        waiting, self._waiting = sorted(self._waiting, key=_turn_of), []
        ready = [each for each in waiting if each.due <= self._now and _is_complete(spec, each)]
        newest = ready[-1] if ready else None
        blocked = 0
        for each in waiting:
            kept = self._settle_one(spec, each, blocked, has_newer=each is not newest)
            if kept is not None:
                self._waiting.append(kept.time)
                blocked += kept.is_blocked
                if kept.wake is not None:
                    self._wakes.append(kept.wake)
        if self._has_more_firings and _data_room(spec, self._waiting):
            self._wakes.append(self._now)

    def _settle_one(
        self, spec: ScheduleSpec, each: WaitingTime, blocked: int, *, has_newer: bool
    ) -> _Kept | None:
        """Decide over a planned time that waits. Return it if it goes on waiting."""
        now = self._now
        limit = expiry(spec.catch_up, each.planned)
        if spec.after:
            limit = max(limit, dependencies.timed_deadline(spec, each.planned))
        if now > limit:
            why = each.why or each.reason or "it could not fire"
            self._end(each, "missed", expired_reason(spec.catch_up, why))
            return None
        if self._around.pause.is_paused:
            return _Kept(_waits(each, "the schedule is paused"), limit + MOMENT)
        if each.due > now:
            self._dues.append(each.due)
            return _Kept(_waits(each, ""), each.due)
        if not _is_complete(spec, each):
            deadline = dependencies.timed_deadline(spec, each.planned)
            return _Kept(_waits(each, WAITS_FOR_DATA), self._after_deadline(deadline))
        if self._is_behind_late or (
            each.late and self._late_in_minute() >= spec.catch_up.per_minute
        ):
            self._is_behind_late = True  # planned times fire in their order
            why = f"no more than {spec.catch_up.per_minute} late ones fire in a minute"
            minute = minute_of(now) + LATE_PERIOD
            self._dues.append(minute)
            if not each.late:
                update = {"late": True, "reason": f"late: {BEHIND_OTHERS}"}
                each = each.model_copy(update=update)
            return _Kept(_waits(each, why), minute)
        verdict = overlap(
            spec,
            self._running,
            waiting_before=blocked,
            has_newer=has_newer,
            is_unknown=self._around.books_are_behind,
        )
        alert = "schedule.unknown" if verdict.is_unknown else ""
        if verdict.cancels:
            self._cancel_running()
        if verdict.outcome == "wait":
            why = verdict.reason if not blocked else BEHIND_BLOCKED
            return _Kept(_waits(each, why, alert), limit + MOMENT, is_blocked=True)
        if verdict.outcome == "fire":
            return self._fire(spec, each, verdict.reason, alert, limit)
        self._end(each, verdict.outcome, verdict.reason, alert)
        return None

    def _fire(
        self, spec: ScheduleSpec, each: WaitingTime, reason: str, alert: str, limit: datetime
    ) -> _Kept | None:
        """Fire a planned time. Return it if its event cannot be published now."""
        most = min(self._around.most, MAX_FIRINGS)
        if len(self._events) >= most or self._bytes >= MAX_BYTES:
            return _Kept(each, self._now)
        firing = Firing(
            FiringKey(self._row.pipeline, self._row.schedule, each.planned, each.suffix),
            each.version,
            self._history.spec_of(each.version) or spec,
            each.arrivals,
        )
        made = self._around.make_trigger(firing)
        if isinstance(made, Refusal):
            if made.may_pass:
                return _Kept(_waits(each, made.reason, "schedule.failed"), limit + MOMENT)
            self._end(each, "missed", made.reason, "schedule.failed")
            return None
        late = waited_text(each.why) if each.why and is_late(each.due, self._now) else ""
        reason = joined(each.reason or late, reason)
        fired = fired_run(firing, made, self._around.written, self._around.tzdata, reason=reason)
        self._events.append(made)
        self._bytes += len(made.value or b"")
        self._running.append(fired)
        self._last = fired.model_copy(update={"record": None})
        assert fired.record is not None
        self._note(fired.record, alert or each.alert)
        if each.late:
            self._late = self._late_in_minute() + 1
            self._minute = minute_of(self._now)
        return None

    def _late_in_minute(self) -> int:
        return self._late if self._minute == minute_of(self._now) else 0

    def _cancel_running(self) -> None:
        """Cancel the runs that have not ended. One whose id is not known yet is cancelled later."""
        for position, run in enumerate(self._running):
            if run.run is not None and not run.cancelled:
                self._cancels.append(run.run)
                self._running[position] = run.model_copy(update={"cancelled": True})

    # -- dependencies

    def _complete_planned(self, spec: ScheduleSpec) -> None:
        """Give the planned times that wait what they depend on, the oldest first."""
        waiting, self._waiting = sorted(self._waiting, key=_age_of), []
        goes_on = True
        for each in waiting:
            if each.complete or not goes_on:
                self._waiting.append(each)
                continue
            previous = self._history.previous_planned(each.planned)
            found = dependencies.complete_planned(
                spec,
                self._arrivals,
                each.planned,
                None if previous is None else previous.at,
                self._around.arrivals_known,
            )
            self._arrivals = found.arrivals
            for firing in found.firings:
                self._take_firing(spec, each, firing)
            if not found.firings:
                self._waiting.append(each)
                goes_on = False  # whatever would complete a later one completes this one first

    def _complete_firings(self, spec: ScheduleSpec) -> None:
        """Let the firings wait that arrivals have caused."""
        row, newest = self._row, self._history.pipeline.newest.version
        room = _data_room(spec, self._waiting)
        known = self._around.arrivals_known
        found = dependencies.complete_firings(spec, self._arrivals, known, room)
        self._arrivals = found.arrivals
        self._has_more_firings = len(found.firings) == room
        for firing in found.firings:
            due = firing_time(row.pipeline, row.schedule, spec, firing.planned)
            time = WaitingTime(
                planned=firing.planned, due=due, suffix=firing.suffix, version=newest
            )
            self._take_firing(spec, time, firing)
        if self._around.pause.is_paused and spec.catch_up.runs != "all":
            self._pass_over(spec)
        deadline = dependencies.next_deadline(spec, self._arrivals)
        if deadline is not None and len(self._waiting) < MAX_WAITING:
            self._wakes.append(self._after_deadline(deadline))

    def _take_firing(
        self, spec: ScheduleSpec, time: WaitingTime, firing: dependencies.DataFiring
    ) -> None:
        """Let a planned time fire whose dependencies have come, or whose deadline is over."""
        why = ""
        if firing.missing:
            why = f"at its deadline {dependencies.missing_text(spec, firing.missing)}"
            if spec.otherwise == "miss":
                self._end(time, "missed", why, "schedule.partial")
                return
        self._waiting.append(
            time.model_copy(
                update={
                    "complete": True,
                    "arrivals": self._as_planned(spec, time, firing.arrivals),
                    "reason": joined(time.reason, why),
                    "alert": "schedule.partial" if why else "",
                }
            )
        )

    def _as_planned(
        self, spec: ScheduleSpec, time: WaitingTime, arrivals: Mapping[str, Arrival]
    ) -> Mapping[str, Arrival]:
        """Return the arrivals by the dependencies of the version that planned the time: the data
        are of that version, and name them by their places in its list."""
        planned = self._history.spec_of(time.version)
        if planned is None or planned.after == spec.after:
            return arrivals
        queues = {index: (arrival,) for index, arrival in arrivals.items()}
        carried = dependencies.carried_arrivals(spec.after, planned.after, queues)
        return {index: queue[0] for index, queue in carried.items() if queue}

    def _pass_over(self, spec: ScheduleSpec) -> None:
        """Decide over what arrivals have caused while the schedule is paused."""
        waiting, self._waiting = self._waiting, []
        for position, each in enumerate(waiting):
            if not self._is_in_pause(each.planned):
                self._waiting.append(each)
            elif spec.catch_up.runs == "none":
                self._end(each, "skipped", WAS_PAUSED)
            elif position + 1 < len(waiting):
                self._end(each, "merged", f"{WAS_PAUSED}, and a later firing stands for it")
            else:
                self._waiting.append(each)

    def _is_in_pause(self, planned: datetime) -> bool:
        began = self._row.pause_began
        return began is not None and began <= planned

    def _after_deadline(self, deadline: datetime) -> datetime:
        """Return when to look whether a deadline is over. What has come before it may be read a
        little later."""
        return max(deadline + MOMENT, self._now + DEADLINE_CHECK)

    # -- the result

    def _end(self, time: WaitingTime, outcome: FiringOutcome, reason: str, alert: str = "") -> None:
        """Record that a planned time does not fire."""
        record = FiringRecord(
            pipeline=self._row.pipeline,
            schedule=self._row.schedule,
            planned=time.planned,
            suffix=time.suffix,
            outcome=outcome,
            reason=reason,
            at=self._around.written,
            version=time.version,
            tzdata=self._around.tzdata,
        )
        self._records.append(record)
        self._note(record, alert)

    def _note(self, record: FiringRecord, alert: str) -> None:
        self._decided = record, alert

    def change(self, row: ScheduleRow, come: ComeTimes) -> ScheduleChange:
        """Return what is to happen; `row` is the row as it is committed."""
        self._plan_ahead(come)
        due = None if self._around.pause.is_paused else min(self._dues, default=None)
        fields: dict[str, Any] = {
            "through": come.through,
            "next": None if come.next is None else come.next.at,
            "due": due,
            "waiting": tuple(self._waiting),
            "runs": _watched(self._running),
            "last": self._last,
            "arrivals": self._arrivals,
            "paused": self._row.paused,
            "pause_began": self._row.pause_began,
            "pause_ended": self._row.pause_ended,
            "minute": self._minute,
            "late": self._late,
            "tzdata": self._around.tzdata,
            "moved": moved_time(row, self._history, self._around.tzdata, self._now),
        }
        if self._decided is not None:
            fields["decided"] = _decision(*self._decided)
        changed = {name: value for name, value in fields.items() if getattr(row, name) != value}
        newest = self._history.pipeline.newest.version
        # The bookkeeper reads from the version whether somebody has taken up an edit.
        if changed or (row.version != newest and self._history.spec_of(row.version) != self._spec):
            row = row.model_copy(update={**changed, "version": newest})
        return ScheduleChange(
            row,
            self._events,
            self._records,
            self._cancels,
            min(self._wakes, default=None),
            is_over=self._is_over(come),
        )

    def _plan_ahead(self, come: ComeTimes) -> None:
        """Note when to look at the schedule again, beside what waits."""
        pause, now, spec = self._around.pause, self._now, self._spec
        if pause.until is not None:
            self._wakes.append(pause.until)
        planned = come.next
        if come.has_more:
            self._wakes.append(now)
        elif planned is None or spec is None:
            return
        elif planned.at > now:
            self._wakes.append(planned.at)
            row = self._row
            self._dues.append(firing_time(row.pipeline, row.schedule, planned.spec, planned.at))
        elif not pause.is_paused and len(self._waiting) < MAX_WAITING:
            self._wakes.append(now)  # there is room for it now
        else:
            self._wakes.append(expiry(spec.catch_up, planned.at) + MOMENT)
            newer = self._history.next_planned(max(planned.at, now))
            if newer is not None:
                self._wakes.append(newer.at)

    def _is_over(self, come: ComeTimes) -> bool:
        return (
            self._spec is None
            and come.next is None
            and not self._waiting
            and all(run.run is not None for run in self._running)
        )


def fired_run(
    firing: Firing,
    root: RootRecord,
    now: datetime,
    tzdata: str,
    *,
    reason: str = "",
    by: str = "",
    order: str = "",
) -> FiredRun:
    """Return what a row says of a firing whose event is published now. Its `record` is what is
    written into `farandole.firings`."""
    key, event = firing.key, firing.key.event_id
    record = FiringRecord(
        pipeline=key.pipeline,
        schedule=key.schedule,
        planned=key.planned,
        suffix=key.suffix,
        outcome="fired",
        reason=reason,
        at=now,
        version=firing.version,
        event=event,
        type=firing.spec.triggers,
        by=by,
        order=order,
        tzdata=tzdata,
    )
    return FiredRun(
        planned=key.planned,
        suffix=key.suffix,
        event=event,
        topic=root.topic,
        fired=now,
        record=record,
    )


def refused_arrival(
    row: ScheduleRow, spec: ScheduleSpec, arrival: Arrival, now: datetime, tzdata: str
) -> FiringRecord:
    """Return the record of an arrival for which there was no room, where each fires by itself."""
    firing = dependencies.single_firing(spec.after[0], arrival)
    return FiringRecord(
        pipeline=row.pipeline,
        schedule=row.schedule,
        planned=firing.planned,
        suffix=firing.suffix,
        outcome="skipped",
        reason=f"{dependencies.MAX_ARRIVALS} others waited already",
        at=now,
        version=row.version,
        tzdata=tzdata,
    )


def joined(*reasons: str) -> str:
    """Return the reasons that are not empty as one text."""
    return "; ".join(filter(None, reasons))


def _decision(record: FiringRecord, alert: str) -> Decision:
    return Decision(
        planned=record.planned,
        suffix=record.suffix,
        outcome=record.outcome,
        reason=record.reason,
        at=record.at,
        alert=alert,
    )


def _watched(running: Sequence[FiredRun]) -> tuple[FiredRun, ...]:
    """Return the runs that are watched: the newest, and those whose ids are not known yet."""
    surplus = len(running) - MAX_WATCHED_RUNS
    if surplus <= 0:
        return tuple(running)
    return tuple(
        run for position, run in enumerate(running) if position >= surplus or run.run is None
    )


def _waits(time: WaitingTime, why: str, alert: str = "") -> WaitingTime:
    """Return the planned time with why it waits."""
    alert = alert or (time.alert if time.alert == "schedule.partial" else "")
    if (time.why, time.alert) == (why, alert):
        return time
    return time.model_copy(update={"why": why, "alert": alert})


def _data_room(spec: ScheduleSpec, waiting: Sequence[WaitingTime]) -> int:
    """Return how many more firings may wait that arrivals have caused. What finds no room stays an
    arrival; it is not skipped."""
    most = min(spec.buffer, MAX_WAITING) if spec.overlap == "buffer-all" else MAX_WAITING
    return max(0, most - len(waiting))


def _is_complete(spec: ScheduleSpec, time: WaitingTime) -> bool:
    return time.complete or not spec.after


def _turn_of(time: WaitingTime) -> tuple[datetime, datetime, str]:
    return time.due, time.planned, time.suffix


def _age_of(time: WaitingTime) -> tuple[datetime, str]:
    return time.planned, time.suffix
