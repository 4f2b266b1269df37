"""Is a schedule paused, since when, and when does that change by itself?"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from farandole.events.schedules_in_force import (
    ScheduleDocuments,
    schedule_decider,
    schedule_pause,
)
from farandole.scheduler.schedule_history import ScheduleHistory


class PauseState(NamedTuple):
    """Whether a schedule is paused, as the file and the control documents say."""

    is_paused: bool
    since: datetime | None = None
    """Since when this is so, as far as it is known; None if it was so before."""
    until: datetime | None = None
    """When it changes by itself; None if it does not."""


def pause_state(
    documents: ScheduleDocuments, history: ScheduleHistory, now: datetime, *, was_paused: bool
) -> PauseState:
    """Return whether a schedule is paused now. One that is no longer in the file is not."""
    pipeline, schedule = history.pipeline.newest.pipeline, history.schedule
    spec = history.spec
    paused_by_file = spec is not None and spec.paused
    pause = schedule_pause(documents, pipeline, schedule, now, paused_by_file=paused_by_file)
    decider = schedule_decider(documents, pipeline, schedule, now)
    if decider is not None:
        until: datetime | None = getattr(decider.control, "until", None)
        return PauseState(pause is not None, decider.at, until)
    if paused_by_file == was_paused:
        return PauseState(paused_by_file)
    ended = [
        until
        for name in (schedule, "")
        if (document := documents.get((pipeline, name))) is not None
        and (until := getattr(document.control, "until", None)) is not None
    ]
    return PauseState(paused_by_file, max([history.since(paused=paused_by_file), *ended]))
