"""Which control documents are in force?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.control_documents import PauseDocument, parse_control
from farandole.events.controls_in_force import TimedDocument, pause_in_force
from farandole.events.record import Record
from farandole.events.record_time import past_time
from farandole.events.row_format import NewerFormatError
from farandole.operations.results import Result


class PauseState(Result):
    """A pause that is in force."""

    by: str
    since: datetime
    until: datetime | None
    """None if the pause lasts until it is resumed."""
    pipeline: bool
    """True if the whole pipeline is paused."""


class UnreadableControl(Result):
    """A record of the control topic that is no document, and so changes nothing."""

    position: str
    """Topic, partition and offset."""
    key: str
    why: str


class ControlTable(NamedTuple):
    """What is in `farandole.control`."""

    documents: Mapping[bytes, TimedDocument]
    """The documents by their keys, in the order of the log."""
    unreadable: Sequence[UnreadableControl]
    """The newest records of their keys that are no documents."""


async def read_control_table(settings: Settings) -> ControlTable:
    """Return the documents, and the records that are none. As in a worker, such a record leaves in
    force what was in force under its key. Raises BrokerError."""
    documents: dict[bytes, TimedDocument] = {}
    unreadable: dict[bytes, UnreadableControl] = {}
    async for records in scan(settings, [settings.names.control_topic]):
        for record in records:
            add_control_record(record, documents, unreadable)
    return ControlTable(documents, [*unreadable.values()])


def add_control_record(
    record: Record,
    documents: dict[bytes, TimedDocument],
    unreadable: dict[bytes, UnreadableControl],
) -> None:
    """Apply the next record of the log to both tables, by its key."""
    if record.key is None:
        return
    unreadable.pop(record.key, None)
    if record.value is None:
        documents.pop(record.key, None)
        return
    try:
        control = parse_control(record.value)
    except (ValidationError, NewerFormatError) as error:
        unreadable[record.key] = UnreadableControl(
            position=f"{record.topic}/{record.partition}/{record.offset}",
            key=record.key.decode(errors="backslashreplace"),
            why=_problem_text(error),
        )
        return
    documents.pop(record.key, None)
    at = past_time(record.timestamp, datetime.now(UTC))
    documents[record.key] = TimedDocument(control, at)


def _problem_text(error: ValidationError | NewerFormatError) -> str:
    if isinstance(error, NewerFormatError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]


async def read_control_state(settings: Settings) -> Mapping[bytes, TimedDocument]:
    """Return the documents in `farandole.control` by their keys, in the order of the log. Raises
    BrokerError."""
    return (await read_control_table(settings)).documents


def active_pauses(
    documents: Mapping[bytes, TimedDocument], pipeline: str, stages: Iterable[str], now: datetime
) -> dict[str, PauseState]:
    """Return, for each stage that is paused, the pause."""
    known = [*documents.values()]
    pauses = {stage: pause_in_force(known, pipeline, stage, now) for stage in stages}
    return {stage: pause_state(pause) for stage, pause in pauses.items() if pause is not None}


def pause_state(document: TimedDocument) -> PauseState:
    """Return the pause that a document orders."""
    pause = document.control
    assert isinstance(pause, PauseDocument)
    return PauseState(by=pause.by, since=document.at, until=pause.until, pipeline=not pause.stage)
