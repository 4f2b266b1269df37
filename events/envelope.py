"""How does an event travel as a Kafka record, and how is one read back?

CloudEvents 1.0 with the Kafka protocol binding: binary mode is written and read, structured mode is
read. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic_core import from_json, to_json

from farandole.events.record import Header, Record, Undecodable

CONTENT_TYPE = "content-type"
JSON = b"application/json"
STRUCTURED = "application/cloudevents+json"
SPECVERSION = "1.0"
RUN_ID = "runid"
TOPOLOGY_VERSION = "topologyversion"
CORRELATION_ID = "correlationid"
TRACEPARENT = "traceparent"
AGAIN = "farandole-again"
"""The header of a root that repeats a run, whose id it holds. No CloudEvents attribute: a bare
record that is repeated stays bare."""

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,64}")
_LONGEST_ATTRIBUTE = 4096  # characters; an attribute is a name, not a payload


class Unreadable(ValueError):  # noqa: N818 -- it says what is wrong with the record
    """The record is no event that anyone can read; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event as read: its attributes without the `ce_` prefix, and its data, still bytes.

    A record with no CloudEvents attributes at all is a *bare* record: `attributes` is empty.
    """

    attributes: Mapping[str, str]
    data: bytes
    content_type: str = "application/json"
    traceparent: str | None = None


def text(raw: bytes | None, what: str) -> str:
    """A header's value as text. Raises Unreadable."""
    if raw is None:
        raise Unreadable(f"header {what} has no value")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Unreadable(f"header {what} is not UTF-8") from None


def read(record: Record) -> Envelope:
    """The event in a record: binary mode, structured mode, or bare. Raises Unreadable, only."""
    if isinstance(record, Undecodable):
        raise Unreadable("a header's name is not UTF-8; the record itself stays in its topic")
    if record.value is None:
        raise Unreadable("the record has no value (a tombstone is no event)")
    headers = dict(record.headers)
    content_type = text(headers.get(CONTENT_TYPE, JSON), CONTENT_TYPE)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents"):
        if media_type != STRUCTURED:
            raise Unreadable(f"content-type {media_type!r} is not supported; send {STRUCTURED}")
        return _structured(record.value, headers)
    attributes = {
        name[3:]: text(value, name) for name, value in headers.items() if name.startswith("ce_")
    }
    if attributes:
        _check(attributes)
    return Envelope(attributes, record.value, content_type, _traceparent(headers))


def _structured(value: bytes, headers: Mapping[str, bytes]) -> Envelope:
    try:
        # Not orjson: it makes a float of an integer beyond 64 bits.
        document = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise Unreadable(f"structured event is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Unreadable("structured event is not a JSON object")
    if "data_base64" in document:
        raise Unreadable("data_base64 is not supported; send JSON in 'data'")
    if "data" not in document:
        raise Unreadable("structured event has no 'data'")
    data = to_json(document.pop("data"))
    attributes = {}
    for name, attribute in document.items():
        if attribute is None:
            continue  # the spec: null means unset
        if not isinstance(attribute, str | int | bool):
            raise Unreadable(f"attribute {name!r} is neither text, an integer nor a boolean")
        attributes[name] = str(attribute).lower() if isinstance(attribute, bool) else str(attribute)
    _check(attributes)
    content_type = attributes.pop("datacontenttype", "application/json")
    return Envelope(attributes, data, content_type, _traceparent(headers))


def _traceparent(headers: Mapping[str, bytes]) -> str | None:
    raw = headers.get(TRACEPARENT)
    if raw is None:
        return None
    traceparent = text(raw, TRACEPARENT)
    if len(traceparent) > _LONGEST_ATTRIBUTE:  # each descendant will carry it
        raise Unreadable(f"traceparent is longer than {_LONGEST_ATTRIBUTE} characters")
    return traceparent


def _check(attributes: Mapping[str, str]) -> None:
    if attributes.get("specversion") != SPECVERSION:
        raise Unreadable(
            f"specversion is {attributes.get('specversion')!r}; only {SPECVERSION!r} is read"
        )
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise Unreadable(f"attribute {name!r} is missing or empty")
    for name, value in attributes.items():
        if not _ATTRIBUTE.fullmatch(name):
            raise Unreadable(f"attribute name {name[:64]!r} is not lowercase letters and digits")
        if len(value) > _LONGEST_ATTRIBUTE:
            raise Unreadable(f"attribute {name!r} is longer than {_LONGEST_ATTRIBUTE} characters")


def header(attribute: str, value: str) -> Header:
    """One CloudEvents attribute as a Kafka header."""
    return f"ce_{attribute}", value.encode()


def constant_headers(source: str, event_type: str, time: datetime) -> list[Header]:
    """The headers that are the same for all events of one type in one batch."""
    return [
        header("specversion", SPECVERSION),
        header("source", source),
        header("type", event_type),
        header("time", time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        (CONTENT_TYPE, JSON),
    ]


def trigger_headers(source: str, event_type: str, event_id: str, time: datetime) -> list[Header]:
    """All the headers of a root that a person or a schedule publishes."""
    return [*constant_headers(source, event_type, time), header("id", event_id)]
