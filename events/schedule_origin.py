"""Which schedule has published a root, and for which planned time?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.firing_record import time_text
from farandole.events.kafka_names import STAGE_PATTERN
from farandole.events.ledger_entry import RunRoot
from farandole.events.record import Header
from farandole.events.root_record import SCHEDULE_SOURCE
from farandole.events.time_format import utc_timestamp

_SCHEDULE, _PLANNED = "ce_schedule", "ce_plannedtime"
_PLANNED_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


class ScheduleOrigin(NamedTuple):
    """The schedule that a root comes from."""

    schedule: str
    planned: datetime
    """The planned time for which it fired, in UTC."""
    repeats: str = ""
    """The run that somebody has repeated with this root; empty if the scheduler has published it. A
    repeated root has the id and the planned time of the first one, and is no firing."""


def origin_headers(schedule: str, planned: datetime) -> list[Header]:
    """Return the headers by which a root says which schedule it comes from."""
    return [(_SCHEDULE, schedule.encode()), (_PLANNED, time_text(planned).encode())]


def schedule_origin(headers: Sequence[Header]) -> ScheduleOrigin | None:
    """Return which schedule the root with these headers comes from; None if it comes from none.
    Anybody may write such headers: they inform people, and decide nothing."""
    if all(name != _SCHEDULE for name, _ in headers):
        return None  # as most roots: a lane asks for each
    found = {name: (value or b"").decode(errors="replace") for name, value in headers}
    schedule, planned = found.get(_SCHEDULE, ""), found.get(_PLANNED, "")
    is_scheduled = found.get("ce_source", "").startswith(SCHEDULE_SOURCE)
    if not is_scheduled or not STAGE_PATTERN.fullmatch(schedule):
        return None
    if not _PLANNED_PATTERN.fullmatch(planned):
        return None
    try:
        time = datetime.fromisoformat(planned)
    except ValueError:
        return None
    return ScheduleOrigin(schedule, time, found.get(REPEATED_RUN_HEADER, ""))


def add_origin(root: RunRoot, headers: Sequence[Header]) -> None:
    """Add to a run's root, whose record has these headers, which schedule it comes from."""
    origin = schedule_origin(headers)
    if origin is not None:
        root["schedule"] = origin.schedule
        root["planned"] = time_text(origin.planned)


def origin_text(root: Mapping[str, object]) -> str:
    """Return which schedule the root of a run comes from: `nightly for 2026-11-30 02:30:00 UTC`;
    empty if it comes from none."""
    schedule, planned = root.get("schedule"), str(root.get("planned"))
    if not schedule:
        return ""
    try:
        return f"{schedule} for {utc_timestamp(datetime.fromisoformat(planned))}"
    except ValueError:  # anybody may have written the row
        return str(schedule)
