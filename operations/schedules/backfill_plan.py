"""For which planned times would a backfill fire?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import xxhash
from pydantic import Field

from farandole.broker.settings import Settings
from farandole.events.number_format import grouped
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import Version
from farandole.operations.errors import InvalidRequestError, RefusedError, query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import newest_published
from farandole.operations.results import Result
from farandole.operations.schedules.fire import fire_once_step
from farandole.operations.schedules.firing_records import read_firings
from farandole.operations.schedules.planned_view import neighbours, planned_in
from farandole.operations.schedules.time_input import (
    both_times,
    now_in_seconds,
    parse_planned_time,
)
from farandole.router.system_topics import FIRINGS_RETENTION_SECONDS
from farandole.scheduler.calendar_days import exclusion

_NAMED = 20
"""How many excluded times are named."""
MAX_PLANNED = 100_000
"""How many planned times a range may have."""
FIRINGS_KEPT = timedelta(seconds=FIRINGS_RETENTION_SECONDS)
"""For how long it is known what has fired."""


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """The planned times for which a schedule is to fire, and who asks for it."""

    schedule: str
    by: str
    start: str
    """A date and time, in the schedule's zone if it has no offset: the first planned time."""
    end: str | None = None
    """As `start`: later ones do not fire, nor one at this time. None: now."""
    max_parallel: int = 1
    missing: bool = False
    """Whether planned times that have fired are left out."""
    confirmed: bool = False
    """Whether it may fire as often as it would."""
    pipeline: str | None = None
    """None: that of the file."""
    comment: str = ""
    token: str | None = None
    """That of the plan that was looked at; None if nobody has."""


class BackfillPlan(Result):
    """What a backfill would do."""

    pipeline: str
    schedule: str
    start: datetime
    end: datetime
    planned: int
    """How many planned times the range has."""
    excluded: int
    """Those of them that a calendar excludes."""
    fired: int
    """Those of them that have fired, and are left out; 0 without `missing`."""
    times: list[datetime]
    """Those that would fire, in their order."""
    excluded_times: list[datetime] = Field(default_factory=list)
    """The first of those that a calendar excludes."""
    version: str = ""
    """The version in force, `pipeline@number`, which works what fires."""
    token: str = ""
    """Names this plan: an order that has it is refused once something has changed."""
    warning: str | None
    """What a person should know before; None if there is nothing."""


@query
async def plan_backfill(installation: Installation, request: BackfillRequest) -> BackfillPlan:
    """Return what a backfill would do. Raises InvalidRequestError, NotFoundError
    (`unknown_schedule`, `nothing_applied`, `pipeline_unknown`), RefusedError (`nothing_to_fire`,
    `too_many_planned`) and UnavailableError."""
    version = await newest_published(installation, request.pipeline)
    name = require_known(request.schedule, version.schedules, "schedule", "unknown_schedule")
    plan = await _plan(installation.settings, version, name, request)
    if not plan.times:
        raise RefusedError("nothing_to_fire", plan.warning or "")
    return plan


@query
async def preview_backfill(installation: Installation, request: BackfillRequest) -> BackfillPlan:
    """Return what a backfill would do, also if that is nothing: then `warning` says why. Raises as
    `plan_backfill`, otherwise."""
    version = await newest_published(installation, request.pipeline)
    name = require_known(request.schedule, version.schedules, "schedule", "unknown_schedule")
    return await _plan(installation.settings, version, name, request)


class _Range(NamedTuple):
    start: datetime
    end: datetime


async def _plan(
    settings: Settings, version: Version, name: str, request: BackfillRequest
) -> BackfillPlan:
    spec = version.schedules[name]
    if not spec.is_timed:
        raise RefusedError(
            "nothing_to_fire",
            f"{name} has no planned times: it fires when what it depends on is there",
            next_steps=[fire_once_step(name, spec)],
            schedule=name,
        )
    start, end = _range(spec, request)
    try:
        planned = [*planned_in(spec, start, end, MAX_PLANNED + 1)]
        left = [each for each in planned if exclusion(spec, each, version.schedules) is None]
    except ValueError as error:  # holidays that this machine does not know
        raise RefusedError("nothing_to_fire", str(error), schedule=name) from None
    if len(planned) > MAX_PLANNED:
        raise RefusedError(
            "too_many_planned",
            f"{name} has more than {grouped(MAX_PLANNED)} planned times in this range; take a"
            " shorter one",
            schedule=name,
        )
    fired: Collection[datetime] = ()
    if request.missing and left:
        records = await read_firings(settings, version.pipeline, name, since=left[0])
        fired = {each.planned for each in records if each.outcome == "fired"}
    times = [each for each in left if each not in fired]
    nothing = "" if times else _nothing_text(name, spec, planned, left, start, end)
    kept = {*left}
    return BackfillPlan(
        pipeline=version.pipeline,
        schedule=name,
        start=start,
        end=end,
        planned=len(planned),
        excluded=len(planned) - len(left),
        fired=len(left) - len(times),
        times=times,
        excluded_times=[each for each in planned if each not in kept][:_NAMED],
        version=version.name,
        token=_token(version, name, request, start, end, times),
        warning=nothing or _warning(request, start),
    )


def _token(
    version: Version,
    name: str,
    request: BackfillRequest,
    start: datetime,
    end: datetime,
    times: Sequence[datetime],
) -> str:
    """Return the same for the same plan, whoever makes it."""
    said = [version.name, name, start, end, request.missing, request.max_parallel, *times]
    return xxhash.xxh3_128_hexdigest("\n".join(map(str, said)).encode())


def _range(spec: ScheduleSpec, request: BackfillRequest) -> _Range:
    """Return the range, whose end is not later than now: what comes then fires by itself. Raises
    InvalidRequestError."""
    now = now_in_seconds()
    start = parse_planned_time(request.start, spec)
    end = now if request.end is None else min(now, parse_planned_time(request.end, spec))
    if start >= end:
        over = "is to come" if start >= now else f"is not before {both_times(spec, end)}"
        raise InvalidRequestError("invalid_request", f"{both_times(spec, start)} {over}")
    return _Range(start, end)


def _nothing_text(
    name: str,
    spec: ScheduleSpec,
    planned: Sequence[datetime],
    left: Sequence[datetime],
    start: datetime,
    end: datetime,
) -> str:
    within = f"from {both_times(spec, start)} to {both_times(spec, end)}"
    if left:
        return (
            f"each of the {grouped(len(left))} planned times {within} has fired; without --missing"
            " they fire once more"
        )
    if planned:
        return f"calendars exclude all {grouped(len(planned))} planned times {within}"
    near = " and ".join(both_times(spec, each) for each in neighbours(spec, start))
    nearest = f"; the nearest: {near}" if near else ""
    return f"{name} has no planned time {within}{nearest}"


def _warning(request: BackfillRequest, start: datetime) -> str | None:
    if not request.missing or start >= datetime.now(UTC) - FIRINGS_KEPT:
        return None
    return (
        f"what fired more than {FIRINGS_KEPT.days} days ago is not known any more, and fires again"
    )
