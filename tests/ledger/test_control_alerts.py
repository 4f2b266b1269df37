"""Which control documents raise an alert, with which words, and until when?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from farandole.catalog.topology_table import TopologyTable
from farandole.events.alert_record import Alert
from farandole.events.control_documents import ControlDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.switch_document import EndSwitchDocument, SwitchDocument
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.ledger.alert_text import condition_tracker
from farandole.ledger.control_alerts import FIRE_AFTER_MS, MAX_ALERTS, control_conditions
from farandole.ledger.control_watch import ControlWatch, UnreadRecord
from farandole.ledger.stage_alerts import AlertCondition
from farandole.testing.memory_controls import MemoryControls
from tests.catalog.made import version
from tests.events.made import Made

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
STAGES = {"price": StageSpec(run="m:f", subscribes=("a",), emits=("a",))}
EVENTS = {"a": EventSpec(topic="p.a", partitions=1)}
VERSIONS = (version(1, EVENTS, STAGES), version(1, EVENTS, STAGES, pipeline="q"))
TABLE = TopologyTable(versions=VERSIONS)


def switch(mode: Any = "hold", stage: str = "price", **fields: Any) -> SwitchDocument:
    return SwitchDocument.model_validate({"pipeline": "p", "stage": stage, "mode": mode, **fields})


CANARY = switch("canary", run="shop:price2", share=0.1)


def conditions(
    *controls: ControlDocument, unread: tuple[UnreadRecord, ...] = ()
) -> list[AlertCondition]:
    documents = [TimedDocument(control, T, n) for n, control in enumerate(controls)]
    return [*control_conditions(documents, unread, TABLE, T)]


def fired(found: list[AlertCondition]) -> list[Alert]:
    tracker = condition_tracker()
    assert tracker.update(found, 0) == []
    assert tracker.update(found, FIRE_AFTER_MS - 1) == []
    return tracker.update(found, FIRE_AFTER_MS)


def bad(offset: int = 3, key: bytes = b"switch/p/price") -> UnreadRecord:
    return UnreadRecord("farandole.control", 0, offset, key, "untl: no such field")


def test_what_is_in_force_raises_nothing() -> None:
    assert conditions(switch(), CANARY, switch("on", "gone")) == []


def test_a_record_that_is_no_document_concerns_every_pipeline() -> None:
    alerts = fired(conditions(unread=(bad(),)))
    assert [(each.kind, each.pipeline, each.stage) for each in alerts] == [
        ("control.unread", "p", None), ("control.unread", "q", None),
    ]  # fmt: skip
    assert alerts[0].text == (
        "farandole.control/0/3 (key switch/p/price) is no control document: untl: no such"
        " field; it changes nothing: write it anew, or delete it by a record of the same"
        " key without a value: echo 'switch/p/price:' | kcat -P -b BROKER -t farandole.control"
        " -K: -Z"
    )


def test_a_key_that_kcat_does_not_read_as_it_stands_is_in_no_command() -> None:
    for key in (b"a:b", b"\xff", b"it's", b""):
        unread = UnreadRecord("farandole.control", 0, 3, key, "no JSON")
        assert "kcat" not in fired(conditions(unread=(unread,)))[0].text


def test_a_document_that_fits_no_version_names_what_is_missing() -> None:
    (alert,) = fired(conditions(switch(stage="prise")))
    assert (alert.kind, alert.pipeline, alert.stage) == ("control.unfit", "p", None)
    assert alert.text == (
        "the control document switch/p/prise (generation 0) changes nothing: no version of p has a"
        " stage prise; see all with: farandole switches"
    )
    assert [each.pipeline for each in fired(conditions(switch(pipeline="z")))] == ["p", "q"]


def test_a_pause_of_a_schedule_that_is_gone_says_how_to_delete_it() -> None:
    (alert,) = fired(conditions(ScheduleDocument(pipeline="p", schedule="old", paused=True)))
    assert alert.text.endswith(
        " has no schedule old; `schedules resume old` deletes it; see all with: farandole schedules"
    )


def test_a_document_under_another_key_is_named_by_the_key_that_deletes_it() -> None:
    documents = [TimedDocument(switch(stage="prise"), T, 0, b"mine")]
    (alert,) = fired([*control_conditions(documents, [], TABLE, T)])
    assert alert.text.startswith("the control document mine (generation 0) changes nothing: ")


def test_an_ended_switch_names_the_reason_and_the_command_that_clears_it() -> None:
    end = EndSwitchDocument(pipeline="p", stage="price", generation=0, why="the candidate\nhung")
    (alert,) = fired(conditions(CANARY, end))
    assert (alert.kind, alert.stage) == ("switch.ended", "price")
    assert alert.text == (
        "the canary of `price` is over, as if it were not there: the candidate hung; clear this"
        " with: farandole switch price on"
    )
    assert conditions(CANARY, end, switch("on")) == []


def test_an_alert_is_resolved_when_its_record_is_replaced() -> None:
    tracker = condition_tracker()
    for at in (0, FIRE_AFTER_MS):
        alerts = tracker.update(conditions(unread=(bad(),)), at)
    assert [each.state for each in alerts] == ["firing", "firing"]
    resolved = tracker.update(conditions(switch()), FIRE_AFTER_MS + 1)
    assert [each.state for each in resolved] == ["resolved", "resolved"]
    assert resolved[0].text.startswith("no longer so: farandole.control/0/3")


def test_what_anybody_can_write_makes_no_large_and_not_many_alerts() -> None:
    huge = "x" * 1_000_000
    end = EndSwitchDocument(pipeline="p", stage="price", generation=0, why=huge)
    found = conditions(
        CANARY, end, switch(stage=huge), switch(pipeline=huge),
        *(switch(stage=f"gone{n}") for n in range(100)),
        unread=tuple(bad(n, huge.encode() + b"%d" % n) for n in range(100)),
    )  # fmt: skip
    by_pipeline = [each for each in found if each.pipeline == "p"]
    assert len(by_pipeline) == 2 * MAX_ALERTS + 1
    assert all(len(each.key) < 200 and len(each.detail) < 1_000 for each in found)
    assert len({each.key for each in found}) == len(found)
    told = [each.detail for each in by_pipeline if " more, without an alert)" in each.detail]
    assert ["(and 90 more, " in told[0], "(and 92 more, " in told[1], len(told)] == [True, True, 2]


def test_a_pipeline_of_a_newer_format_is_not_judged() -> None:
    documents = [TimedDocument(switch(pipeline="new"), T, 0)]
    for unknown in ("new", ""):
        table = TopologyTable(versions=VERSIONS, newer={unknown: None})  # type: ignore[dict-item]
        assert [*control_conditions(documents, (), table, T)] == []
    assert [*control_conditions(documents, (), TABLE, T)] != []


class Table(MemoryControls):
    """The control topic, with the records that a follower skips."""

    def __init__(self) -> None:
        super().__init__((T - timedelta(hours=1)).timestamp)
        self.unreadable: dict[bytes, Any] = {}


def test_the_watch_tells_documents_from_other_records() -> None:
    table = Table()
    table.write(switch())
    table.unreadable = {
        b"k": Made(b'{"do": "dance"}', key=b"k", offset=7),
        b"l": Made(b"", key=b"l", offset=4),
    }
    watch = ControlWatch(table)
    ((control, at, generation, key),) = watch.documents()
    assert (control, at, generation) == (switch(), T - timedelta(hours=1), 0)
    assert key in table.rows
    assert [each.offset for each in watch.unread()] == [4, 7]
    assert "dance" in watch.unread()[1].why
    table.write(CANARY)
    assert [each.control for each in watch.documents()] == [CANARY]
    assert (ControlWatch(None).documents(), ControlWatch(None).unread()) == ([], [])
