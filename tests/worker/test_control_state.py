"""Does a worker apply control documents, and ignore them after they expire?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from farandole.events.control_documents import (
    CancelDocument,
    PauseDocument,
    ResumeDocument,
    serialize_control,
)
from farandole.events.controls_in_force import CANCELLATION_LIFETIME, ON
from farandole.events.rate import Rate
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.throttle_spec import ThrottleSpec
from farandole.events.throttles_in_force import UNLIMITED
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.testing.memory_controls import MemoryControls
from farandole.worker.control_follower import UnreadLog
from farandole.worker.control_state import ControlState
from tests.events.test_throttles_in_force import version

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
HOUR = timedelta(hours=1)


class Table(MemoryControls):
    """`farandole.control`, with a clock."""

    def __init__(self) -> None:
        super().__init__(lambda: self.now.timestamp())
        self.now = T

    def asked(self) -> ControlState:
        return ControlState(self, "p", lambda: self.now)


def is_held(state: ControlState, stage: str = "s") -> bool:
    return state.of_stage(stage).mode().mode == "hold"


def test_nothing_is_paused_or_cancelled_if_the_topic_does_not_exist() -> None:
    asked = ControlState(None, "p")
    assert (is_held(asked), asked.cancelled_runs()) == (False, frozenset())


def test_a_new_document_is_applied_at_the_next_query() -> None:
    table = Table()
    asked = table.asked()
    table.write(PauseDocument(pipeline="p", stage="s"))
    assert (is_held(asked), is_held(asked, "other")) == (True, False)
    table.write(ResumeDocument(pipeline="p", stage="s"))
    assert not is_held(asked)
    table.write(CancelDocument(run="r"))
    assert asked.cancelled_runs() == {b"r"}


def test_a_pause_of_another_pipeline_is_ignored() -> None:
    table = Table()
    table.write(PauseDocument(pipeline="other"))
    assert not is_held(table.asked())


def test_the_newest_document_applies_under_any_key() -> None:
    table = Table()
    table.write(PauseDocument(pipeline="p", stage="s"), b"as somebody typed it")
    table.write(ResumeDocument(pipeline="p", stage="s"))
    assert not is_held(table.asked())
    table.write(PauseDocument(pipeline="p", stage="s"), b"as somebody typed it")
    assert is_held(table.asked())


def test_a_document_expires_without_a_new_one() -> None:
    table = Table()
    asked = table.asked()
    for hours in (1, 2):
        table.write(CancelDocument(run=f"{hours}", until=T + timedelta(hours=hours)))
    table.write(PauseDocument(pipeline="p", until=T + timedelta(hours=1)))
    assert (asked.cancelled_runs(), is_held(asked)) == ({b"1", b"2"}, True)
    table.now = T + timedelta(hours=1)
    assert (asked.cancelled_runs(), is_held(asked)) == ({b"2"}, False)
    table.now = T + timedelta(hours=2)
    assert asked.cancelled_runs() == frozenset()


def test_a_cancellation_without_an_end_expires_without_a_new_document() -> None:
    table = Table()
    asked = table.asked()
    table.write(CancelDocument(run="r"))
    assert asked.cancelled_runs() == {b"r"}
    table.now = T + CANCELLATION_LIFETIME
    assert asked.cancelled_runs() == frozenset()


def test_a_stage_is_told_of_its_switch() -> None:
    table = Table()
    of_s, of_other = (table.asked().of_stage(stage) for stage in ("s", "other"))
    table.write(CancelDocument(run="r"))
    table.write(SwitchDocument(pipeline="p", stage="s", mode="bypass", until=T + HOUR))
    assert (of_s.mode().mode, of_s.mode().generation) == ("bypass", 1)
    assert (of_other.mode(), of_other.cancelled_runs()) == (ON, {b"r"})
    table.now = T + HOUR
    assert of_s.mode() == ON


def test_a_stage_is_told_of_its_rates_by_documents_and_versions() -> None:
    table, versions = Table(), {1: version(limits={"crm": "50/s"}, roots="9/s")}
    state = ControlState(table, "p", lambda: table.now, lambda: versions)
    stage = state.of_stage("s")
    assert stage.throttle() == UNLIMITED
    assert state.limit("geo") == UNLIMITED
    assert str(state.limit("crm").rule) == "50/s"
    assert str(stage.root_throttle().rule) == "9/s"
    table.write(ThrottleDocument(pipeline="p", stage="s", rate="7/s", until=T + HOUR))
    table.write(ThrottleDocument(pipeline="p", limit="crm", rate="0"))
    assert str(stage.throttle().rule) == "7/s"
    assert str(state.limit("crm").rule) == "0"
    assert stage.throttle() is stage.throttle()  # worked out once
    versions = {**versions, 2: version(2, ThrottleSpec(per_key="1/s"))}
    assert (str(stage.throttle().rule), stage.throttle().per_key) == ("7/s", Rate(1))
    assert stage.root_throttle() == UNLIMITED
    table.now = T + HOUR
    assert (stage.throttle().rule, stage.throttle().per_key) == (None, Rate(1))


@pytest.mark.parametrize("timestamp", [-1, -99_999_999_999_999, 1_700_000_000_000_000, 2**63 - 1])
def test_a_document_with_any_time_of_its_record_applies_to_its_stage_alone(timestamp: int) -> None:
    table = Table()
    table.write(PauseDocument(pipeline="p", stage="s"))
    table.write(CancelDocument(run="r"))
    table.written_at = dict.fromkeys(table.written_at, timestamp)
    asked = table.asked()
    assert (is_held(asked), is_held(asked, "other")) == (True, False)
    assert asked.cancelled_runs() == {b"r"}


@given(st.lists(st.tuples(st.binary(max_size=9), documents, st.integers(-(2**63), 2**63 - 1))))
def test_no_document_stops_a_worker(written: list[tuple[bytes, bytes, int]]) -> None:
    table = Table()
    for key, value, at in written:
        table.write(value, key)
        table.written_at[key] = at
    asked = table.asked()
    is_held(asked)
    table.now += timedelta(days=400)
    asked.cancelled_runs()


def test_what_is_no_document_is_ignored() -> None:
    table = Table()
    asked = table.asked()
    table.rows = {b"?": b'{"do": "dance"}'}
    table.written_at[b"?"] = table.offsets[b"?"] = 0
    assert not is_held(asked)
    table.write(PauseDocument(pipeline="p"))
    assert is_held(asked)


def test_a_bad_record_is_logged_once_with_its_reason_while_it_is_the_newest() -> None:
    def bad(offset: int, key: bytes) -> SimulatedRecord:
        return SimulatedRecord("control", 0, offset, b'{"do": "dance"}', key)

    unread = UnreadLog()
    with capture_logs() as logs:
        replaced, newest, later = bad(0, b"a"), bad(1, b"b"), bad(2, b"a")
        assert not unread.is_control(replaced)
        assert not unread.is_control(newest)
        unread.end_start([newest])
        for record in (later, newest, later):
            assert not unread.is_control(record)
        assert unread.is_control(
            later._replace(value=serialize_control(PauseDocument(pipeline="p")))
        )
    assert [(log["position"], log["key"]) for log in logs] == [
        ("control/0/1", "b"),
        ("control/0/2", "a"),
    ]
    assert all(log["event"] == "control.unread" and "dance" in log["why"] for log in logs)


def test_a_document_that_fits_no_version_is_logged_once() -> None:
    table = Table()
    versions = [{1: version(1)}]
    state = ControlState(table, "p", lambda: table.now, lambda: versions[0])
    stages = [state.of_stage("s"), state.of_stage("t")]
    with capture_logs() as logs:
        table.write(SwitchDocument(pipeline="p", stage="gone", mode="hold"))
        table.write(ThrottleDocument(pipeline="p", stage="gone", rate="1/s"))
        for _ in range(2):
            for stage in stages:
                stage.mode()
                stage.flags()
            table.write(PauseDocument(pipeline="p", stage="s"))
            versions[0] = dict(versions[0])
    assert [(log["event"], log["generation"]) for log in logs] == [
        ("control.unfit", 0),
        ("control.unfit", 1),
    ]
    assert all("no version of p has a stage gone" in log["why"] for log in logs)
