"""Does a worker apply control documents, and ignore them after they expire?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from farandole.events.control_documents import (
    CancelDocument,
    ControlDocument,
    PauseDocument,
    ResumeDocument,
    serialize_control,
)
from farandole.worker.control_state import ControlState

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


def test_an_unknown_document_is_logged_once_and_ignored() -> None:
    table = Table()
    asked = table.asked()
    with capture_logs() as logs:
        table.say(b'{"do": "dance"}')
        assert not asked.is_paused("s")
        table.say(PauseDocument(pipeline="p"))
        assert asked.is_paused("s")
    assert [log["event"] for log in logs] == ["control.unread"]
