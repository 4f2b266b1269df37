"""Is each record read as the event that it is, or refused with one line?"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.envelope import (
    Envelope,
    UnreadableEventError,
    constant_headers,
    parse_envelope,
    trigger_headers,
)
from farandole.events.record import UndecodableRecord
from tests.events.made import Made, records

EVENT = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"me"),
    ("ce_type", b"line"),
]
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]


def test_a_record_without_headers_is_a_bare_event() -> None:
    assert parse_envelope(Made(b'{"weeks":[1]}')) == Envelope({}, b'{"weeks":[1]}')


def test_headers_of_other_standards_leave_a_record_bare() -> None:
    envelope = parse_envelope(Made(b"{}", [("b3", b"\xff"), ("traceparent", b"00-a-b-01")]))
    assert envelope.attributes == {}
    assert envelope.traceparent == "00-a-b-01"


def test_binary_mode_takes_the_value_as_it_is() -> None:
    value = b' {"cents": 12345678901234567890123.10} '
    envelope = parse_envelope(
        Made(value, [*EVENT, ("ce_runid", b"abc"), ("content-type", b"text/json")])
    )
    assert envelope.data == value
    assert envelope.attributes == {
        "specversion": "1.0", "id": "1", "source": "me", "type": "line", "runid": "abc",
    }  # fmt: skip
    assert envelope.content_type == "text/json"


def test_structured_mode_takes_the_event_out_of_the_value() -> None:
    value = (
        b'{"specversion":"1.0","id":"1","source":"me","type":"line","sequence":7,"replayed":true,'
        b'"subject":null,"datacontenttype":"text/json","data":{"weeks":[1]}}'
    )
    envelope = parse_envelope(Made(value, STRUCTURED))
    assert envelope.data == b'{"weeks":[1]}'
    assert envelope.content_type == "text/json"
    assert envelope.attributes == {
        "specversion": "1.0", "id": "1", "source": "me", "type": "line",
        "sequence": "7", "replayed": "true",
    }  # fmt: skip


def test_structured_mode_keeps_the_text_of_the_data() -> None:
    data = b'[18446744073709551617, 19.990, 1234.123456789012345678, 1E400, {"a": 1, "a": 2}]'
    value = b'{"specversion":"1.0","id":"1","source":"me","type":"line","data": %b }' % data
    assert parse_envelope(Made(value, STRUCTURED)).data == data


def test_the_last_of_two_headers_of_one_name_counts() -> None:
    envelope = parse_envelope(Made(b"{}", [*EVENT, ("ce_type", b"feed")]))
    assert envelope.attributes["type"] == "feed"


def _without(name: str) -> list[tuple[str, Any]]:
    return [header for header in EVENT if header[0] != name]


DEEP = b"[" * 400 + b"]" * 400
REFUSED: dict[str, tuple[Any, str]] = {
    "tombstone": (Made(None), "tombstone is no event"),
    "undecodable": (UndecodableRecord("t", 0, 1), "name is not UTF-8"),
    "version": (Made(b"{}", [*EVENT, ("ce_specversion", b"0.3")]), "only '1.0' is read"),
    "no version": (Made(b"{}", _without("ce_specversion")), "specversion is None"),
    "no id": (Made(b"{}", _without("ce_id")), "'id' is missing"),
    "empty source": (Made(b"{}", [*EVENT, ("ce_source", b"")]), "'source' is missing or empty"),
    "null header": (Made(b"{}", [*EVENT, ("ce_type", None)]), "ce_type has no value"),  # type: ignore[list-item]
    "not text": (Made(b"{}", [*EVENT, ("ce_subject", b"\xff")]), "ce_subject is not UTF-8"),
    "name": (Made(b"{}", [*EVENT, ("ce_Sub-ject", b"x")]), "not lowercase letters and digits"),
    "long": (Made(b"{}", [*EVENT, ("ce_subject", b"x" * 5000)]), "longer than 4096"),
    "long trace": (Made(b"{}", [*EVENT, ("traceparent", b"x" * 5000)]), "longer than 4096"),
    "avro": (
        Made(b"{}", [("content-type", b"application/cloudevents+avro")]),
        "send application/cloudevents",
    ),
    "content-type": (Made(b"{}", [("content-type", b"\xff")]), "content-type is not UTF-8"),
    "structured: not JSON": (Made(b"{", STRUCTURED), "not JSON"),
    "structured: no object": (Made(b"[]", STRUCTURED), "not a JSON object"),
    "structured: base64": (Made(b'{"data_base64":"e30="}', STRUCTURED), "data_base64"),
    "structured: no data": (Made(b'{"id":"1"}', STRUCTURED), "no 'data'"),
    "structured: float": (Made(b'{"id":1.5,"data":1}', STRUCTURED), "'id' is neither"),
    "structured: deep": (Made(b'{"data":' + DEEP + b"}", STRUCTURED), "recursion limit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_event_is_refused_with_a_reason(case: str) -> None:
    record, reason = REFUSED[case]
    with pytest.raises(UnreadableEventError, match=reason) as refused:
        parse_envelope(record)
    assert "\n" not in str(refused.value)


@settings(max_examples=400)
@given(records)
def test_any_bytes_are_an_event_or_unreadable_and_nothing_else(record: Made) -> None:
    with contextlib.suppress(UnreadableEventError):
        envelope = parse_envelope(record)
        assert isinstance(envelope.data, bytes)


@given(st.binary())
def test_any_bytes_sent_as_a_structured_event_are_refused_or_read(value: bytes) -> None:
    with contextlib.suppress(UnreadableEventError):
        parse_envelope(Made(value, STRUCTURED))


def test_times_are_written_in_universal_time() -> None:
    time = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2)))
    headers = dict(constant_headers("me", "line", time))
    assert headers["ce_time"] == b"2026-11-22T23:02:03.000004Z"


def test_a_trigger_that_is_written_is_read() -> None:
    written = trigger_headers("me", "feed.requested", "f-1", datetime.now(UTC))
    envelope = parse_envelope(Made(b"{}", written))
    assert envelope.attributes["id"] == "f-1"
    assert envelope.attributes["type"] == "feed.requested"
