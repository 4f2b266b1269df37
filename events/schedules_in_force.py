"""Is a schedule paused now, since when, until when, and who said so?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from farandole.events.controls_in_force import TimedDocument, is_expired, newest_of_each
from farandole.events.schedule_document import ScheduleDocument

ScheduleDocuments = Mapping[tuple[str, str], TimedDocument]
"""The newest schedule document of each schedule, by pipeline and schedule; that of a whole pipeline
has an empty schedule. They may have expired."""


class SchedulePause(NamedTuple):
    """A pause that is in force, and the document that says so."""

    since: datetime | None = None
    """None if the file says so, as are `until` and `generation`."""
    until: datetime | None = None
    """None if it lasts until somebody resumes the schedule."""
    by: str = ""
    comment: str = ""
    generation: int | None = None
    of_pipeline: bool = False
    """True if the document is about every schedule of the pipeline."""


PAUSED_BY_FILE = SchedulePause()


def schedule_documents(documents: Iterable[TimedDocument]) -> ScheduleDocuments:
    """Return the newest document of each schedule and of each pipeline, under whatever key it
    stands. `documents`: in the order of the log."""
    found = {}
    for each in newest_of_each(documents, ScheduleDocument):
        assert isinstance(each.control, ScheduleDocument)
        found[each.control.pipeline, each.control.schedule] = each
    return found


def schedule_pause(
    documents: ScheduleDocuments,
    pipeline: str,
    schedule: str,
    now: datetime,
    *,
    paused_by_file: bool,
) -> SchedulePause | None:
    """Return the pause of a schedule; None if it is not paused.

    Of the newest document of the schedule and the newest of its whole pipeline, the newer one
    decides, whatever the file says. One that has expired is as if it were not there; without any,
    the file decides.
    """
    newest = schedule_decider(documents, pipeline, schedule, now)
    if newest is None:
        return PAUSED_BY_FILE if paused_by_file else None
    control = newest.control
    assert isinstance(control, ScheduleDocument)
    if not control.paused:
        return None
    return SchedulePause(
        since=newest.at,
        until=control.until,
        by=control.by,
        comment=control.comment,
        generation=newest.generation,
        of_pipeline=not control.schedule,
    )


def schedule_decider(
    documents: ScheduleDocuments, pipeline: str, schedule: str, now: datetime
) -> TimedDocument | None:
    """Return the document that decides whether a schedule is paused; None if the file does."""
    both = (documents.get((pipeline, schedule)), documents.get((pipeline, "")))
    found = (each for each in both if each is not None and not is_expired(each.control, now))
    return max(found, key=lambda each: each.generation, default=None)
