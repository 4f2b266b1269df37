"""What became of the planned times of a range, and for when is each schedule planned in it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aiokafka import TopicPartition
from pydantic import ValidationError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.record_time import EPOCH, to_milliseconds
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import Version
from farandole.operations.errors import InvalidRequestError, query
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.operations.schedules.planned_view import planned_in
from farandole.operations.schedules.schedule_reader import ReadSource, ScheduleSource
from farandole.operations.schedules.schedule_state import ScheduleState
from farandole.scheduler.calendar_days import exclusion

MAX_RANGE = timedelta(days=32)
MAX_MARKS = 120
"""A schedule with more marks in the range has bands instead."""
MAX_RECORDS = 50_000
"""How many of the newest records of firings are read, about."""
_MAX_AHEAD = 1_000
"""How many planned times of a schedule are looked at; the rest of the range is planned alike."""
_CLOCK_MARGIN = timedelta(hours=1)
_LATE = timedelta(seconds=60)

MarkState = Literal[
    "fired", "late", "again", "running", "failed", "skipped", "missed", "excluded", "merged",
    "planned", "waiting", "overdue",
]  # fmt: skip
"""`late`: fired, but not in time; `again`: fired once more by hand; `running`: fired, and its run
has not ended; `failed`: fired, and its run has failed; `overdue`: it should have fired by now."""


@dataclass(frozen=True, slots=True)
class CalendarRequest:
    """Which days are shown."""

    start: datetime
    end: datetime
    """Not in the range; at most 32 days after `start`."""
    pipeline: str | None = None
    """None: the schedules of every pipeline."""


class CalendarMark(Result):
    """One planned time, or one firing of a schedule without planned times."""

    planned: datetime
    state: MarkState
    at: datetime | None = None
    """When it fired or was decided; None if it is to come."""
    why: str = ""
    """Why it did not fire, or fired late; empty if it fired as planned."""
    run: str | None = None
    status: str = ""
    """That of the run in the books."""


class CalendarBand(Result):
    """Planned times one after the other that ended, or will end, in the same way."""

    start: datetime
    """The first of them."""
    end: datetime
    """The last of them."""
    state: MarkState
    count: int | None
    """None for more than are counted."""


class ScheduleDays(Result):
    """The days of one schedule."""

    pipeline: str
    schedule: str
    marks: list[CalendarMark]
    """By time; empty if there are bands."""
    bands: list[CalendarBand]
    """By time; empty unless there are too many marks to be shown one by one."""
    counts: dict[MarkState, int]
    """How many planned times of the range are in each state, as far as they are counted."""


class ScheduleCalendar(Result):
    """The days of all schedules."""

    start: datetime
    end: datetime
    now: datetime
    days: list[ScheduleDays]
    """In the order of the list of schedules."""
    cut: bool
    """True if older records of the range were not read."""


@query
async def read_calendar(
    installation: Installation, request: CalendarRequest, source: ScheduleSource | None = None
) -> ScheduleCalendar:
    """Return the marks of every schedule of the versions in force. `source`: None to read the
    topics. Raises InvalidRequestError (a range that is empty or too long), and
    UnavailableError."""
    if not timedelta() < request.end - request.start <= MAX_RANGE or request.start < EPOCH:
        raise InvalidRequestError(
            "invalid_request", f"a calendar has a range of at most {MAX_RANGE.days} days"
        )
    source = source or ReadSource(installation)
    facts = await source.facts()
    records, cut = await _read_records(installation.settings, request.start, request.end)
    runs = {each.run for found in records.values() for each in found[-MAX_MARKS:] if each.run}
    statuses = await source.statuses(runs)
    days = []
    for version in facts.topology.newest_versions():
        if request.pipeline not in (None, version.pipeline):
            continue
        for name in version.schedules:
            state = facts.scope.state(version, name)
            known = records.get((version.pipeline, name), ())
            days.append(schedule_days(version, state, known, statuses, request, facts.scope.now))
    return ScheduleCalendar(
        start=request.start, end=request.end, now=facts.scope.now, days=days, cut=cut
    )


def schedule_days(
    version: Version,
    state: ScheduleState,
    records: Sequence[FiringRecord],
    statuses: Mapping[str, str],
    request: CalendarRequest,
    now: datetime,
) -> ScheduleDays:
    """Return the days of one schedule. `records`: those planned in the range; `statuses`: of their
    runs, in the books."""
    running = {each.run or each.event for each in state.running}
    marks = [_record_mark(each, state.spec, statuses, running) for each in records]
    decided = {each.planned for each in records}
    marks += [
        CalendarMark(planned=each.planned, state="waiting", why=each.why)
        for each in state.waiting
        if each.planned not in decided and request.start <= each.planned < request.end
    ]
    due = state.overdue.since if state.overdue else state.late
    if due is not None and request.start <= due < request.end:
        why = state.overdue.what if state.overdue else "no scheduler has decided on it yet"
        marks.append(CalendarMark(planned=due, state="overdue", why=why))
    ahead, rest = _planned_marks(version, state, request, now, {each.planned for each in marks})
    marks = sorted([*marks, *ahead], key=lambda each: each.planned)
    counts: dict[MarkState, int] = {}
    for mark in marks:
        counts[mark.state] = counts.get(mark.state, 0) + 1
    bands: list[CalendarBand] = []
    if len(marks) > MAX_MARKS or rest is not None:
        bands, marks = [*_bands(marks)], []
        if rest is not None:
            bands.append(CalendarBand(start=rest, end=request.end, state="planned", count=None))
    return ScheduleDays(
        pipeline=state.pipeline, schedule=state.schedule, marks=marks, bands=bands, counts=counts
    )


def _record_mark(
    record: FiringRecord,
    spec: ScheduleSpec,
    statuses: Mapping[str, str],
    running: set[str],
) -> CalendarMark:
    status = statuses.get(record.run or "", "")
    return CalendarMark(
        planned=record.planned,
        state=_state(record, spec, status, (record.run or record.event) in running),
        at=record.at,
        why=record.reason,
        run=record.run,
        status=status,
    )


def _state(record: FiringRecord, spec: ScheduleSpec, status: str, is_running: bool) -> MarkState:
    if record.outcome != "fired":
        return record.outcome
    if is_running:
        return "running"
    if status == "failed":
        return "failed"
    if record.suffix and spec.is_timed:
        return "again"
    in_time = record.planned + timedelta(seconds=spec.jitter) + _LATE
    # Of what somebody has ordered, the reason says who has, and not why it is late.
    is_late = bool(record.reason and not record.order) or record.at > in_time
    return "late" if is_late else "fired"


def _planned_marks(
    version: Version,
    state: ScheduleState,
    request: CalendarRequest,
    now: datetime,
    known: set[datetime],
) -> tuple[list[CalendarMark], datetime | None]:
    """Return the planned times that are to come, and the first one that was not looked at; None if
    all were. While the schedule is paused nothing is planned."""
    begin = max(now, request.start)
    if state.paused is not None:
        if state.paused.until is None:
            return [], None
        begin = max(begin, state.paused.until)
    marks: list[CalendarMark] = []
    if state.problem is not None or begin >= request.end:
        return marks, None
    for number, planned in enumerate(planned_in(state.spec, begin, request.end, _MAX_AHEAD + 1)):
        if number == _MAX_AHEAD:
            return marks, planned
        if planned not in known:
            why = exclusion(state.spec, planned, version.schedules)
            marks.append(
                CalendarMark(planned=planned, state="excluded" if why else "planned", why=why or "")
            )
    return marks, None


def _bands(marks: Iterable[CalendarMark]) -> Iterable[CalendarBand]:
    """Yield a band for marks of the same state one after the other."""
    first: CalendarMark | None = None
    last, count = first, 0
    for mark in marks:
        if first is not None and last is not None and mark.state != first.state:
            yield CalendarBand(
                start=first.planned, end=last.planned, state=first.state, count=count
            )
            first, count = None, 0
        first, last, count = first or mark, mark, count + 1
    if first is not None and last is not None:
        yield CalendarBand(start=first.planned, end=last.planned, state=first.state, count=count)


async def _read_records(
    settings: Settings, start: datetime, end: datetime
) -> tuple[dict[tuple[str, str], list[FiringRecord]], bool]:
    """Return, by pipeline and schedule, what became of the times planned in a range, by time; and
    whether older records were left out. Raises NewerFormatError and BrokerError."""
    topic = settings.names.firings_topic
    found: dict[bytes, FiringRecord] = {}
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([topic])).get(topic, 0)
        partitions = [TopicPartition(topic, i) for i in range(width)]
        if not partitions:
            return {}, False
        # A record is written after the time for which it was planned.
        starts = await admin.offsets_at(partitions, to_milliseconds(start - _CLOCK_MARGIN))
        ends = await admin.end_offsets(partitions)
        room = MAX_RECORDS // width
        cut = any(ends[each] - starts[each] > room for each in partitions)
        starts = {each: max(starts[each], ends[each] - room) for each in partitions}
        async with aclosing(scan(settings, [topic], start=starts, admin=admin)) as batches:
            async for records in batches:
                for record in records:
                    _add(found, record.key, record.value)
    by_schedule: dict[tuple[str, str], list[FiringRecord]] = {}
    for each in sorted(found.values(), key=lambda each: (each.planned, each.at)):
        if start <= each.planned < end:
            by_schedule.setdefault((each.pipeline, each.schedule), []).append(each)
    return by_schedule, cut


def _add(found: dict[bytes, FiringRecord], key: bytes | None, value: bytes | None) -> None:
    """Apply the next record of the log; one that no scheduler wrote changes nothing."""
    if key is None:
        return
    if value is None:
        found.pop(key, None)
        return
    try:
        found[key] = parse_firing(value)
    except ValidationError:
        return
