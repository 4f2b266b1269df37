"""How is an event written as one line of a file, and read back?

`farandole tail --save` writes such lines; `trigger --file` and `try --file` read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.envelope import (
    CONTENT_TYPE,
    REPEATED_RUN_HEADER,
    RUN_ID,
    TOPOLOGY_VERSION,
    parse_envelope,
)
from farandole.events.json_text import compact_json, member_text, one_line_json, parse_json
from farandole.events.record import Header, Record

_OWN_ATTRIBUTES = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", RUN_ID, TOPOLOGY_VERSION}
)
_OWN_HEADERS = frozenset({CONTENT_TYPE, REPEATED_RUN_HEADER})


@dataclass(frozen=True, slots=True)
class EventLine:
    """What a line says of an event. The id, the time and the run are those of whoever publishes it
    again."""

    type: str
    data: bytes
    """JSON in one line, digit for digit as in the event."""
    key: str | None = None
    """The record's key; None: the one that its type derives from the data."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers beside those that a new event gets, such as `traceparent` or `ce_correlationid`."""

    def record_headers(self) -> list[Header]:
        """Return the headers as a record has them."""
        return [(name, value.encode()) for name, value in self.headers.items()]


def line_of_record(event_type: str, record: Record) -> EventLine:
    """Return what a line says of a record: an event, or a dead letter, whose own headers are left
    out. `event_type` is that of its topic. Raises ValueError if the record is no event, or its data
    are no JSON."""
    envelope = parse_envelope(record)
    data = one_line_json(envelope.data)
    headers = {
        f"ce_{name}": value
        for name, value in envelope.attributes.items()
        if name not in _OWN_ATTRIBUTES
    } | {
        name: value.decode()
        for name, value in record.headers
        if value is not None and not _is_own_header(name) and not name.startswith("ce_")
    }
    key = None if record.key is None else record.key.decode()
    return EventLine(event_type, data, key, headers)


def format_event_line(line: EventLine) -> bytes:
    """Return the line, without a newline: `{"type": …, "key": …, "data": …, "headers": …}`; a key
    or headers that are not there are left out."""
    document: dict[str, Any] = {"type": line.type}
    if line.key is not None:
        document["key"] = line.key
    document["data"] = orjson.Fragment(line.data)
    if line.headers:
        document["headers"] = dict(line.headers)
    return orjson.dumps(document)


def parse_event_lines(lines: Iterable[bytes], data_of: str | None = None) -> Iterator[EventLine]:
    """Yield the events of a file; empty lines are skipped. If `data_of` names an event type, each
    line has the data of one alone. Raises ValueError, which names the line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                if data_of is None:
                    yield parse_event_line(line)
                else:
                    with _told_as_no_json():
                        data = one_line_json(line)
                    yield EventLine(data_of, data)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def parse_event_line(raw: bytes) -> EventLine:
    """Return the event of a line. Members that it does not know are ignored, so that the lines of
    `farandole tail --json` can be read too. Raises ValueError."""
    with _told_as_no_json():
        document = parse_json(raw)
    if not isinstance(document, dict) or not {"type", "data"} <= document.keys():
        raise ValueError('it is no event; write {"type": "order.placed", "data": {…}}')
    event_type, key, headers = document["type"], document.get("key"), document.get("headers") or {}
    if not isinstance(event_type, str):
        raise ValueError("its `type` is not the name of an event")
    if not isinstance(key, str | None):
        raise ValueError("its `key` is not text")
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise ValueError("its `headers` are not an object of texts")
    own = [name for name in headers if _is_own_header(name)]
    if own:
        raise ValueError(f"its header {own[0]} is set by Farandole; leave it out")
    data = compact_json(member_text(raw.decode(), "data") or "null")
    return EventLine(event_type, data.encode(), key, headers)


@contextmanager
def _told_as_no_json() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None


def _is_own_header(name: str) -> bool:
    return (
        name in _OWN_HEADERS
        or name.startswith(DEAD_HEADER_PREFIX)
        or (name.startswith("ce_") and name.removeprefix("ce_") in _OWN_ATTRIBUTES)
    )
