"""What is in one event: its envelope, its data, and who emitted it?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.catalog.ownership import Owner, VersionIndex
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.personal_data_masking import PERSONAL_MASK
from farandole.events.personal_fields import (
    IMPERSONAL_HEADERS,
    NOTHING_PERSONAL,
    PersonalFields,
    personal_fields,
)
from farandole.events.record import Record
from farandole.events.record_time import known_time_ms
from farandole.events.safe_text import short_line
from farandole.ledger.event_trace import RecordPosition, TraceTarget, parse_trace_target
from farandole.operations.errors import InvalidRequestError, NotFoundError, RefusedError, query
from farandole.operations.events.event_content import EventContent, read_content
from farandole.operations.events.event_tracer import EventTracer, FoundRecords
from farandole.operations.events.record_result import RecordReader
from farandole.operations.events.shown_data import (
    ShownData,
    masked_data,
    shown_data,
)
from farandole.operations.installation import Installation
from farandole.operations.results import Result

_MAX_HEADER_CHARACTERS = 8_192


@dataclass(frozen=True, slots=True)
class EventRequest:
    """Which event, and whether what is personal is shown."""

    event: str
    """Its id, or its position."""
    reveal: bool = False


class EventHeader(Result):
    """A header of a record."""

    name: str
    value: str
    """Text; what is no UTF-8 is escaped."""
    cut: bool


class EventResult(Result):
    """One event as a person sees it."""

    pipeline: str
    event_type: str
    """Its topic if no version has it."""
    topic: str
    partition: int
    offset: int
    id: str | None
    """None for a bare record."""
    run: str | None
    stage: str | None
    """The stage that emitted it; None if it is a root."""
    version: int | None
    """The version that it belongs to; None if that is not known."""
    readers: list[str]
    """The stages that subscribe to it under that version."""
    at: int | None
    """When it was written, in milliseconds of the epoch; None if its producer gave no time."""
    headers: list[EventHeader]
    key: str | None
    key_masked: bool
    data: ShownData
    schema_title: str | None
    """The name of its model, if its schema has one."""
    unreadable: str | None
    """Why the record is no event; None if it is one."""


def event_target(text: str) -> TraceTarget:
    """Return the event that a text names. Raises InvalidRequestError (`invalid_request`)."""
    try:
        return parse_trace_target(text)
    except ValueError:
        raise InvalidRequestError(
            "invalid_request",
            f"{short_line(text)!r} is neither the id of an event, as line.ingested/3/10482/0, nor "
            "a position, as line.ingested/3/10482",
        ) from None


@query
async def show_event(installation: Installation, request: EventRequest) -> EventResult:
    """Return one event. Raises NotFoundError (`unknown_event_type`, `unknown_event`) and GoneError
    (`event_gone`)."""
    versions = await installation.versions()
    record = await _find_record(installation, event_target(request.event))
    # In a thread: large data take a second, and others are answered meanwhile.
    return await asyncio.to_thread(describe_event, versions, record, reveal=request.reveal)


def describe_event(versions: VersionsByNumber, record: Record, *, reveal: bool) -> EventResult:
    """Return an event as a person sees it; `versions` are all that were published."""
    index = VersionIndex(versions.values())
    owner = index.owner_of(record)
    event = None if owner is None else owner.version.events.get(owner.event_type)
    reading = RecordReader(versions.values())
    content = read_content(record)
    fields = _fields_of(owner)
    hides_key = fields.has_key and record.key is not None and not reveal
    hides_headers = fields.hides_headers and not reveal
    return EventResult(
        pipeline=index.newest.pipeline,
        event_type=owner.event_type if owner else reading.event_type(record.topic) or record.topic,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        id=content.attributes.get("id"),
        run=reading.read(record).run,
        stage=None if owner is None else owner.stage,
        version=None if owner is None else owner.version.version,
        readers=[] if owner is None else [*owner.version.subscribers(owner.event_type)],
        at=known_time_ms(record.timestamp),
        headers=[_shown_header(*header, hides=hides_headers) for header in record.headers],
        key=_shown_key(record.key, hide=hides_key),
        key_masked=hides_key,
        data=shown_data(content, fields.schema, reveal=reveal),
        schema_title=_title(event.data_schema if event else None),
        unreadable=content.unreadable,
    )


@query
async def read_value(installation: Installation, request: EventRequest) -> bytes:
    """Return the value of an event, whole and as it was written; without `reveal`, with what is
    personal masked. Raises as `show_event` and `masked_file`."""
    versions = await installation.versions()
    record = await _find_record(installation, event_target(request.event))
    if request.reveal:
        return record.value or b""
    return await asyncio.to_thread(masked_file, versions, record)


def masked_file(versions: VersionsByNumber, record: Record) -> bytes:
    """Return the value of a record with what is personal masked. Raises RefusedError
    (`unfit_value`) if something may be personal and it cannot be told what: the value is no JSON,
    or has more in it than the data."""
    content = read_content(record)
    is_whole = content.data == record.value and not content.is_misplaced
    file = EventContent({}, record.value, None, is_misplaced=not is_whole)
    fields = _fields_of(VersionIndex(versions.values()).owner_of(record))
    value, hides = masked_data(file, fields.schema)
    if value is None and hides:
        raise RefusedError(
            "unfit_value",
            f"{RecordPosition.of(record)} is no JSON, or a CloudEvent in structured mode, and what "
            "is personal in it cannot be left out: only somebody who may see it can download it",
        )
    return value or b""


def _fields_of(owner: Owner | None) -> PersonalFields:
    return NOTHING_PERSONAL if owner is None else personal_fields(owner.version, owner.event_type)


async def _find_record(installation: Installation, target: TraceTarget) -> Record:
    """Return the record at a position, or the event with an id."""
    versions = await installation.versions()
    async with ClusterAdmin.open(installation.settings) as admin:
        tracer = EventTracer(
            installation.settings, admin, versions.values(), 200, lambda topics: None
        )
        start = await tracer.target_record(target)
        found = FoundRecords()
        await tracer.find_event(start, target, found)
    if found.event is None:
        cause = RecordPosition.of(start)
        raise NotFoundError(
            "unknown_event",
            f"no event has the id {target.id}: {cause} is there, and none of its results has it",
            id=target.id,
            cause=str(cause),
        )
    return found.event


def _shown_header(name: str, value: bytes | None, *, hides: bool) -> EventHeader:
    text = (value or b"").decode(errors="backslashreplace")
    if hides and name not in IMPERSONAL_HEADERS:
        text = PERSONAL_MASK
    return EventHeader(
        name=name, value=text[:_MAX_HEADER_CHARACTERS], cut=len(text) > _MAX_HEADER_CHARACTERS
    )


def _shown_key(key: bytes | None, *, hide: bool) -> str | None:
    if key is None:
        return None
    text = key.decode(errors="backslashreplace")[:_MAX_HEADER_CHARACTERS]
    return PERSONAL_MASK if hide else text


def _title(schema: Mapping[str, Any] | None) -> str | None:
    title = (schema or {}).get("title")
    return title if isinstance(title, str) else None
