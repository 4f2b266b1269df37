"""Which schedule does a section of a file without errors describe?"""

from __future__ import annotations

from typing import Any

from farandole.events.schedule_spec import (
    RUN_STATUS_WORDS,
    CalendarSpec,
    CatchUpPolicy,
    DependencySpec,
    ScheduleSpec,
)
from farandole.router.file_model import CalendarSection, DependencySection, ScheduleSection
from farandole.router.schedule_values import ANY_STATUS

_PLAIN_KEYS = {
    "triggers", "cron", "every", "at", "zone", "jitter", "start", "end", "unknown",
    "within", "otherwise", "paused", "description",
}  # fmt: skip


def derive_schedule(written: ScheduleSection) -> ScheduleSpec:
    """Return the schedule; what the file leaves out has the published default."""
    values: dict[str, Any] = written.model_dump(exclude_none=True, include=_PLAIN_KEYS)
    catch_up = written.catch_up.model_dump(exclude_none=True)
    if written.after and written.cron is None and written.every is None and not written.at:
        # Each arrival counts: none is to be skipped unless the file says so.
        values["overlap"] = "buffer-all"
        catch_up = {"runs": "all", **catch_up}
    if written.data is not None:
        values["data"] = written.data  # whole: no null in it is left out
    if written.overlap is not None:
        policy, cap = written.overlap
        values |= {"overlap": policy} | ({} if cap is None else {"buffer": cap})
    return ScheduleSpec(
        catch_up=CatchUpPolicy(**catch_up),
        exclude=tuple(map(_derive_calendar, written.exclude or ())),
        include=tuple(map(_derive_calendar, written.include or ())),
        after=tuple(map(_derive_dependency, written.after or ())),
        **values,
    )


def _derive_calendar(written: CalendarSection) -> CalendarSpec:
    return CalendarSpec(**written.model_dump(exclude_none=True))


def _derive_dependency(written: DependencySection) -> DependencySpec:
    values = written.model_dump(exclude_none=True, exclude={"status"})
    return DependencySpec(status=_statuses(written), **values)


def _statuses(written: DependencySection) -> tuple[str, ...]:
    if not written.pipeline:
        return ()
    words = written.status or ("completed",)
    if ANY_STATUS in words:
        words = tuple(RUN_STATUS_WORDS)
    return tuple(status for word in words for status in RUN_STATUS_WORDS[word])
