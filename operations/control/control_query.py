"""Which control documents are in force?"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.control_misfits import active_versions, control_misfits
from farandole.events.control_documents import parse_control
from farandole.events.control_problems import problem_text
from farandole.events.controls_in_force import ON, StageMode, TimedDocument, stage_mode
from farandole.events.record import Record
from farandole.events.record_time import past_time
from farandole.events.row_format import NewerFormatError
from farandole.events.safe_text import short_line
from farandole.events.switch_document import CANDIDATE_MODES, Mode
from farandole.events.topology_version import Version
from farandole.operations.results import Result


class PauseState(Result):
    """A pause that is in force."""

    by: str
    since: datetime
    until: datetime | None
    """None if the pause lasts until it is resumed."""
    pipeline: bool
    """True if the whole pipeline is paused."""
    comment: str = ""


class StageModeState(Result):
    """The mode of a stage, and the document that says so."""

    mode: Mode
    pipeline: bool
    """True if the mode is that of the whole pipeline."""
    generation: int | None
    """The offset of the document; None if none says anything of the stage."""
    since: datetime | None
    until: datetime | None
    by: str
    run: str
    """The candidate."""
    share: float | None
    """None for a mode without a candidate."""
    comment: str = ""


class UnreadableControl(Result):
    """A record of the control topic that is no document, and so changes nothing."""

    position: str
    """Topic, partition and offset."""
    key: str
    why: str


class UnfitControl(Result):
    """A document that changes nothing, because it fits no version of its pipeline."""

    pipeline: str
    stage: str
    """Empty for the whole pipeline."""
    key: str
    """That of its record."""
    generation: int
    """The offset of the document."""
    by: str
    why: str
    comment: str = ""


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
            why=problem_text(error),
        )
        return
    documents.pop(record.key, None)
    at = past_time(record.timestamp, datetime.now(UTC))
    documents[record.key] = TimedDocument(control, at, record.offset, record.key)


async def read_control_state(settings: Settings) -> Mapping[bytes, TimedDocument]:
    """Return the documents in `farandole.control` by their keys, in the order of the log. Raises
    BrokerError."""
    return (await read_control_table(settings)).documents


def active_pauses(
    documents: Mapping[bytes, TimedDocument],
    pipeline: str,
    stages: Iterable[str],
    now: datetime,
    unfit: Container[int] = (),
) -> dict[str, PauseState]:
    """Return, for each stage that is on hold, the pause. `unfit`: the generations of documents that
    change nothing."""
    known = [*documents.values()]
    modes = {stage: fitting_mode(known, pipeline, stage, now, unfit) for stage in stages}
    pauses = {stage: pause_state(mode) for stage, mode in modes.items()}
    return {stage: pause for stage, pause in pauses.items() if pause is not None}


def unfit_controls(
    documents: Sequence[TimedDocument],
    versions: Iterable[Version],
    now: datetime,
    unknown: Container[str] = (),
) -> list[UnfitControl]:
    """Return the documents that would be in force and fit none of these versions. `documents`: in
    the order of the log; `unknown`: the pipelines whose versions this release cannot read."""
    return [
        UnfitControl(
            pipeline=short_line(each.pipeline),
            stage=short_line(each.stage),
            key=short_line(each.document.key.decode(errors="backslashreplace")),
            generation=each.document.generation,
            by=short_line(getattr(each.document.control, "by", "")),
            why=each.why,
            comment=short_line(getattr(each.document.control, "comment", "")),
        )
        for each in control_misfits(documents, active_versions(versions), now, unknown)
    ]


def switched_stages(
    documents: Mapping[bytes, TimedDocument],
    pipeline: str,
    stages: Iterable[str],
    now: datetime,
    unfit: Container[int] = (),
) -> dict[str, StageModeState]:
    """Return the mode of each stage that is not on. `unfit`: as for `active_pauses`."""
    known = [*documents.values()]
    modes = {stage: fitting_mode(known, pipeline, stage, now, unfit) for stage in stages}
    return {stage: mode_state(mode) for stage, mode in modes.items() if mode.mode != "on"}


def fitting_mode(
    documents: Sequence[TimedDocument],
    pipeline: str,
    stage: str,
    now: datetime,
    unfit: Container[int],
) -> StageMode:
    """Return the mode of a stage: on, if the document that says another one changes nothing."""
    mode = stage_mode(documents, pipeline, stage, now)
    return ON if mode.generation in unfit else mode


def mode_state(mode: StageMode) -> StageModeState:
    """Return a stage's mode as a result."""
    return StageModeState(
        mode=mode.mode,
        pipeline=mode.of_pipeline,
        generation=mode.generation,
        since=mode.since,
        until=mode.until,
        by=mode.by,
        run=mode.run,
        share=mode.share if mode.mode in CANDIDATE_MODES else None,
        comment=mode.comment,
    )


def pause_state(mode: StageMode) -> PauseState | None:
    """Return the pause that a stage's mode is; None if the stage is not on hold."""
    if mode.mode != "hold" or mode.since is None:
        return None
    return PauseState(
        by=mode.by,
        since=mode.since,
        until=mode.until,
        pipeline=mode.of_pipeline,
        comment=mode.comment,
    )
