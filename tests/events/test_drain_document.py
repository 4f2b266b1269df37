"""Is a drain parsed strictly, until when is it in force, and is an acknowledgement read back?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.control_documents import (
    ControlDocument,
    PauseDocument,
    parse_control,
    parse_control_or_none,
    serialize_control,
)
from farandole.events.controls_in_force import DrainInForce, TimedDocument, drain_in_force
from farandole.events.drain_document import (
    Acknowledgement,
    DrainDocument,
    parse_acknowledgement,
    serialize_acknowledgement,
)

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def in_force(*controls: ControlDocument, now: datetime = T) -> DrainInForce | None:
    timed = [TimedDocument(control, T, n) for n, control in enumerate(controls)]
    return drain_in_force(timed, "p", now)


def test_what_a_person_types_is_a_drain() -> None:
    drain = parse_control(b'{"do": "drain", "pipeline": "p", "until": "2026-11-24T13:00:00Z"}')
    assert drain == DrainDocument(pipeline="p", until=T + HOUR)
    assert parse_control(serialize_control(drain)) == drain
    assert DrainDocument(pipeline="p").key == b"drain/p"


@pytest.mark.parametrize(
    "fields",
    [{}, {"pipeline": ""}, {"pipeline": None}, {"pipeline": ["p"]}, {"pipeline": "p", "stage": "s"},
     {"pipeline": "p", "untl": "2026-11-24T13:00:00Z"}, {"pipeline": "p", "until": "tomorrow"},
     {"pipeline": "p", "until": "2026-11-24T13:00:00"}, {"pipeline": "p", "by": 3},
     {"pipeline": "p", "format": 99}],
)  # fmt: skip
def test_what_is_no_drain_is_ignored(fields: dict[str, Any]) -> None:
    assert parse_control_or_none(json.dumps({"do": "drain", **fields}).encode()) is None


def test_the_newest_drain_of_the_pipeline_counts() -> None:
    first, second = DrainDocument(pipeline="p"), DrainDocument(pipeline="p", until=T + HOUR, by="a")
    other = DrainDocument(pipeline="other")
    assert in_force(PauseDocument(pipeline="p"), other) is None
    assert in_force(first, other) == DrainInForce(0, T)
    assert in_force(other, first, second) == DrainInForce(2, T, T + HOUR, "a")
    # Also if an older one stands under another key: that the newest has an end, ends the drain.
    assert in_force(first, second, now=T + HOUR) is None


@given(st.integers(), st.frozensets(st.text()))
def test_an_acknowledgement_is_read_back(generation: int, waits: frozenset[str]) -> None:
    generation %= 2**62
    waits = frozenset(each.encode(errors="ignore").decode() for each in waits)
    written = Acknowledgement(generation, waits)
    assert parse_acknowledgement(serialize_acknowledgement(written)) == written


@pytest.mark.parametrize(
    "value",
    [None, b"", b"[]", b"3", b"{}", b'{"generation": 1}', b'{"generation": true, "waits": []}',
     b'{"generation": 1, "waits": "all"}', b'{"generation": "1", "waits": []}'],
)  # fmt: skip
def test_what_no_lane_wrote_acknowledges_nothing(value: bytes | None) -> None:
    assert parse_acknowledgement(value) is None
