"""What do the checks of schedules know of a schedule?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.events.schedule_spec import ScheduleSpec
from farandole.router.lint_context import LintContext
from farandole.router.schedule_derivation import derive_schedule
from farandole.scheduler.recurrence import planned_times

TIME_KEYS = ("cron", "every", "at")


def written_schedule(context: LintContext, name: str) -> Mapping[str, Any]:
    """Return a schedule as the document has it, also with values that the model has refused."""
    schedules = context.document.data.get("schedules")
    written = schedules.get(name) if isinstance(schedules, dict) else None
    return written if isinstance(written, dict) else {}


def is_timed(written: Mapping[str, Any]) -> bool:
    """Return True if a schedule has planned times, or is meant to."""
    return any(written.get(key) is not None for key in TIME_KEYS)


def sound_schedules(context: LintContext) -> Iterator[tuple[str, ScheduleSpec]]:
    """Yield the schedules whose times can be computed. The others have findings already."""
    for name, section in context.topology.schedules.items():
        written = written_schedule(context, name)
        times = [key for key in TIME_KEYS if written.get(key) is not None]
        if len(times) > 1 or not (times or section.after):
            continue
        spec = derive_schedule(section)
        if spec.is_timed is not bool(times):
            continue  # the value was refused
        try:
            planned_times(spec)
        except ValueError:
            continue
        yield name, spec
