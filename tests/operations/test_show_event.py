"""Is nothing personal in what a person without that right sees of an event?"""

from __future__ import annotations

import pytest

from farandole.operations.errors import RefusedError
from farandole.operations.events.show_event import EventResult, describe_event, masked_file
from tests.operations.personal_lines import MadeRecord, binary_headers, version

STRUCTURED = (
    b'{"specversion":"1.0","id":"1","source":"till","type":"line.read",'
    b'"data":{"email":"ann@x","cents":5}}'
)
CLOUD_EVENT = ("content-type", b"application/cloudevents+json")


def described(record: MadeRecord, key: str | None = None, *, reveal: bool = False) -> EventResult:
    return describe_event({1: version(key)}, record, reveal=reveal)


def header(shown: EventResult, name: str) -> str:
    return next(each.value for each in shown.headers if each.name == name)


def test_the_key_of_an_event_that_declares_none_may_be_that_of_its_cause() -> None:
    other = MadeRecord(0, b"{}", topic="p.asked")
    assert described(other, key="email").key == "•••"
    assert described(other, key="email", reveal=True).key == "ann@x"
    assert described(other, key="cents").key == "ann@x"


def test_a_key_that_its_producer_has_chosen_may_be_a_personal_field() -> None:
    assert described(MadeRecord(0, b'{"email":"ann@x"}')).key == "•••"


def test_headers_that_may_be_personal_are_masked() -> None:
    keyed = MadeRecord(0, b"{}", headers=binary_headers(partitionkey="ann@x"))
    assert header(described(keyed), "ce_partitionkey") == "•••"
    assert header(described(keyed), "ce_source") == "till"
    assert header(described(keyed, reveal=True), "ce_partitionkey") == "ann@x"


def test_a_downloaded_file_is_masked() -> None:
    value = b'{"email": "ann@x", "cents": 1.50}'
    found = masked_file({1: version()}, MadeRecord(0, value))
    assert found == '{"email": "•••", "cents": 1.50}'.encode()


@pytest.mark.parametrize("value", [STRUCTURED, b"ann@x, 5 cents"])
def test_a_file_of_which_nobody_knows_where_it_is_personal_is_refused(value: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        masked_file({1: version()}, MadeRecord(0, value, headers=[CLOUD_EVENT]))
    assert refused.value.code == "unfit_value"
