"""How does an event travel as a Kafka record, and how is one read back?

CloudEvents 1.0 with the Kafka protocol binding: binary mode is written and read, structured mode is
read. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.events.json_text import member_text, parse_json
from farandole.events.record import Header, Record, UndecodableRecord
from farandole.events.run_ids import RUN_ID_PATTERN

CONTENT_TYPE = "content-type"
JSON_CONTENT_TYPE = b"application/json"
STRUCTURED_CONTENT_TYPE = "application/cloudevents+json"
SPECVERSION = "1.0"
RUN_ID = "runid"
TOPOLOGY_VERSION = "topologyversion"
CORRELATION_ID = "correlationid"
TRACEPARENT = "traceparent"
REPEATED_RUN_HEADER = "farandole-again"
"""The header of a root that repeats a run; its value is the id of that run. It is no CloudEvents
attribute, so that a bare record stays bare when it is repeated."""

_ATTRIBUTE_PATTERN = re.compile(r"[a-z0-9]{1,64}")
_MAX_ATTRIBUTE_LENGTH = 4096  # characters; an attribute is a name, not a payload


class UnreadableEventError(ValueError):
    """The record cannot be read as an event; the message says why in one line."""

    published_name = "Unreadable"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event as read: its attributes without the `ce_` prefix, and its data, still bytes.

    A record with no CloudEvents attributes at all is a *bare* record: `attributes` is empty.
    """

    attributes: Mapping[str, str]
    data: bytes
    content_type: str = "application/json"
    traceparent: str | None = None


def header_text(raw: bytes | None, what: str) -> str:
    """Return the value of a header as text. Raises UnreadableEventError."""
    if raw is None:
        raise UnreadableEventError(f"header {what} has no value")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UnreadableEventError(f"header {what} is not UTF-8") from None


def parse_envelope(record: Record) -> Envelope:
    """Return the event in a record: CloudEvents binary mode, structured mode, or a bare record.
    Raises UnreadableEventError and nothing else."""
    if isinstance(record, UndecodableRecord):
        raise UnreadableEventError(f"{record.why}; the record itself stays in its topic")
    if record.value is None:
        raise UnreadableEventError("the record has no value (a tombstone is no event)")
    headers = dict(record.headers)
    content_type = header_text(headers.get(CONTENT_TYPE, JSON_CONTENT_TYPE), CONTENT_TYPE)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents"):
        if media_type != STRUCTURED_CONTENT_TYPE:
            raise UnreadableEventError(
                f"content-type {media_type!r} is not supported; send {STRUCTURED_CONTENT_TYPE}"
            )
        return _parse_structured(record.value, headers)
    attributes = {
        name[3:]: header_text(value, name)
        for name, value in headers.items()
        if name.startswith("ce_")
    }
    if attributes:
        _validate_attributes(attributes)
    return Envelope(attributes, record.value, content_type, _traceparent_of(headers))


