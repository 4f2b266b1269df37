"""Is a run row recognised, and does it count every outcome?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from farandole.events.ledger_entry import ConsumedCounts
from farandole.events.outcome import RECORDED
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.run_row import RunEdge, new_edge, parse_run_row


def row(**changes: Any) -> dict[str, Any]:
    return {
        "run": "r", "pipeline": "p", "version": 1, "status": "running", "root": None,
        "opened": 1, "last": 2, "closed": None, "amended": 0, "late": False,
        "edges": {"a>b": new_edge()}, "leaves": {"c": 1},
    } | changes  # fmt: skip


def test_a_row_is_read_as_it_was_written() -> None:
    assert parse_run_row(orjson.dumps(row())) == row()


@pytest.mark.parametrize(
    "changes",
    [
        {"run": 1}, {"version": "1"}, {"status": 1}, {"opened": -1}, {"last": MAX_TIME_MS + 1},
        {"closed": True}, {"late": 0}, {"root": {}}, {"root": {"type": 1}}, {"edges": []},
        {"root": {"type": "a", "within": "1"}}, {"leaves": {"c": "1"}},
        {"edges": {"a": new_edge()}},
        {"edges": {"a>b": {}}}, {"edges": {"a>b": None}},
        *({"edges": {"a>b": {**new_edge(), field: "1"}}} for field in new_edge()),
        *({"edges": {"a>b": {**new_edge(), o.value: 0.5}}} for o in RECORDED),
    ],
)  # fmt: skip
def test_what_no_bookkeeper_has_written_is_no_row(changes: dict[str, Any]) -> None:
    assert parse_run_row(orjson.dumps(row(**changes))) is None


def test_a_status_that_a_newer_bookkeeper_may_write_is_read() -> None:
    found = parse_run_row(orjson.dumps(row(status="done")))
    assert found is not None
    assert found["status"] == "done"


@pytest.mark.parametrize("value", [None, b"", b"{", b"{}", b"[]", b"3", b"null"])
def test_what_is_no_object_is_no_row(value: bytes | None) -> None:
    assert parse_run_row(value) is None


def test_an_outcome_that_a_row_does_not_have_is_0() -> None:
    older = {name: value for name, value in new_edge().items() if name != "parked"}
    assert parse_run_row(orjson.dumps(row(edges={"a>b": older}))) == row()


def test_every_outcome_is_counted_in_entries_and_rows() -> None:
    names = {outcome.value for outcome in RECORDED}
    assert names <= {*RunEdge.__annotations__} & {*ConsumedCounts.__annotations__}
    assert names <= {*new_edge()}
