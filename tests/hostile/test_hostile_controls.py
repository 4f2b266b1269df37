"""Does any record that anybody may write to the control topic change what is in force?"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.catalog.topology_table import TopologyTable
from farandole.events.alert_record import Alert
from farandole.events.control_documents import CancelDocument, parse_control_or_none
from farandole.events.controls_in_force import TimedDocument
from farandole.events.feature_flags import FlagSpec
from farandole.events.flag_document import FlagDocument
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.ledger.alert_text import condition_tracker
from farandole.ledger.control_alerts import FIRE_AFTER_MS, control_conditions
from farandole.ledger.control_watch import UnreadRecord
from farandole.testing.memory_controls import MemoryControls
from farandole.worker.stage_controls import StageControls
from tests.catalog.made import version
from tests.hostile.hostile_controls import NO_DOCUMENTS, OF_OTHERS, PIPELINE, RUN, STAGE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IN_FORCE = (
    CancelDocument(run="cancelled"),
    SwitchDocument(pipeline=PIPELINE, stage=STAGE, mode="canary", run=RUN, share=0.1),
    FlagDocument(pipeline=PIPELINE, flag="vip", value=True),
    ThrottleDocument(pipeline=PIPELINE, stage=STAGE, rate="7/s"),
)
KEYS = [each.key for each in IN_FORCE]


def published() -> Version:
    stages = {
        name: StageSpec(run="m:f", subscribes=("asked",), emits=("made",))
        for name in (STAGE, "give")
    }
    events = {name: EventSpec(topic=f"rewired.{name}", partitions=1) for name in ("asked", "made")}
    flags = {name: FlagSpec(type="bool", default=False) for name in ("vip", "other")}
    made = version(1, events, stages, pipeline=PIPELINE)
    return made.model_copy(update={"flags": flags})


def answers(controls: StageControls) -> tuple[Any, ...]:
    return (
        controls.cancelled_runs() - {b"\x00" * 1_000},
        controls.mode(),
        controls.hold_ended_at(),
        (controls.flags()["vip"].rest.plain, controls.flags()["vip"].generation),
        controls.throttle(),
        controls.drain(),
    )


@pytest.fixture
def table() -> MemoryControls:
    table = MemoryControls(NOW.timestamp)
    for document in IN_FORCE:
        table.write(document)
    return table


def test_there_are_more_than_fifty_kinds() -> None:
    assert len(NO_DOCUMENTS) > 50
    assert not [name for name, value in NO_DOCUMENTS.items() if parse_control_or_none(value)]
    assert all(parse_control_or_none(value) for value in OF_OTHERS.values())


@pytest.mark.parametrize("kind", NO_DOCUMENTS)
def test_what_is_no_document_changes_nothing_under_any_key(
    table: MemoryControls, kind: str
) -> None:
    controls = table.state(published()).of_stage(STAGE)
    before = answers(controls)
    assert before[1].mode == "canary"
    for key in (*KEYS, b"any key", b"\xff" * 1_000):
        table.write(NO_DOCUMENTS[kind], key)
        assert answers(controls) == before
        # A worker that starts now reads the same.
        assert answers(table.state(published()).of_stage(STAGE)) == before


@pytest.mark.parametrize("kind", OF_OTHERS)
def test_what_is_about_others_changes_nothing(table: MemoryControls, kind: str) -> None:
    controls = table.state(published()).of_stage(STAGE)
    before = answers(controls)
    table.write(OF_OTHERS[kind], b"any key")
    assert answers(controls) == before


def test_all_of_them_together_make_few_and_short_alerts() -> None:
    table = TopologyTable(versions=(published(),))
    documents = [
        TimedDocument(document, NOW, number)
        for number, value in enumerate(OF_OTHERS.values())
        if (document := parse_control_or_none(value)) is not None
    ]
    unread = [
        UnreadRecord("farandole.control", 0, number, kind.encode() * 1_000, "no")
        for number, kind in enumerate(NO_DOCUMENTS)
    ]
    tracker, alerts = condition_tracker(), list[Alert]()
    for at in (0, FIRE_AFTER_MS):
        alerts += tracker.update([*control_conditions(documents, unread, table, NOW)], at)
    kinds = Counter(each.kind for each in alerts)
    assert kinds == {"control.unread": 10, "control.unfit": 9, "switch.ended": 1}
    assert all(len(each.model_dump_json()) < 2_000 for each in alerts)
