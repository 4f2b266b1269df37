"""Which control documents are in force?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.control_documents import PauseDocument, parse_control_or_none
from farandole.events.controls_in_force import TimedDocument, pause_in_force
from farandole.events.record_time import past_time
from farandole.operations.results import Result


class PauseState(Result):
    """A pause that is in force."""

    by: str
    since: datetime
    until: datetime | None
    """None if the pause lasts until it is resumed."""
    pipeline: bool
    """True if the whole pipeline is paused."""


async def read_control_state(settings: Settings) -> dict[bytes, TimedDocument]:
    """Return the documents in `farandole.control` by their keys, in the order of the log. Raises
    BrokerError."""
    documents: dict[bytes, TimedDocument] = {}
    async for records in scan(settings, [settings.names.control_topic]):
        for record in records:
            if record.key is None:
                continue
            documents.pop(record.key, None)
            control = parse_control_or_none(record.value or b"")
            if control is not None:
                at = past_time(record.timestamp, datetime.now(UTC))
                documents[record.key] = TimedDocument(control, at)
    return documents


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
