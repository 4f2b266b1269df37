"""How does one schedule stand, and what became of its planned times?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from farandole.events.firing_record import FiringRecord, time_text
from farandole.events.record_time import parse_row_time
from farandole.events.schedule_spec import ScheduleSpec
from farandole.operations.errors import InvalidRequestError, query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import newest_published
from farandole.operations.results import Result
from farandole.operations.schedules.firing_records import (
    FiringOrder,
    firing_order,
    read_firings,
)
from farandole.operations.schedules.planned_view import local_text
from farandole.operations.schedules.schedule_reader import ReadSource, ScheduleSource
from farandole.operations.schedules.schedule_state import ScheduleState


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """Which schedule is shown, and how much of its history."""

    schedule: str
    pipeline: str | None = None
    """None: that of the file."""
    history: bool = False
    limit: int = 20
    """How many planned times of the history are shown, the newest."""
    since: datetime | None = None
    """Only what was planned since then."""
    before: str | None = None
    """Only what comes after the end of an earlier page: its `next_page`."""


class PastFiring(FiringRecord):
    """What became of a planned time, and how its run stands."""

    local: str
    """The planned time in the schedule's zone, with its offset from UTC."""
    status: str
    """That of the run in the books; empty if they do not have it, or nothing was fired."""


class ShowResult(Result):
    """One schedule."""

    schedule: ScheduleState
    history: list[PastFiring] | None
    """The newest planned time first; None if it was not asked for."""
    more: bool
    """True if there are older ones."""
    next_page: str | None = None
    """What `before` is for the page of older ones; None if there are none."""
    schedulers: int
    """How many processes of the scheduler run; 0: nothing fires."""


@query
async def show_schedule(
    installation: Installation, request: ShowRequest, source: ScheduleSource | None = None
) -> ShowResult:
    """Return how a schedule of the version in force stands. `source`: None to read the topics.
    Raises NotFoundError
    (`unknown_schedule`, `nothing_applied`, `pipeline_unknown`), InvalidRequestError (`before` is no
    page) and UnavailableError."""
    settings = installation.settings
    before = None if request.before is None else _parse_page(request.before)
    version = await newest_published(installation, request.pipeline)
    name = require_known(request.schedule, version.schedules, "schedule", "unknown_schedule")
    source = source or ReadSource(installation)
    facts = await source.facts()
    history, more, next_page = None, False, None
    if request.history:
        records = await read_firings(
            settings,
            version.pipeline,
            name,
            since=request.since,
            limit=request.limit + 1,
            before=before,
        )
        more, records = len(records) > request.limit, records[: request.limit]
        statuses = await source.statuses({each.run for each in records if each.run})
        spec = version.schedules[name]
        history = [_past_firing(each, spec, statuses) for each in records]
        next_page = _page_text(firing_order(records[-1])) if more else None
    return ShowResult(
        schedule=facts.scope.state(version, name),
        history=history,
        more=more,
        next_page=next_page,
        schedulers=facts.schedulers,
    )


def _past_firing(
    record: FiringRecord, spec: ScheduleSpec, statuses: Mapping[str, str]
) -> PastFiring:
    try:
        local = local_text(spec, record.planned)
    except ValueError:  # this machine does not know the zone
        local = record.planned.isoformat()
    return PastFiring(**record.model_dump(), local=local, status=statuses.get(record.run or "", ""))


def _page_text(order: FiringOrder) -> str:
    """Return where a page ends: `2026-11-24T01:30:00Z~2026-11-24T01:30:04Z~suffix`."""
    planned, at, suffix = order
    return "~".join((time_text(planned), time_text(at), suffix))


def _parse_page(text: str) -> FiringOrder:
    planned, _, rest = text.partition("~")
    at, _, suffix = rest.partition("~")
    try:
        return parse_row_time(planned), parse_row_time(at), suffix
    except ValueError:
        raise InvalidRequestError(
            "invalid_request", f"{text!r} is no page of a history; take its next_page"
        ) from None
