"""Are data shown as they are, within bounds, and without what is personal?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.operations.events.event_content import read_content
from farandole.operations.events.shown_data import (
    MAX_SHOWN_BYTES,
    ShownData,
    masked_text,
    shown_data,
)

PERSONAL = {
    "type": "object",
    "properties": {"name": {"type": "string", "personal": True}, "n": {"type": "integer"}},
}


STRUCTURED = (
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"name": "Ann"}}'
)
CLOUD_EVENT = ("content-type", b"application/cloudevents+json")


def record(value: bytes, *headers: tuple[str, bytes]) -> SimulatedRecord:
    return SimulatedRecord("p.t", 0, 0, value, None, [*headers], 5)


def shown(value: bytes, schema: Any, *headers: tuple[str, bytes], **more: bool) -> ShownData:
    return shown_data(read_content(record(value, *headers)), schema, **more)


def test_numbers_keep_their_digits() -> None:
    found = shown(b'{"n": 9007199254740993, "cents": 19.990}', None)
    assert found.text == '{\n  "n": 9007199254740993,\n  "cents": 19.990\n}'
    assert (found.kind, found.cut, found.masked) == ("json", False, False)


def test_what_is_personal_is_masked_and_the_rest_keeps_its_digits() -> None:
    value = b'{"name": "Ann", "n": 9007199254740993}'
    masked = shown(value, PERSONAL)
    assert "Ann" not in masked.text
    assert "9007199254740993" in masked.text
    assert masked.masked
    assert "Ann" in shown(value, PERSONAL, reveal=True).text


@pytest.mark.parametrize("value", [b"\xff\x00", b"Ann", b'{"name": "Ann"'])
def test_what_is_no_json_and_may_be_personal_is_not_shown(value: bytes) -> None:
    found = shown(value, PERSONAL)
    assert (found.kind, found.text, found.size) == ("masked", "•••", len(value))


def test_bytes_are_shown_as_bytes() -> None:
    assert shown(b"\xff\x00a", None).text == "ff0061"
    assert shown(b"\xff" * 10_000, None).cut


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"text": "ä" * 1_000_000}, ensure_ascii=False).encode(),
        json.dumps({f"k{n}": n for n in range(10_000)}).encode(),
        b"[" * 100_000,
        b"x" * 1_000_000,
    ],
    ids=["1 MB", "10,000 members", "deep", "text"],
)
def test_large_data_are_cut(value: bytes) -> None:
    found = shown(value, None)
    assert len(found.text.encode()) <= MAX_SHOWN_BYTES
    assert (found.cut, found.size) == (True, len(value))


def test_a_message_loses_what_is_personal_in_the_data() -> None:
    message = masked_text("Reject: Ann paid nothing", record(b'{"name": "Ann"}'), PERSONAL)
    assert message == "Reject: ••• paid nothing"
    assert masked_text("Reject: Ann", record(b"no JSON"), PERSONAL) == "•••"


def test_the_data_of_a_structured_event_are_masked_where_they_are() -> None:
    found = shown(STRUCTURED, PERSONAL, CLOUD_EVENT)
    assert found.text == '{\n  "name": "•••"\n}'
    assert masked_text("Ann", record(STRUCTURED, CLOUD_EVENT), PERSONAL) == "•••"


@pytest.mark.parametrize(
    "broken",
    [
        record(STRUCTURED),  # its producer has forgotten the content type
        record(STRUCTURED.replace(b'"1.0"', b'"9"'), CLOUD_EVENT),
        record(STRUCTURED.replace(b'"data"', b'"data_base64"'), CLOUD_EVENT),
    ],
)
def test_an_event_whose_data_are_not_where_they_should_be_is_not_shown(
    broken: SimulatedRecord,
) -> None:
    found = shown_data(read_content(broken), PERSONAL)
    assert (found.kind, found.text) == ("masked", "•••")
    assert masked_text("Ann has 7", broken, PERSONAL) == "•••"
