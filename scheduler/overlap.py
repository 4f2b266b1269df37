"""May a planned time fire while the run of an earlier one has not ended?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from farandole.events.schedule_row import FiredRun
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.time_format import utc_timestamp

_NOT_ENDED = "has not ended"


class Overlap(NamedTuple):
    """What becomes of a planned time that is due."""

    outcome: Literal["fire", "wait", "skipped", "merged"]
    reason: str = ""
    """Why it does not fire now; of one that fires, what nobody knew."""
    is_unknown: bool = False
    """It waits, or fires, because nobody knows how the runs stand."""
    cancels: bool = False
    """The runs that have not ended are to be cancelled."""


def overlap(
    spec: ScheduleSpec,
    running: Sequence[FiredRun],
    *,
    waiting_before: int,
    has_newer: bool,
    is_unknown: bool,
) -> Overlap:
    """Return what becomes of a planned time that is due.

    `running`: the runs that have not ended, as far as anybody knows; `is_unknown`: nobody knows how
    they stand now. `waiting_before`: how many planned times before it wait for one of them.
    `has_newer`: a later planned time is due as well."""
    if not running or spec.overlap == "allow-all":
        return Overlap("fire")
    run = run_text(running[0])
    if is_unknown:
        if spec.unknown == "wait":
            return Overlap("wait", f"the books are behind: has {run} ended?", is_unknown=True)
        reason = f"the books were behind: nobody knew whether {run} had ended"
        return Overlap("fire" if spec.unknown == "fire" else "skipped", reason, is_unknown=True)
    match spec.overlap:
        case "skip":
            return Overlap("skipped", f"{run} had not ended")
        case "buffer-one" if waiting_before:
            return Overlap("skipped", f"{run} had not ended, and a planned time waited for that")
        case "buffer-all" if waiting_before >= spec.buffer:
            many = f"{waiting_before} planned times waited for that"
            return Overlap("skipped", f"{run} had not ended, and {many}")
        case "cancel-other" if has_newer:
            return Overlap("merged", f"{run} had not ended, and a later planned time stands for it")
    return Overlap("wait", f"{run} {_NOT_ENDED}", cancels=spec.overlap == "cancel-other")


def waited_text(why: str) -> str:
    """Return why a time that fires now is late: what it waited for is no longer so."""
    return f"late: {why.replace(_NOT_ENDED, 'had not ended')}"


def run_text(run: FiredRun) -> str:
    """Return how a run is named in a reason: `run ID (planned for 2026-11-30 02:30:00 UTC)`."""
    return f"run {run.run or 'without an id yet'} (planned for {utc_timestamp(run.planned)})"
