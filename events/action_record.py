"""What has somebody done to an installation?

Each call of an operation that writes ends in one record of `farandole.actions`, whatever came of
it. The records are kept for 90 days, and none replaces another one. What a person writes straight
to a topic, with kcat, is not among them: Kafka does not say who wrote a record.
"""

from __future__ import annotations

from typing import Any, Literal

from farandole.events.record_time import RowTime
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel

ACTION_NAMES = (
    "ack", "again", "apply", "backfill", "backfill cancel", "backup", "cancel", "dead discard",
    "dead replay", "delete", "drain", "drain end", "flag", "flag import", "gates release", "mute",
    "parked discard", "parked mend", "parked release", "pause", "quality expect",
    "quality ignore", "restart", "restore", "resume", "reveal", "rollback", "schedules fire",
    "schedules pause", "schedules resume", "seek", "switch", "throttle", "trigger", "up",
)  # fmt: skip
"""What can be done, as the commands are named; `reveal` is of the web console."""

ActionVia = Literal["cli", "web", "program"]
ActionOutcome = Literal["ok", "refused", "failed"]
"""`refused`: nothing was to be changed; `failed`: it is not known whether all of it was."""


class ActionRecord(RowModel):
    """The value of a record in `farandole.actions`. Its key is `id`."""

    id: str
    at: RowTime
    """When it ended, by the clock of the machine that did it. The record's timestamp is that of the
    broker."""
    who: str
    """The user and the machine, or the user of the web console."""
    role: str = ""
    """Of the user of the web console; empty where Kafka's rights alone decide."""
    via: ActionVia
    origin: str = ""
    """The machine of the command line, or the address of the browser."""
    what: str
    """One of ACTION_NAMES, or what a newer release knows."""
    target: str = ""
    """The stage, run, schedule, flag or incident that it was done to; empty for the pipeline."""
    pipeline: str = ""
    """Empty if it is not about one pipeline, or failed before that was known."""
    by: str = ""
    """On whose behalf, where that is not `who`."""
    reason: str = ""
    before: Any = None
    """What was in force before, as JSON; None if nothing was, or it is not known."""
    after: Any = None
    """What is in force since, or what was done. Data of events are never here."""
    result: ActionOutcome
    code: str = ""
    """Why it was refused or failed, as in `OperationError.code`."""


def parse_action(value: bytes) -> ActionRecord:
    """Return the record. Raises NewerFormatError, and pydantic's ValidationError if no release of
    Farandole wrote it."""
    check_json_format("action", value)
    return ActionRecord.model_validate_json(value)


def serialize_action(action: ActionRecord) -> bytes:
    """Return the record's value."""
    return action.model_dump_json().encode()
