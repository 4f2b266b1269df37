"""Which schedules should have fired, or been taken up by a scheduler, and were not?

The bookkeeper asks, because it is there also where no scheduler runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.catalog.topology_table import TopologyTable
from farandole.events.controls_in_force import TimedDocument, is_expired
from farandole.events.next_step import NextStep
from farandole.events.number_format import grouped
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedule_row import (
    SCHEDULE_PREFIX,
    ScheduleRow,
    parse_schedule_row,
    schedule_key,
)
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.schedules_in_force import (
    ScheduleDocuments,
    schedule_documents,
    schedule_pause,
)
from farandole.events.time_format import utc_timestamp
from farandole.events.topology_version import Version
from farandole.ledger.stage_alerts import AlertCondition
from farandole.scheduler.recurrence import next_planned

OVERDUE_AFTER = timedelta(seconds=30)
"""How long something may be due: another scheduler takes over within the session time-out."""
FIRE_AFTER_MS = 10_000
"""For how long a schedule must be seen to be overdue. With `OVERDUE_AFTER`, and the time between
two observations, the alert comes within a minute."""
MAX_NAMED = 20
"""How many schedules of a pipeline have an alert of their own at a time, those that are overdue for
the longest; one more alert counts the others, and names the first of them."""
_MAX_LISTED = 5


class _Standing(NamedTuple):
    """What the row of a schedule says of when it is due."""

    version: int
    paused: bool
    due: datetime | None
    planned: datetime | None
    """The planned time that is due."""
    decided: str
    """What became of the last planned time, as text; empty if there was none."""

    def is_overdue(self, now: datetime) -> bool:
        """Return True unless all is well as far as the row says, whatever documents say now."""
        return self.paused or (self.due is not None and now - self.due > OVERDUE_AFTER)


class Overdue(NamedTuple):
    """A schedule that should have fired, or been taken up, and was not."""

    since: datetime
    schedule: str
    what: str
    """What has not happened, as text."""


class OverdueSchedules:
    """Tells which schedules are overdue. A row that has not changed is not parsed again."""

    def __init__(self) -> None:
        self._rows: Mapping[bytes, bytes] = {}
        self._standings: dict[bytes, tuple[bytes, _Standing | None]] = {}
        self._moved: dict[tuple[str, int, int], Set[str]] = {}

    def conditions(
        self,
        rows: Mapping[bytes, bytes],
        table: TopologyTable,
        documents: Sequence[TimedDocument],
        firing: Collection[str],
        schedulers: int,
        now: datetime,
    ) -> Iterator[AlertCondition]:
        """Yield a true condition for each schedule that is overdue, and one that is not true for
        each that is not, but whose alert is among the keys of `firing`.

        `rows` are those of `farandole.schedules`, an object that does not change; `documents`: in
        the order of the log; `schedulers`: how many processes of the scheduler there are."""
        self._parse(rows)
        newest = schedule_documents(documents)
        for version in table.newest_versions():
            found = sorted(self._overdue(version, table, newest, now))
            named, others = found[:MAX_NAMED], found[MAX_NAMED:]
            true = [_condition(version, each.schedule, each.what, schedulers) for each in named]
            if others:
                true.append(_condition(version, "", _others_text(others), schedulers))
            yield from true
            told = {each.key for each in true}
            for schedule in ("", *version.schedules):
                key = _alert_key(version.pipeline, schedule)
                if key in firing and key not in told:
                    text = self._now_text(version.pipeline, schedule)
                    yield _condition(version, schedule, text)._replace(is_bad=False)

    def overdue(
        self,
        rows: Mapping[bytes, bytes],
        table: TopologyTable,
        documents: Sequence[TimedDocument],
        now: datetime,
    ) -> dict[tuple[str, str], Overdue]:
        """Return every schedule that is overdue, by pipeline and schedule. The arguments are those
        of `conditions`."""
        self._parse(rows)
        newest = schedule_documents(documents)
        return {
            (version.pipeline, each.schedule): each
            for version in table.newest_versions()
            for each in self._overdue(version, table, newest, now)
        }

    def _overdue(
        self, version: Version, table: TopologyTable, documents: ScheduleDocuments, now: datetime
    ) -> Iterator[Overdue]:
        pipeline = version.pipeline
        for name, spec in version.schedules.items():
            standing = self._standing(pipeline, name)
            is_taken = standing is not None and (
                name not in self._moved_since(standing.version, version, table)
            )
            if is_taken and standing is not None and not standing.is_overdue(now):
                continue
            if schedule_pause(documents, pipeline, name, now, paused_by_file=spec.paused):
                continue
            resumed = _resumed_at(documents, pipeline, name, now)
            if standing is None or not is_taken:
                since = max(version.published, resumed or version.published)
                what = f"no scheduler has taken up `{name}` of {version.name}"
            elif standing.paused:
                since = resumed or version.published
                what = f"no scheduler has taken up that `{name}` is paused no more"
            elif standing.due is not None and standing.planned is not None:
                since = max(standing.due, resumed or standing.due)
                what = f"`{name}` has not fired for {utc_timestamp(standing.planned)}"
            else:
                continue
            if now - since > OVERDUE_AFTER:
                if standing is None or standing.due is None:
                    what += _first_text(spec, since)
                yield Overdue(since, name, what)

    def _moved_since(self, number: int, newest: Version, table: TopologyTable) -> Set[str]:
        """Return the schedules whose times are others in the newest version than in that of this
        number."""
        if number >= newest.version:
            return frozenset()
        key = newest.pipeline, number, newest.version
        if key not in self._moved:
            before = table.by_name.get(f"{newest.pipeline}@{number}".encode())
            old = before.schedules if before is not None else {}
            self._moved[key] = frozenset(
                name
                for name, spec in newest.schedules.items()
                if name not in old or _times(old[name]) != _times(spec)
            )
        return self._moved[key]

    def _standing(self, pipeline: str, schedule: str) -> _Standing | None:
        _, standing = self._standings.get(schedule_key(pipeline, schedule), (b"", None))
        return standing

    def _now_text(self, pipeline: str, schedule: str) -> str:
        standing = self._standing(pipeline, schedule)
        return "" if standing is None else standing.decided

    def _parse(self, rows: Mapping[bytes, bytes]) -> None:
        if rows is self._rows:
            return
        self._rows = rows
        standings = {}
        for key, value in rows.items():
            if key.startswith(SCHEDULE_PREFIX):
                known = self._standings.get(key)
                is_known = known is not None and known[0] == value
                standings[key] = known if is_known and known else (value, _parse_standing(value))
        self._standings = standings


def _parse_standing(value: bytes) -> _Standing | None:
    """Return what a row says; None if no scheduler wrote it, or one of a newer release."""
    try:
        row = parse_schedule_row(value)
    except ValueError:  # pydantic's ValidationError is one
        return None
    last = row.decided
    return _Standing(
        row.version,
        row.paused,
        row.due,
        _planned(row),
        f"{utc_timestamp(last.planned)}: {last.outcome}" if last else "",
    )


def _first_text(spec: ScheduleSpec, after: datetime) -> str:
    """Return when a schedule was to fire first; empty if it has no planned time."""
    try:
        planned = next_planned(spec, after) if spec.is_timed else None
    except ValueError:
        return ""  # a later release published it
    return f", which was to fire first at {utc_timestamp(planned)}" if planned else ""


def _planned(row: ScheduleRow) -> datetime | None:
    """Return the planned time that is due first: one that waits for its time alone, or else the
    next one, unless that comes later than what is due: then a late one is."""
    for each in row.waiting:
        if each.due == row.due and not each.why:
            return each.planned
    if row.waiting and row.due and (row.next is None or row.due < row.next):
        return min(each.planned for each in row.waiting)
    return row.next or row.due


def _times(spec: ScheduleSpec) -> tuple[object, ...]:
    """Return what says when a schedule fires."""
    return spec.cron, spec.every, spec.at, spec.zone, spec.jitter, spec.start, spec.end


def _resumed_at(
    documents: ScheduleDocuments, pipeline: str, schedule: str, now: datetime
) -> datetime | None:
    """Return when the last pause of a schedule has ended; None if no document tells of one."""
    ended = list[datetime]()
    for each in (documents.get((pipeline, schedule)), documents.get((pipeline, ""))):
        control = None if each is None else each.control
        if each is None or not isinstance(control, ScheduleDocument):
            continue
        if control.until is not None and is_expired(control, now):
            ended.append(control.until)
        elif not control.paused:
            ended.append(each.at)
    return max(ended, default=None)


def _others_text(others: Sequence[Overdue]) -> str:
    names = ", ".join(f"`{each.schedule}`" for each in others[:_MAX_LISTED])
    more = f" and {grouped(len(others) - _MAX_LISTED)} more" if len(others) > _MAX_LISTED else ""
    return f"{grouped(len(others))} more schedules are overdue: {names}{more}"


def _alert_key(pipeline: str, schedule: str) -> str:
    """Return the key of the alert of a schedule; of the one of all others if it is empty."""
    return f"{pipeline}/schedule/{schedule}/overdue" if schedule else f"{pipeline}/overdue"


def _condition(
    version: Version, schedule: str, text: str, schedulers: int | None = None
) -> AlertCondition:
    """Return a condition that is true. `schedulers`: how many processes there are; None if that
    does not matter."""
    words = ("schedules", *(("show", shlex.quote(schedule)) if schedule else ()))
    step = NextStep("see why with", words)
    if schedulers == 0:
        text, step = f"{text}: no scheduler runs", NextStep("start one", ("keep-time",))
    return AlertCondition(
        key=_alert_key(version.pipeline, schedule),
        kind="schedule.overdue",
        pipeline=version.pipeline,
        stage=None,
        schedule=schedule or None,
        is_bad=True,
        fire_after_ms=FIRE_AFTER_MS,
        unread=0,
        members=0,
        age=None,
        detail=text,
        step=step,
    )
