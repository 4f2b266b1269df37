"""How is a published schedule written as text?

The functions take the JSON of a `ScheduleSpec` or of a part of it, as plans keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farandole.events.schedule_spec import RUN_STATUS_WORDS
from farandole.events.time_format import format_duration
from farandole.router.schedule_values import ANY_STATUS, WEEKDAYS

Fields = Mapping[str, Any]


def when_text(schedule: Fields) -> str:
    """Return when a schedule fires: `30 2 * * * in Europe/Paris`, `every 15m after orders`."""
    times = schedule["cron"] or ", ".join(schedule["at"])
    if schedule["every"] is not None:
        times = f"every {format_duration(schedule['every'])}"
    if times and schedule["zone"] != "UTC":
        times += f" in {schedule['zone']}"
    after = f"after {dependencies_text(schedule['after'])}" if schedule["after"] else ""
    return " ".join(filter(None, (times, after)))


def dependencies_text(dependencies: Sequence[Fields]) -> str:
    """Return what a schedule waits for."""
    return " and ".join(map(_dependency_text, dependencies)) or "nothing"


def _dependency_text(dependency: Fields) -> str:
    if dependency["file"]:
        every = format_duration(dependency["every"])
        existing = "" if dependency["existing"] else ", new ones only"
        return f"{dependency['file']} (looked for each {every}{existing})"
    event = f" {dependency['event']}" if dependency["event"] else ""
    return f"{dependency['pipeline']}{event} {status_text(dependency['status'])}"


def status_text(statuses: Sequence[str]) -> str:
    """Return how a run must have ended, in the words of the file."""
    words = [word for word, each in RUN_STATUS_WORDS.items() if set(each) <= set(statuses)]
    return ANY_STATUS if len(words) == len(RUN_STATUS_WORDS) else " or ".join(words)


def calendars_text(calendars: Sequence[Fields]) -> str:
    """Return some days."""
    return ", ".join(map(_calendar_text, calendars)) or "none"


def _calendar_text(calendar: Fields) -> str:
    if calendar["holidays"]:
        return f"holidays of {calendar['holidays']}"
    if calendar["schedule"]:
        return f"days of {calendar['schedule']}"
    return " ".join([*calendar["dates"], *(WEEKDAYS[day] for day in calendar["weekdays"])])


def catch_up_text(policy: Fields) -> str:
    """Return what is caught up on."""
    if policy["runs"] == "none":
        return "none"
    within = format_duration(policy["within"])
    return f"{policy['runs']} within {within}, {policy['per_minute']} in a minute"


def overlap_text(policy: Sequence[Any]) -> str:
    """Return what happens while a run has not ended; `policy` is the policy and its cap."""
    word, cap = policy
    return f"{word} of {cap}" if word == "buffer-all" else str(word)
