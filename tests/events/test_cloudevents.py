"""Can the official CloudEvents SDK read what we write, and do we read what it writes?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.bindings.kafka import KafkaMessage
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.http import CloudEvent as OldCloudEvent
from cloudevents.v1.kafka import to_structured as old_to_structured
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.envelope import Envelope, attribute_header, parse_envelope, trigger_headers
from farandole.events.header_codec import decode_headers
from farandole.events.settlement_record import make_settlements
from tests.events.made import Made

NOW = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)
DATA = {"weeks": [1, 2], "who": "Zoë"}
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64)


@given(texts, texts, texts, texts)
def test_the_sdk_reads_what_we_write(source: str, kind: str, id_: str, run: str) -> None:
    headers = [*trigger_headers(source, kind, id_, NOW), attribute_header("runid", run)]
    value = json.dumps(DATA).encode()
    event: Any = kafka.from_binary_event(KafkaMessage(dict(headers), None, value))
    assert isinstance(event, CloudEvent)  # whose constructor validates
    assert (event.get_specversion(), event.get_id()) == ("1.0", id_)
    assert (event.get_source(), event.get_type()) == (source, kind)
    assert event.get_time() == NOW
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("runid") == run
    assert event.get_data() == DATA


def _theirs(**more: Any) -> CloudEvent:
    attributes = {"id": "1", "source": "/them", "type": "feed", "specversion": "1.0", **more}
    return CloudEvent(attributes, DATA)


def _read(message: KafkaMessage) -> Envelope:
    key = message.key.encode() if isinstance(message.key, str) else message.key
    return parse_envelope(Made(message.value, list(message.headers.items()), key))


@pytest.mark.parametrize("convert", [kafka.to_binary, kafka.to_structured])
def test_we_read_what_the_sdk_writes(convert: Any) -> None:
    event = _theirs(time=NOW, subject="s", runid="r", datacontenttype="application/json")
    envelope = _read(convert(event, JSONFormat()))
    assert json.loads(envelope.data) == DATA
    assert envelope.content_type == "application/json"
    assert envelope.attributes == {
        "id": "1", "source": "/them", "type": "feed", "specversion": "1.0",
        "time": "2026-11-23T01:02:03.000004Z", "subject": "s", "runid": "r",
    }  # fmt: skip


@pytest.mark.parametrize("convert", [kafka.to_binary, kafka.to_structured])
def test_we_read_what_the_sdk_writes_with_nothing_optional(convert: Any) -> None:
    envelope = _read(convert(_theirs(), JSONFormat()))
    assert json.loads(envelope.data) == DATA
    assert envelope.content_type == "application/json"


def test_an_old_sdk_that_does_not_name_structured_mode_sends_a_bare_record() -> None:
    """Version 1 of the SDK writes no `application/cloudevents+json`: nobody can tell its structured
    events from data."""
    event = OldCloudEvent({"id": "1", "source": "/them", "type": "feed"}, DATA)
    message: Any = old_to_structured(event)
    assert parse_envelope(Made(message.value, list(message.headers.items()))).attributes == {}


def test_the_sdk_reads_a_settlement_among_dead_letters() -> None:
    one, other = make_settlements(list(range(1_500)), "discarded", by="ann", at=NOW, order="o")
    read = [
        kafka.from_binary_event(
            KafkaMessage(dict(decode_headers(out.headers)), None, out.value or b"")
        )
        for out in (one, other)
    ]
    assert [event.get_type() for event in read] == ["letters.discarded"] * 2
    assert [event.get_id() for event in read] == ["o/0", "o/1000"]
    data: Any = read[1].get_data()
    assert data["settles"] == list(range(1_000, 1_500))
