"""What needs somebody, and in which order is it told?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from farandole.events.alert_record import Alert
from farandole.events.incident_record import Incident
from farandole.events.topology_version import RouterReport
from farandole.operations.read_model.attention import (
    AttentionItem,
    count_unacknowledged,
    find_attention,
)
from farandole.operations.read_model.open_letters import OpenLetterHead

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LETTERS = OpenLetterHead(pipeline="p", stage="b", count=3, more=False, oldest=1, newest=2)


def alert(kind: Any, lane: int | None = None, minutes: int = 1) -> Alert:
    return Alert(
        kind=kind, key=f"{kind}/{lane}", pipeline="p", stage="a", lane=lane, text="why",
        since=NOW - timedelta(minutes=minutes), state="firing",
    )  # fmt: skip


def incident(stage: str, error: str, firing: int | None, **over: Any) -> Incident:
    made: dict[str, Any] = {
        "id": "i", "pipeline": "p", "stage": stage, "fingerprint": "f", "error": error,
        "title": "t", "version": "p@1", "opened": NOW, "last": NOW, "count": 1, "due": NOW,
        "seen": 0, "firing": firing, **over,
    }  # fmt: skip
    return Incident(**made)


def told(alerts: list[Alert], incidents: list[Incident]) -> list[AttentionItem]:
    return find_attention(alerts, incidents, [LETTERS], [], [], NOW)


def test_what_has_stopped_comes_before_what_is_late_and_what_is_dead() -> None:
    found = told([alert("stage.age"), alert("stage.held"), alert("stage.lost")], [])
    assert [item.what for item in found] == ["lost", "waiting", "late", "dead"]


def test_several_lanes_are_one_thing_since_the_first_of_them() -> None:
    waiting, _ = told([alert("stage.held", 0, 1), alert("stage.held", 1, 5)], [])
    assert waiting.since == int((NOW - timedelta(minutes=5)).timestamp() * 1000)


def test_what_somebody_has_in_hand_comes_last_and_what_is_muted_not_at_all() -> None:
    taken = incident("a", "stage.held", 1, acknowledged_by="ops1")
    muted = incident("b", "Reject", None, muted_until=NOW + timedelta(hours=1))
    assert [item.what for item in told([alert("stage.held")], [taken])] == ["dead", "waiting"]
    assert [item.what for item in told([alert("stage.held")], [muted])] == ["waiting"]


def test_letters_are_in_hand_once_all_their_kinds_are() -> None:
    taken = incident("b", "Reject", None, acknowledged_by="ops1")
    other = incident("b", "KeyError", None)
    muted = incident("b", "KeyError", None, muted_until=NOW + timedelta(hours=1))
    assert told([], [taken, other])[0].acknowledged_by is None
    assert told([], [muted, other])[0].what == "dead"
    assert told([], [taken, muted])[0].acknowledged_by == "ops1"
    assert told([], [muted, muted]) == []


def test_a_file_that_was_saved_and_is_not_in_force_is_said_with_its_first_finding() -> None:
    report = RouterReport(
        pipeline="p", reported=NOW, reported_by="ann", file="topology.yaml",
        findings=("topology.yaml:11:3: unknown key", "topology.yaml:12:3: unknown key"),
    )  # fmt: skip
    (refused,) = find_attention([], [], [], [], [], NOW, [report])
    assert (refused.what, refused.page, refused.pipeline) == ("file refused", "editor", "p")
    assert refused.why == "topology.yaml:11:3: unknown key; 1 more"
    dangerous = report.model_copy(update={"findings": (), "waiting": ("b goes away",)})
    assert find_attention([], [], [], [], [], NOW, [dangerous])[0].what == "changes wait"
    fit = report.model_copy(update={"findings": ()})
    assert find_attention([], [], [], [], [], NOW, [fit]) == []


def test_open_letters_say_of_how_many_kinds_they_are() -> None:
    (dead,) = told([], [incident("b", "Reject", None), incident("b", "KeyError", None)])
    assert (dead.count, dead.why, dead.page) == (3, "2 kinds are open", "dead-letters")


def test_only_incidents_that_nobody_has_in_hand_are_counted() -> None:
    found = [
        incident("a", "Reject", None),
        incident("a", "Reject", None, acknowledged_by="ops1"),
        incident("a", "Reject", None, muted_until=NOW + timedelta(hours=1)),
        incident("a", "Reject", None, muted_until=NOW - timedelta(hours=1)),
        incident("a", "Reject", None, resolved=NOW),
    ]
    assert count_unacknowledged(found, NOW) == 2


def test_what_is_wrong_with_data_leads_to_where_it_is_seen() -> None:
    of_event = {"event": "line.validated", "stage": None, "run": "r"}
    found = told(
        [
            alert("data.unusual").model_copy(update=of_event),
            alert("check.failed").model_copy(update=of_event),
            alert("check.failed").model_copy(update={**of_event, "event": "line.priced"}),
            alert("gate.failed").model_copy(update={"run": "r"}),
            alert("stage.parked"),
        ],
        [],
    )
    assert [(item.what, item.page, item.event) for item in found] == [
        ("gate failed", "run", ""),
        ("rows parked", "parked", ""),
        ("check failed", "quality", "line.priced"),
        ("check failed", "quality", "line.validated"),
        ("dead", "dead-letters", ""),
        ("unusual", "quality", "line.validated"),
    ]
