"""Are rows of the next release read without loss, or refused in words?"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from farandole.events.action_record import ActionRecord, parse_action
from farandole.events.alert_record import Alert, parse_alert
from farandole.events.control_documents import PauseDocument, parse_control, serialize_control
from farandole.events.ledger_entry import parse_ledger_entry
from farandole.events.retry_record import ParkedEvent, make_retry_row, parse_retry_row
from farandole.events.row_format import KNOWN_FORMATS, NewerFormatError, check_format
from farandole.events.run_row import parse_run_row
from farandole.events.settlement_record import SETTLEMENT_HEADER, Settlement, parse_settlement
from farandole.events.share_row import parse_share_row
from farandole.events.topology_version import (
    INSTALLATION_KEY,
    Installation,
    RouterReport,
    parse_topology_row,
)
from farandole.lanes.crash_marker import CrashMarker
from farandole.worker.breaker_alerts import read_breaker_row
from tests.events.test_topology_version import VERSION

AT = datetime(2026, 11, 23, tzinfo=UTC)
RUN_ROW = {
    "run": "a" * 13, "pipeline": "p", "version": 1, "status": "running", "root": None,
    "opened": 5, "last": 5, "closed": None, "amended": 0, "late": False, "edges": {}, "leaves": {},
}  # fmt: skip
ENTRY = {"pipeline": "p", "stage": "s", "lane": 0, "at": 5, "seconds": 0.0, "runs": []}
ALERT = Alert(kind="stage.age", key="p/stage/s/age", pipeline="p", text="slow", since=AT,
              state="firing")  # fmt: skip
REPORT = RouterReport(pipeline="p", reported=AT, reported_by="ann", file="topology.yaml")
SETTLED = Settlement(settles=(3,), how="replayed", by="ann", at=AT)
PARKED = ParkedEvent("p.in", 0, 7, b'{"n": 1}', b"k", (("h", b"x"),), 5, sequence=2)

ACTION = ActionRecord(id="1", at=AT, who="ann", via="cli", what="pause", result="ok")

Row = tuple[Any, Callable[[bytes], Any]]
ROWS: dict[str, Row] = {
    "version": (VERSION, lambda row: parse_topology_row(b"order-lines@7", row)),
    "router report": (REPORT, lambda row: parse_topology_row(b"p@router", row)),
    "installation": (
        Installation(id=UUID(int=1), created=AT),
        lambda row: parse_topology_row(INSTALLATION_KEY, row),
    ),
    "ledger entry": (ENTRY, parse_ledger_entry),
    "run row": (RUN_ROW, parse_run_row),
    "alert": (ALERT, parse_alert),
    "settlement": (SETTLED, lambda row: parse_settlement(row, [(SETTLEMENT_HEADER, b"replayed")])),
    "control document": (PauseDocument(pipeline="p"), parse_control),
    "action": (ACTION, parse_action),
    "share row": ({"id": "b1/1", "at": 5, "held": 0, "wanted": 9, "demand": 1.5}, parse_share_row),
    "breaker row": ({"since": AT.isoformat(), "why": "down"}, read_breaker_row),
}  # fmt: skip


def written(row: Any, **more: Any) -> bytes:
    document = row if isinstance(row, dict) else json.loads(row.model_dump_json())
    return json.dumps(document | more).encode()


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_of_a_larger_format_is_refused_with_what_to_do(kind: str) -> None:
    row, parse = ROWS[kind]
    with pytest.raises(NewerFormatError, match=rf"^{kind}.* has format 9, .* upgrade Farandole"):
        parse(written(row, format=9))


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_with_a_field_of_the_next_release_is_read(kind: str) -> None:
    row, parse = ROWS[kind]
    assert parse(written(row, invented_later={"n": 1})) is not None


@pytest.mark.parametrize("kind", ["version", "router report", "alert"])
def test_a_field_of_the_next_release_is_kept_when_a_row_is_written_again(kind: str) -> None:
    """For example a version that a router of this release retires."""
    row, parse = ROWS[kind]
    again = parse(written(row, invented_later=1)).model_copy(update={"pipeline": "q"})
    assert json.loads(again.model_dump_json())["invented_later"] == 1


def test_a_field_of_the_next_release_is_kept_in_every_part_of_a_version() -> None:
    document = VERSION.model_dump(mode="json")
    document["stages"]["load"]["retry"]["invented_later"] = 1
    document["events"]["line"]["invented_later"] = 2
    read = parse_topology_row(b"order-lines@7", json.dumps(document).encode())
    again = json.loads(read.model_dump_json())
    assert again["stages"]["load"]["retry"]["invented_later"] == 1
    assert again["events"]["line"]["invented_later"] == 2


def parked(**more: Any) -> bytes:
    account, _, value = (make_retry_row(PARKED).value or b"").partition(b"\n")
    return json.dumps(json.loads(account) | more).encode() + b"\n" + value


def test_a_parked_event_with_a_field_of_the_next_release_keeps_it() -> None:
    event = parse_retry_row(parked(invented_later=[1]))
    assert event._replace(later={}) == PARKED._replace(later={})
    again = parse_retry_row(make_retry_row(event._replace(attempts=3)).value or b"")
    assert (again.attempts, again.later) == (3, {"invented_later": [1]})


def test_a_parked_event_of_a_larger_format_is_not_taken_for_none() -> None:
    with pytest.raises(NewerFormatError, match="retry row"):
        parse_retry_row(parked(format=9, key={"of": "another shape"}))


def test_a_crash_marker_of_a_larger_format_counts_no_deaths() -> None:
    """The event that kills its process is found anew."""
    marker = json.loads(str(CrashMarker(3, 9))) | {"format": 9}
    assert CrashMarker.parse(json.dumps(marker)) == CrashMarker()


@pytest.mark.parametrize("row", [[], "text", None, {"format": "9"}, {"format": None}, {}])
def test_what_has_no_number_has_no_newer_format(row: object) -> None:
    check_format("run row", row)


def test_a_document_of_a_person_needs_no_format() -> None:
    assert b"format" not in serialize_control(PauseDocument(pipeline="p"))


def test_the_docs_list_the_formats_that_this_release_knows() -> None:
    page = Path("docs/compatibility.md").read_text()
    for kind, number in KNOWN_FORMATS.items():
        assert f"| {kind} | {number} |" in page
