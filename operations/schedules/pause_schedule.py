"""How is a schedule, or every schedule of a pipeline, paused and resumed?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedules_in_force import schedule_documents, schedule_pause
from farandole.events.topology_version import Version
from farandole.operations.control.control_change import drop_controls, put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.control.expiry import expiry
from farandole.operations.errors import operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import newest_published
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.schedules.planned_view import local_text
from farandole.operations.schedules.schedule_state import SchedulePauseState, pause_result
from farandole.operations.schedules.schedule_table import count_schedulers


@dataclass(frozen=True, slots=True)
class PauseScheduleRequest:
    """The schedule to pause or to resume, for how long, and who asks for it."""

    by: str
    schedule: str | None = None
    """None: every schedule of the pipeline."""
    pipeline: str | None = None
    """None: that of the file."""
    duration: timedelta | None = None
    until: datetime | None = None
    """With neither: until somebody says otherwise. Afterwards it is as the file says."""
    comment: str = ""


class PauseScheduleResult(Result):
    """The schedules that are paused."""

    pipeline: str
    schedules: list[str]
    until: datetime | None
    local: str | None
    """`until` in the schedule's time zone; None for every schedule."""
    generation: int
    """The offset of the document."""


class ResumeScheduleResult(Result):
    """The schedules that go on."""

    pipeline: str
    schedules: list[str]
    """Those that were meant."""
    resumed: dict[str, SchedulePauseState]
    """The pause that has ended, by schedule; empty if none was paused."""
    until: datetime | None
    local: str | None
    """As in `PauseScheduleResult`."""
    deleted: bool
    """True if there is no such schedule: what documents said of it is deleted."""
    schedulers: int
    """How many processes of the scheduler run; 0: nothing fires."""


@operation
@recorded("schedules pause", lambda request: request.schedule or "")
async def pause_schedule(
    installation: Installation, request: PauseScheduleRequest
) -> PauseScheduleResult:
    """Pause a schedule, or every schedule of the pipeline. Raises InvalidRequestError,
    NotFoundError (`unknown_schedule`, `nothing_applied`, `pipeline_unknown`) and
    UnavailableError."""
    version = await newest_published(installation, request.pipeline)
    meant = _meant(version, request, version.schedules)
    until = expiry(request.duration, request.until)
    documents = await read_control_state(installation.settings)
    document = _document(version, request, until, paused=True)
    generation = await put_control(installation, document, documents)
    return PauseScheduleResult(
        pipeline=version.pipeline,
        schedules=meant,
        until=until,
        local=_local(version, request.schedule, until),
        generation=generation,
    )


@operation
@recorded("schedules resume", lambda request: request.schedule or "")
async def resume_schedule(
    installation: Installation, request: PauseScheduleRequest
) -> ResumeScheduleResult:
    """Resume a schedule, also if the file or a pause of the whole pipeline stops it; or every
    schedule. For a schedule that is gone, what documents say of it is deleted. Raises as
    `pause_schedule`."""
    settings = installation.settings
    version = await newest_published(installation, request.pipeline)
    until = expiry(request.duration, request.until)
    documents = await read_control_state(settings)
    known = [*documents.values()]
    named = _named_schedules(known, version.pipeline)
    meant = _meant(version, request, dict.fromkeys([*version.schedules, *named]))
    document = _document(version, request, until, paused=False)
    paused = paused_schedules(version, known, datetime.now(UTC))
    resumed = {name: pause for name, pause in paused.items() if name in meant}
    is_gone = request.schedule is not None and request.schedule not in version.schedules
    if is_gone:
        await drop_controls(installation, documents, document.subject)
    elif resumed or until is not None:
        await put_control(installation, document, documents)
    return ResumeScheduleResult(
        pipeline=version.pipeline,
        schedules=meant,
        resumed=resumed,
        until=until,
        local=_local(version, request.schedule, until),
        deleted=is_gone,
        schedulers=await count_schedulers(settings),
    )


def paused_schedules(
    version: Version, documents: Sequence[TimedDocument], now: datetime
) -> dict[str, SchedulePauseState]:
    """Return the pause of each schedule that is paused. `documents`: in the order of the log."""
    newest = schedule_documents(documents)
    pauses = {
        name: schedule_pause(newest, version.pipeline, name, now, paused_by_file=spec.paused)
        for name, spec in version.schedules.items()
    }
    return {name: pause_result(pause) for name, pause in pauses.items() if pause is not None}


def _local(version: Version, schedule: str | None, until: datetime | None) -> str | None:
    spec = version.schedules.get(schedule or "")
    if spec is None or until is None:
        return None
    try:
        return local_text(spec, until)
    except ValueError:  # this machine does not know the zone
        return None


def _named_schedules(documents: Sequence[TimedDocument], pipeline: str) -> list[str]:
    return [
        each.control.schedule
        for each in documents
        if isinstance(each.control, ScheduleDocument)
        and each.control.pipeline == pipeline
        and each.control.schedule
    ]


def _meant(version: Version, request: PauseScheduleRequest, known: Iterable[str]) -> list[str]:
    if request.schedule is None:
        return [*version.schedules]
    return [require_known(request.schedule, known, "schedule", "unknown_schedule")]


def _document(
    version: Version, request: PauseScheduleRequest, until: datetime | None, *, paused: bool
) -> ScheduleDocument:
    return ScheduleDocument(
        pipeline=version.pipeline,
        schedule=request.schedule or "",
        paused=paused,
        until=until,
        by=request.by,
        comment=request.comment,
    )
