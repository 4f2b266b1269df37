"""Does a worker apply control documents, and ignore them after they expire?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from farandole.events.control_documents import (
    CancelDocument,
    ControlDocument,
    PauseDocument,
    ResumeDocument,
    serialize_control,
)
from farandole.worker.control_state import ControlState

moments = st.sampled_from(
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:00",
     "2026-11-24T12:00:00", "99999-01-01T00:00:00Z", "1e9", "", "2027-01-01T00:00:00Z"]
)  # fmt: skip
documents = st.binary() | st.builds(
    lambda **fields: orjson.dumps({k: v for k, v in fields.items() if v is not None}),
    do=st.sampled_from(["pause", "resume", "cancel", "mute", "acknowledge", "no", None]),
    pipeline=st.sampled_from(["p", "", None]),
    stage=st.sampled_from(["s", "", None]),
    run=st.sampled_from(["r", "\x00" * 65, None]),
    until=moments | st.integers(-(2**63), 2**63) | st.none(),
)

T = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Table:
    """`farandole.control`, with a clock."""

    def __init__(self) -> None:
        self.rows: Mapping[bytes, bytes] = {}
        self.written_at: dict[bytes, int] = {}
        self.now = T

    def say(self, control: ControlDocument | bytes, key: bytes | None = None) -> None:
        value = control if isinstance(control, bytes) else serialize_control(control)
        at = key or (b"?" if isinstance(control, bytes) else control.key)
        self.rows = {**{k: v for k, v in self.rows.items() if k != at}, at: value}
        self.written_at[at] = int(self.now.timestamp() * 1000)

    def asked(self) -> ControlState:
        return ControlState(self, "p", lambda: self.now)


def test_nothing_is_paused_or_cancelled_if_the_topic_does_not_exist() -> None:
    asked = ControlState(None, "p")
    assert (asked.is_paused("s"), asked.cancelled_runs()) == (False, frozenset())


def test_a_new_document_is_applied_at_the_next_query() -> None:
    table = Table()
    asked = table.asked()
    table.say(PauseDocument(pipeline="p", stage="s"))
    assert (asked.is_paused("s"), asked.is_paused("other")) == (True, False)
    table.say(ResumeDocument(pipeline="p", stage="s"))
    assert not asked.is_paused("s")
    table.say(CancelDocument(run="r"))
    assert asked.cancelled_runs() == {b"r"}


def test_a_pause_of_another_pipeline_is_ignored() -> None:
    table = Table()
    table.say(PauseDocument(pipeline="other"))
    assert not table.asked().is_paused("s")


def test_the_newest_document_applies_under_any_key() -> None:
    table = Table()
    table.say(PauseDocument(pipeline="p", stage="s"), b"as somebody typed it")
    table.say(ResumeDocument(pipeline="p", stage="s"))
    assert not table.asked().is_paused("s")
    table.say(PauseDocument(pipeline="p", stage="s"), b"as somebody typed it")
    assert table.asked().is_paused("s")


def test_a_document_expires_without_a_new_one() -> None:
    table = Table()
    asked = table.asked()
    for hours in (1, 2):
        table.say(CancelDocument(run=f"{hours}", until=T + timedelta(hours=hours)))
    table.say(PauseDocument(pipeline="p", until=T + timedelta(hours=1)))
    assert (asked.cancelled_runs(), asked.is_paused("s")) == ({b"1", b"2"}, True)
    table.now = T + timedelta(hours=1)
    assert (asked.cancelled_runs(), asked.is_paused("s")) == ({b"2"}, False)
    table.now = T + timedelta(hours=2)
    assert asked.cancelled_runs() == frozenset()


@pytest.mark.parametrize("timestamp", [-1, -99_999_999_999_999, 1_700_000_000_000_000, 2**63 - 1])
def test_a_document_with_any_time_of_its_record_applies_to_its_stage_alone(timestamp: int) -> None:
    table = Table()
    table.say(PauseDocument(pipeline="p", stage="s"))
    table.say(CancelDocument(run="r"))
    table.written_at = dict.fromkeys(table.written_at, timestamp)
    asked = table.asked()
    assert (asked.is_paused("s"), asked.is_paused("other")) == (True, False)
    assert asked.cancelled_runs() == {b"r"}


@given(st.lists(st.tuples(st.binary(max_size=9), documents, st.integers(-(2**63), 2**63 - 1))))
def test_no_document_stops_a_worker(written: list[tuple[bytes, bytes, int]]) -> None:
    table = Table()
    for key, value, at in written:
        table.say(value, key)
        table.written_at[key] = at
    asked = table.asked()
    asked.is_paused("s")
    table.now += timedelta(days=400)
    asked.cancelled_runs()


def test_an_unknown_document_is_logged_once_and_ignored() -> None:
    table = Table()
    asked = table.asked()
    with capture_logs() as logs:
        table.say(b'{"do": "dance"}')
        assert not asked.is_paused("s")
        table.say(PauseDocument(pipeline="p"))
        assert asked.is_paused("s")
    assert [log["event"] for log in logs] == ["control.unread"]
