"""What explains something unusual, and how is it said?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from farandole.events.control_documents import ControlDocument, MuteDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.flag_document import FlagDocument
from farandole.events.quality_history import HistoryRow
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.ledger.anomaly_explanation import Explanation, UsualRun, explain, happened_since
from farandole.ledger.anomaly_text import incident_facts, incident_text, incident_to_row
from farandole.quality.anomalies.finding import ChangedShare, Finding
from farandole.quality.anomalies.incidents import Incident, new_incident
from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.metric_kinds import Kind
from tests.ledger.test_quality_lane import VERSION

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
MS = int(T.timestamp() * 1000)
HOUR = 3_600_000
BEFORE = UsualRun("old", None, MS, 1, frozenset({"switch/load=canary@1"}))


def finding(column: str, statistic: str, kind: Kind, value: float, expected: float) -> Finding:
    return Finding(
        MetricKey("line", column, statistic), kind, MS / 1000, value, expected, expected / 2,
        expected * 2, 12.34 if value > expected else -12.34, 3.0, 1.0,
    )  # fmt: skip


ROWS = finding("", "rows", Kind.VOLUME, 5_000.0, 1_020.5)
NULLS = finding("item", "nulls", Kind.NULL_SHARE, 0.3, 0.01)
BROKEN = finding("", "price", Kind.FAILING_SHARE, 0.25, 0.001)


def row(**more: Any) -> HistoryRow:
    made: Any = {
        "pipeline": "shop", "version": 1, "run": "new", "at": MS + HOUR, "measurements": [],
        "examples": {
            "line": {
                "ids": ["line/0/3", "line/1/9"],
                "checks": {"price": {"ids": ["line/0/7"], "values": {"'-3'": 12, "'-4'": 1}}},
            }
        },
        **more,
    }  # fmt: skip
    found: HistoryRow = made
    return found


def said(hours: float, control: ControlDocument, generation: int = 9) -> TimedDocument:
    return TimedDocument(control, T + timedelta(hours=hours), generation)


def explained(*findings: Finding, changed: Sequence[ChangedShare] = ()) -> Explanation:
    return explain(new_incident(findings), row(), BEFORE, lambda _: changed, [])


def facts(incident: Incident, explanation: Explanation) -> dict[str, str]:
    return dict(incident_facts(incident, explanation))


def test_numbers_are_said_by_what_they_are() -> None:
    assert incident_text(new_incident([NULLS, ROWS]), "run new") == (
        "nulls of line item is 30.00 % in run new; expected 0.50 % to 2.00 %; 1 more with it"
    )
    found = facts(new_incident([ROWS, NULLS]), explained(ROWS, NULLS))
    assert found["by how much"] == (
        "12.3 usual deviations above the expected 1020.5, 4.9 times as much"
    )
    assert found["last usual"] == "run old, which ended 2026-11-24 12:00:00 UTC"
    assert found["with it"] == "nulls of line item is 30.00 %; expected 0.50 % to 2.00 %"


def test_the_values_of_the_same_column_come_first_among_those_that_changed() -> None:
    shares = [
        ChangedShare(MetricKey("line", column, f"share of {value!r}"), 0.5, 0.1, 1_000)
        for column, value in (("color", "red"), ("item", "tea"), ("item", 7))
    ]
    found = explained(NULLS, changed=shares)
    assert [each.key.column for each in found.changed] == ["item", "item", "color"]
    assert facts(new_incident([NULLS]), found)["changed most"].startswith(
        "item 'tea' 50.00 % of 1\u202f000, usually 10.00 %; item 7 50.00 %"
    )


def test_a_check_that_fails_more_often_shows_rows_that_break_it() -> None:
    found = facts(new_incident([BROKEN]), explained(BROKEN))
    assert (found["broken by"], found["samples"]) == ("'-3' (12 rows), '-4' (1 rows)", "line/0/7")
    assert "broken by" not in facts(new_incident([ROWS]), explained(ROWS))
    assert facts(new_incident([ROWS]), explained(ROWS))["samples"] == "line/0/3, line/1/9"


def test_what_happened_since_the_last_usual_run_is_listed_and_nothing_else() -> None:
    version = VERSION.model_copy(
        update={"version": 2, "published": T + timedelta(minutes=1), "published_by": "ann"}
    )
    documents = [
        said(-1, SwitchDocument(pipeline="shop", stage="before", mode="hold")),
        said(0.5, SwitchDocument(pipeline="shop", stage="load", mode="bypass", by="bob"), 17),
        said(0.6, ThrottleDocument(pipeline="shop", stage="load", rate="5/s")),
        said(0.7, FlagDocument(pipeline="shop", flag="vip", value=True)),
        said(0.8, FlagDocument(pipeline="other", flag="vip", value=True)),
        said(0.9, MuteDocument(pipeline="shop", stage="load", until=T)),
        said(2, SwitchDocument(pipeline="shop", stage="after", mode="hold")),
    ]
    ran = row(
        version=2,
        controls=["switch/load=canary@1", "switch/load=bypass@17", "drain@18"],
    )
    verdicts: Any = {
        "line/price": {"verdict": "failed", "severity": "fail"},
        "line/item": {"verdict": "passed", "severity": "fail"},
    }
    found = [*happened_since(BEFORE, ran, version, documents, verdicts)]
    assert [each.text for each in found] == [
        "the check line/price failed",
        "shop@2 was published by ann",
        "load was switched to bypass by bob",
        "the rate of load was set to 5/s",
        "the flag vip was set to true",
        "it was worked under drain@18",
    ]
    assert found[1].at == MS + 60_000
    assert [*happened_since(None, ran, version, documents, {})] == []


def test_the_row_has_what_a_console_shows() -> None:
    incident = new_incident([NULLS])
    share = ChangedShare(MetricKey("line", "item", "share of 'tea'"), 0.5, 0.1, 1_000)
    written = incident_to_row(incident, explained(NULLS, changed=[share]))
    assert written["usual"] == {"run": "old", "window": None, "at": MS}
    assert written["changed"] == [
        {"column": "item", "value": "'tea'", "share": 0.5, "usual": 0.1, "rows": 1_000}
    ]
    assert written["samples"] == ["line/0/3", "line/1/9"]
