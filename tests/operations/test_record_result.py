"""Is the value of a record shown as it was written?"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.cli.rendering.trace_view import trace_lines
from farandole.events.root_record import SCHEDULE_SOURCE
from farandole.events.schedule_origin import origin_headers
from farandole.operations.events.record_result import RecordReader, json_line
from farandole.operations.events.trace import TracedRecord, TraceResult
from tests.events.made import Made, records
from tests.worker.made import version


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'{"n": 1234.123456789012345678}', b'{"n": 1234.123456789012345678}'),
        (b'{\n  "n": 19.990,\n  "s": "a  b"\n}', b'{"n":19.990,"s":"a  b"}'),
        (b"[1E400,\n123456789012345678901234567890]", b"[1E400,123456789012345678901234567890]"),
        (None, b"null"),
        (b"NaN", b'"NaN"'),
        (b"\xff", b'"\\\\xff"'),
    ],
)
def test_a_value_is_one_line_of_json_with_every_digit(value: bytes | None, line: bytes) -> None:
    assert json_line(value) == line


any_record = records.flatmap(
    lambda record: st.builds(
        lambda topic, timestamp: record._replace(
            topic=topic, partition=3, offset=7, timestamp=timestamp
        ),
        st.sampled_from(["p.in", "p.out", "p.other.dead"]),
        st.integers(-(2**63), 2**63 - 1)
        | st.sampled_from([-1, 1_700_000_000_000_000, 253_402_300_799_001]),
    )
)
READER = RecordReader([version()])


@given(any_record)
def test_any_record_can_be_shown(record: Made) -> None:
    """By `tail`, by `dead show` and by `trace`."""
    shown = READER.read(record)
    assert orjson.loads(orjson.dumps(shown.to_data()))["offset"] == record.offset
    orjson.dumps(shown.failure_data())
    traced = TracedRecord(result=shown, event_type="in", stage=None)
    result = TraceResult(causes=[], event=traced, effects=[traced], dead=[traced], reasons=[])
    assert trace_lines(result)


@pytest.mark.parametrize("timestamp", [-1, 0, 1_700_000_000_000_000, 253_402_300_799_001])
def test_a_record_without_a_usable_time_has_none(timestamp: int) -> None:
    assert READER.read(Made(b"{}", topic="p.in", timestamp=timestamp)).to_data()["time"] is None


def test_a_root_of_a_schedule_says_so() -> None:
    planned = datetime(2026, 11, 30, 2, 30, tzinfo=UTC)
    headers = [("ce_source", SCHEDULE_SOURCE.encode()), *origin_headers("nightly", planned)]
    shown = READER.read(Made(b"{}", topic="p.in", headers=headers))
    data = shown.to_data()
    assert (data["schedule"], data["planned"]) == ("nightly", "2026-11-30T02:30:00Z")
    traced = TracedRecord(result=shown, event_type="in", stage=None)
    lines = trace_lines(TraceResult(causes=[], event=traced, effects=[], dead=[], reasons=[]))
    assert "(schedule nightly, 2026-11-30 02:30:00)" in lines[1]
