"""Does an event come back from the line of a file as it was?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.event_lines import (
    EventLine,
    format_event_line,
    line_of_record,
    parse_event_line,
    parse_event_lines,
)
from tests.events.made import Made, records

names = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda name: not name.startswith(("ce_", "dead_", "content-type", "farandole-again"))
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        EventLine,
        texts,
        st.sampled_from([b"{}", b"null", b'{"n":19.990}', b"[1E400]", b'"a b"']),
        st.none() | texts,
        st.dictionaries(names | st.sampled_from(["id", "type", "time"]), texts, max_size=3),
    )
)
def test_a_line_comes_back_as_it_was(line: EventLine) -> None:
    assert parse_event_line(format_event_line(line)) == line


@given(records)
def test_any_record_becomes_a_line_or_is_refused(record: Made) -> None:
    try:
        line = line_of_record("order.placed", record)
    except ValueError:
        return
    assert parse_event_line(format_event_line(line)) == line


def test_what_a_new_event_gets_anew_is_left_out() -> None:
    headers = [
        ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"t"),
        ("ce_time", b"now"), ("ce_runid", b"k7mq2vtd4x3aa"), ("ce_topologyversion", b"p@1"),
        ("content-type", b"application/json"), ("dead_message", b"why"),
        ("ce_correlationid", b"c"), ("tenant", b"t1"), ("id", b"theirs"),
    ]  # fmt: skip
    line = line_of_record("order.placed", Made(b'{"n": 1}', headers, b"7"))
    kept = {"ce_correlationid": "c", "tenant": "t1", "id": "theirs"}
    expected = EventLine("order.placed", b'{"n":1}', "7", kept)
    assert line == expected


def test_a_structured_event_is_saved_with_its_data_alone() -> None:
    value = b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"n":19.990}}'
    record = Made(value, [("content-type", b"application/cloudevents+json")])
    assert line_of_record("t", record) == EventLine("t", b'{"n":19.990}')


def test_lines_of_tail_json_are_read_too() -> None:
    line = b'{"id":"a","type":"t","run":"r","key":null,"partition":0,"offset":1,"data":[1]}'
    assert parse_event_line(line) == EventLine("t", b"[1]")


def test_lines_may_have_the_data_of_one_event_type_alone() -> None:
    lines = [b'{"n": 19.990}\n', b"\n", b"[1]\n"]
    assert [*parse_event_lines(lines, data_of="t")] == [
        EventLine("t", b'{"n":19.990}'),
        EventLine("t", b"[1]"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2: it is not JSON"),
        (b'{"n": 1}', "line 2: it is no event"),
        (b'{"type": 1, "data": 1}', "line 2: its `type`"),
        (b'{"type": "t", "data": 1, "key": 7}', "line 2: its `key`"),
        (b'{"type": "t", "data": 1, "headers": {"a": 1}}', "line 2: its `headers`"),
        (b'{"type": "t", "data": 1, "headers": {"ce_runid": "a"}}', "its header ce_runid is set"),
    ],
)
def test_a_line_that_is_no_event_says_why(line: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(parse_event_lines([b"\n", line]))
