"""How is one difference between two topologies stored as data?

`farandole.router.topology_diff` finds the differences, and `farandole.router.reason_text` writes
the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Danger = Literal["unread", "keys", "schema"]
DANGERS: tuple[Danger, ...] = ("unread", "keys", "schema")
ChangeSubject = Literal[
    "stage", "event", "topic", "schedule", "flag", "throttle", "limit", "alerts", "expect",
    "quality",
]  # fmt: skip
CHANGE_SUBJECTS: tuple[ChangeSubject, ...] = (
    "stage", "event", "topic", "schedule", "flag", "throttle", "limit", "alerts", "expect",
    "quality",
)  # fmt: skip
ChangeSign = Literal["+", "~", "-"]

ReasonCode = Literal[
    "stage_added",  # subscribes, emits
    "stage_removed",  # subscribes
    "function_still_needed",
    "setting_changed",  # key, kind, was, now
    "check_changed",  # name, was, now
    "condition_changed",  # event_type, was, now
    "parameter_changed",  # name, was_given, was, now_given, now
    "accepted_schema_changed",  # known, added, removed, changed, was, now
    "function_schemas_changed",
    "topic_added",  # partitions, key, retention_ms
    "partitions_changed",  # was, now, topic, moves_keys
    "topic_recreated",  # exists, added
    "key_changed",  # was, now
    "data_schema_changed",  # added, removed, changed, was, now
    "event_removed",  # unread
    "schedule_added",  # schedule
    "schedule_removed",
    "schedule_times_changed",
    "flag_added",  # type, default
    "flag_removed",
    "rate_changed",  # was, now
    "route_added",  # stages, errors, kinds, severity, quiet, channels, escalate, repeat
    "route_removed",  # stages, errors, kinds, severity, quiet, channels
    "routes_reordered",
    "config_changed",  # name, was, now
    "unread_may_be_deleted",  # events, at_most
    "schema_incompatible",  # direction, version, stage, event_type, misfits
    "rollback_in_force",  # version, rollback_of
    "text",  # text: read from a plan that was saved before there were codes
]


@dataclass(frozen=True, slots=True)
class Reason:
    """One difference; the comments above name the fields of each code."""

    code: ReasonCode
    fields: Mapping[str, Any]
    """JSON values. A webhook's path is never among them: it is often a secret."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Events that are still handled under older versions."""

    events: int
    at_most: bool
    """True if `events` counts offsets, some of which may be no events."""
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is new (`+`), changed (`~`) or removed (`-`).

    The order and names of the fields are the format of `farandole plan --out` and of `--json`.
    """

    sign: ChangeSign
    what: ChangeSubject
    name: str
    """Empty for the alerts, the expectations and the quality: a pipeline has one set of each."""
    said: str
    """The reasons in words, as `farandole.router.reason_text` renders them."""
    danger: Danger | None = None
    """The kind of danger that a person must permit; None if the change is safe."""
    drains: str = ""
    """The drain in words; empty if nothing drains."""
    reasons: tuple[Reason, ...] = ()
    drain: Drain | None = None

    def __str__(self) -> str:
        """Return text such as `~ stage enrich: subscribes line.validated → line.screened (3 unread
        drain under @7)`."""
        drains = f" ({self.drains})" if self.drains else ""
        return f"{self.sign} {f'{self.what} {self.name}'.strip()}: {self.said}{drains}"


class UnreadEvents(NamedTuple):
    """The events of one type that a stage has not read yet, and the versions they belong to."""

    stage: str
    event_type: str
    topic: str
    versions: tuple[int, ...]
    events: int
    at_most: bool = False
    """True if `events` counts offsets: too many to be read, and some of them may be no events."""


def total_unread(unread: Sequence[UnreadEvents]) -> Drain | None:
    """Return the sum of these events and all of their versions; None if there are none."""
    if not unread:
        return None
    return Drain(
        sum(each.events for each in unread),
        any(each.at_most for each in unread),
        tuple(sorted({number for each in unread for number in each.versions})),
    )