def _parse_structured(value: bytes, headers: Mapping[str, bytes]) -> Envelope:
    try:
        document = parse_json(value)
    except ValueError as error:
        raise UnreadableEventError(f"structured event is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnreadableEventError("structured event is not a JSON object")
    if "data_base64" in document:
        raise UnreadableEventError("data_base64 is not supported; send JSON in 'data'")
    if "data" not in document:
        raise UnreadableEventError("structured event has no 'data'")
    data = member_text(value.decode(), "data") or ""
    attributes = {}
    for name, attribute in document.items():
        if attribute is None or name == "data":
            continue  # the spec: null means unset
        if not isinstance(attribute, str | int | bool):
            raise UnreadableEventError(
                f"attribute {name!r} is neither text, an integer nor a boolean"
            )
        attributes[name] = str(attribute).lower() if isinstance(attribute, bool) else str(attribute)
    _validate_attributes(attributes)
    content_type = attributes.pop("datacontenttype", "application/json")
    return Envelope(attributes, data.encode(), content_type, _traceparent_of(headers))


def _traceparent_of(headers: Mapping[str, bytes]) -> str | None:
    raw = headers.get(TRACEPARENT)
    if raw is None:
        return None
    traceparent = header_text(raw, TRACEPARENT)
    if len(traceparent) > _MAX_ATTRIBUTE_LENGTH:  # every event of the run would carry it
        raise UnreadableEventError(f"traceparent is longer than {_MAX_ATTRIBUTE_LENGTH} characters")
    return traceparent


def _validate_attributes(attributes: Mapping[str, str]) -> None:
    if attributes.get("specversion") != SPECVERSION:
        raise UnreadableEventError(
            f"specversion is {attributes.get('specversion')!r}; only {SPECVERSION!r} is read"
        )
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise UnreadableEventError(f"attribute {name!r} is missing or empty")
    for name, value in attributes.items():
        if not _ATTRIBUTE_PATTERN.fullmatch(name):
            raise UnreadableEventError(
                f"attribute name {name[:64]!r} is not lowercase letters and digits"
            )
        if len(value) > _MAX_ATTRIBUTE_LENGTH:
            raise UnreadableEventError(
                f"attribute {name!r} is longer than {_MAX_ATTRIBUTE_LENGTH} characters"
            )


def check_bookkeeping(headers: Mapping[str, bytes | None]) -> None:
    """Check the headers by which we count an event that a stage of ours emitted, and those that its
    descendants inherit: the id is there, the run is one, the others are short text. Raises
    UnreadableEventError."""
    if not headers.get("ce_id"):
        raise UnreadableEventError("header ce_id has no value")
    run = headers.get(f"ce_{RUN_ID}")
    if run is None or not RUN_ID_PATTERN.fullmatch(run):
        shown = (run or b"")[:64].decode(errors="backslashreplace")
        raise UnreadableEventError(
            f"header ce_runid is {shown!r}, which is no run id (13 letters a to z and digits 2 to"
            " 7); somebody has changed the headers of an event that a stage emitted"
        )
    for name in (f"ce_{CORRELATION_ID}", TRACEPARENT):
        if name in headers and len(header_text(headers[name], name)) > _MAX_ATTRIBUTE_LENGTH:
            raise UnreadableEventError(
                f"header {name} is longer than {_MAX_ATTRIBUTE_LENGTH} characters"
            )


def check_type(attributes: Mapping[str, str], event_type: str) -> None:
    """Check that a foreign event is one of the type that its topic has; a bare record is. Raises
    UnreadableEventError."""
    if attributes and attributes["type"] != event_type:
        raise UnreadableEventError(
            f"its CloudEvents type is {attributes['type'][:200]!r}, and this is the topic of"
            f" {event_type!r}; send it with that type, or without CloudEvents attributes"
        )


def is_in_structured_mode(record: Record) -> bool:
    """Return True if a record is a CloudEvent in structured mode by its content type, or by its
    value: then its data are a part of its value."""
    raw = dict(record.headers).get(CONTENT_TYPE) or b""
    return raw.strip().lower().startswith(b"application/cloudevents") or _has_attributes(record)


def _has_attributes(record: Record) -> bool:
    """Return True if the value is an object with the attributes that each CloudEvent has."""
    value = record.value or b""
    if b'"specversion"' not in value:
        return False
    try:
        document = parse_json(value)
    except ValueError:
        return False
    required = {"specversion", "id", "source", "type"}
    return isinstance(document, dict) and required <= document.keys()


def structured_hint(record: Record) -> str:
    """Return what to say about a record that cannot be read and is a CloudEvent in structured mode
    by its value, but not by its content type; empty if it is none."""
    try:
        media_type = header_text(dict(record.headers).get(CONTENT_TYPE, b""), CONTENT_TYPE)
    except UnreadableEventError:
        return ""
    if media_type.strip().lower().startswith("application/cloudevents"):
        return ""
    if not _has_attributes(record):
        return ""
    return (
        "; the value is a CloudEvent in structured mode, which needs the header"
        f" {CONTENT_TYPE}: {STRUCTURED_CONTENT_TYPE} (it has {media_type[:100] or 'none'})"
    )


def attribute_header(attribute: str, value: str) -> Header:
    """Return a CloudEvents attribute as a Kafka header."""
    return f"ce_{attribute}", value.encode()


def time_header(time: datetime) -> Header:
    """Return the attribute that says when an event was published."""
    text = time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return attribute_header("time", f"{text}Z")


def constant_headers(source: str, event_type: str, time: datetime) -> list[Header]:
    """Return the headers that are the same for all events of one type in a batch."""
    return [
        attribute_header("specversion", SPECVERSION),
        attribute_header("source", source),
        attribute_header("type", event_type),
        time_header(time),
        (CONTENT_TYPE, JSON_CONTENT_TYPE),
    ]


def trigger_headers(source: str, event_type: str, event_id: str, time: datetime) -> list[Header]:
    """Return all headers of a root that a person or a schedule publishes."""
    return [*constant_headers(source, event_type, time), attribute_header("id", event_id)]
