"""What becomes of a planned time that could not fire in time?

One policy decides over planned times of an outage and of a pause. A planned time is *late* if it is
first looked at more than a minute after it should have fired, or if the schedule was paused then.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from farandole.events.schedule_spec import CatchUpPolicy
from farandole.events.time_format import format_elapsed

LATE_AFTER = timedelta(seconds=60)

NO_SCHEDULER = "no scheduler ran at that time"
WAS_PAUSED = "the schedule was paused at that time"
BEHIND_OTHERS = "earlier planned times were waiting"


class CatchUp(NamedTuple):
    """What becomes of a planned time that is late."""

    outcome: Literal["fire", "wait", "skipped", "missed", "merged"]
    """`wait`: the pause goes on, or it is not its turn yet."""
    reason: str = ""


def is_late(due: datetime, now: datetime) -> bool:
    """Return True if it is more than a minute since a planned time should have fired."""
    return now - due > LATE_AFTER


def has_expired(policy: CatchUpPolicy, planned: datetime, now: datetime) -> bool:
    """Return True if a planned time is too long ago to fire."""
    return now > expiry(policy, planned)


def expiry(policy: CatchUpPolicy, planned: datetime) -> datetime:
    """Return until when a planned time may fire."""
    return planned + timedelta(seconds=policy.within)


def expired_reason(policy: CatchUpPolicy, why: str) -> str:
    """Return the reason of a planned time that has expired; `why`: why it did not fire before."""
    within = format_elapsed(policy.within)
    return f"{why}, and it was longer than {within} ago when it could have fired"


def catch_up(
    policy: CatchUpPolicy, why: str, newer: datetime | None, *, is_paused: bool, has_room: bool
) -> CatchUp:
    """Return what becomes of a late planned time that has not expired.

    `why`: why it is late, one of the reasons above. `newer`: the next planned time that has come as
    well; None if there is none. `has_room`: few enough planned times wait."""
    if policy.runs == "none":
        return CatchUp("skipped" if why == WAS_PAUSED else "missed", why)
    if policy.runs == "latest" and newer is not None:
        return CatchUp("merged", f"{why}, and a later planned time stands for it")
    if is_paused or not has_room:
        return CatchUp("wait")
    return CatchUp("fire", why)


def minute_of(now: datetime) -> datetime:
    """Return the minute in which late planned times are counted."""
    return now.replace(second=0, microsecond=0)
