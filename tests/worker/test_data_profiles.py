"""What do the lanes and the bookkeeper say about the data of a pipeline that profiles it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.profile_delta import ProfileDelta
from farandole.events.quality_history import parse_history_row, read_measurements
from farandole.events.quality_row import QualityKey, parse_quality_key
from farandole.events.record import Partition
from farandole.ledger.edge_data import EdgeData, parse_edge_data
from farandole.ledger.profile_store import WINDOW_GRACE_MS, ProfileStore
from farandole.quality.profiles.profiling import profile_rows
from farandole.testing import Pipeline
from tests.testing.projects import write_project

CODE = """
    from collections.abc import Iterator
    from pydantic import BaseModel, Field
    from farandole import Reject

    class Line(BaseModel):
        customer: str = Field(json_schema_extra={"personal": True})
        item: str | None = None
        cents: int = 0

    class Order(BaseModel):
        lines: list[Line]

    def split(order: Order) -> Iterator[Line]:
        yield from order.lines

    def check(line: Line) -> Line:
        line.item = "changed"
        if line.cents < 0:
            raise Reject("nobody is paid")
        return line

    def load(line: Line) -> None: ...
"""
TOPOLOGY = """
    pipeline: shop
    defaults: {partitions: 2}
    events:
      order.placed: {partitions: 1}
      line.read:
        key: customer
        checks:
          item: {rule: not-null, column: item}
          paid: {rule: range, column: cents, min: 0, share: 60%, severity: fail}
      line.checked: {key: customer, profile: {per: 10m}}
    stages:
      split: {run: "MODULE:split", subscribes: order.placed, emits: line.read}
      check: {run: "MODULE:check", subscribes: line.read, emits: line.checked}
"""
READ = """
      load: {run: "MODULE:load", subscribes: line.read}
      file: {run: "MODULE:load", subscribes: line.checked}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(write_project(tmp_path, TOPOLOGY + READ, CODE)) as pipeline:
        yield pipeline


def rows(shop: Pipeline) -> dict[QualityKey, EdgeData]:
    """Return what stands in `farandole.quality`."""
    found = {}
    for number in range(shop.version.ledger):
        place = Partition(KafkaNames().quality_topic, number)
        for record in shop._cluster.kafka.read_committed(place):
            key = parse_quality_key(record.key or b"")
            assert key is not None
            data = parse_edge_data(key, record.value)
            assert data is not None
            found[key] = data
    return found


UNIQUE = TOPOLOGY.replace(
    "item: {rule: not-null, column: item}", "once: {rule: unique, severity: fail}"
)


def test_a_key_that_comes_again_in_its_run_is_found_exactly(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path, UNIQUE + READ, CODE)) as shop:
        names = [f"c{n}" for n in range(1_500)]  # of more than 1,000 a profile knows no number
        shop.send("order.placed", {"lines": [line(each, None, 1) for each in names]})
        shop.send("order.placed", {"lines": [line(each, None, 1) for each in [*names, "c7"]]})
        report = shop.run()
    first, second = (row["checks"]["line.read/once"] for row in report.runs)
    assert first["verdict"] == "passed"
    assert second["why"] == "1 of 1\u202f501 rows have a key that has come before"


def line(customer: str, item: str | None, cents: int) -> dict[str, object]:
    return {"customer": customer, "item": item, "cents": cents}


LINES = [line("ann", "tea", 5), line("bob", None, -1), line("cid", "tea", 7), line("ann", "tea", 5)]


def raw(*lines: dict[str, object]) -> list[bytes]:
    return [orjson.dumps(each) for each in lines]


def test_a_run_has_one_profile_of_each_line_as_it_came(shop: Pipeline) -> None:
    """Two stages read it, one of them changes what it gets, one line dies: each counts once."""
    root = shop.send("order.placed", {"lines": LINES})
    shop.run()
    found = rows(shop)[QualityKey("shop", "line.read", root.run, None)]
    whole = profile_rows(raw(*LINES), frozenset({"customer", "value"}))
    assert (found.stage, found.profile) == ("check", whole)
    assert found.profile is not None
    assert found.profile.columns["item"].top(1) == [("tea", 3)]
    assert found.profile.columns["customer"].top(1) == []
    assert found.died == profile_rows(raw(LINES[1]), frozenset({"customer", "value"}))


def test_each_rule_has_counted_the_lines_that_break_it(shop: Pipeline) -> None:
    root = shop.send("order.placed", {"lines": LINES})
    shop.run()
    tallies = rows(shop)[QualityKey("shop", "line.read", root.run, None)].tallies
    assert tallies is not None
    counts = {name: (each.judged, each.failed) for name, each in tallies.rules.items()}
    assert counts == {"item": (4, 1), "paid": (4, 1)}
    assert (tallies.rows, tallies.passed) == (4, 3)
    (run,) = [row for row in shop.report().runs if row["run"] == root.run]
    verdicts = {name: each["verdict"] for name, each in run["checks"].items()}
    assert verdicts == {"line.read/item": "warned", "line.read/paid": "passed"}


def test_the_numbers_about_a_run_are_remembered(shop: Pipeline) -> None:
    root = shop.send("order.placed", {"lines": LINES})
    shop.run()
    (written,) = [
        record
        for number in range(shop.version.ledger)
        for record in shop._cluster.kafka.read_committed(
            Partition(KafkaNames().quality_history_topic, number)
        )
    ]
    row = parse_history_row(written.value)
    assert row is not None
    assert (written.key, row["status"]) == (
        f"shop/run/{root.run}".encode(), "completed with dead letters"
    )  # fmt: skip
    numbers = {each[:3]: each.value for each in read_measurements(row)}
    assert numbers["line.read", "", "rows"] == 4
    assert numbers["line.read", "item", "nulls"] == 0.25
    assert numbers["line.read", "", "item"] == 0.25
    assert numbers["line.read", "cents", "distinct"] > 1
    assert ("line.read", "cents", "p50") not in numbers, "of few values their shares say it"
    assert numbers["line.read>check", "", "dead"] == 0.25
    assert not [each for each in numbers if each[1] == "customer" and each[2].startswith("share")]


def test_a_line_that_is_tried_again_counts_once(shop: Pipeline) -> None:
    shop.fail("check", times=2)
    root = shop.send("order.placed", {"lines": LINES[:1]})
    shop.run()
    found = rows(shop)[QualityKey("shop", "line.read", root.run, None)]
    assert found.profile is not None
    assert (found.profile.rows, found.died) == (1, None)


LEAF = """
    pipeline: shop
    defaults: {partitions: 2}
    events:
      order.placed: {partitions: 1}
      line.read: {profile: true}
    stages: {split: {run: "MODULE:split", subscribes: order.placed, emits: line.read}}
"""


def test_what_nobody_reads_is_profiled_where_it_is_emitted(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path, LEAF, CODE)) as shop:
        root = shop.send("order.placed", {"lines": LINES})
        shop.run()
        found = rows(shop)[QualityKey("shop", "line.read", root.run, None)]
    whole = profile_rows(raw(*LINES), frozenset({"customer", "value"}))
    assert (found.stage, found.profile) == ("", whole)


def delta(value: dict[str, object], *, until: int = 0, run: str = "") -> ProfileDelta:
    made: ProfileDelta = {"version": 1, "event": "line.read", "stage": "check"}
    made["profile"] = profile_rows(raw(value), frozenset()).to_json()
    if run:
        made["run"] = run
    else:
        made |= {"window": until - 60_000, "until": until}
    return made


def entry(*deltas: ProfileDelta) -> LedgerEntry:
    made: LedgerEntry = {
        "pipeline": "shop", "stage": "check", "lane": 0, "at": 1_000, "seconds": 0.0, "runs": []
    }  # fmt: skip
    return {**made, "profiles": [*deltas]}


def total(data: list[EdgeData]) -> int:
    return sum(each.profile.rows for each in data if each.profile is not None)


def test_a_window_is_closed_once_and_what_comes_late_stands_beside_it() -> None:
    store = ProfileStore()
    assert store.fold(entry(delta({"n": 1}, until=60_000)), 0, lambda _: False) == 0
    assert store.close_windows(60_000 + WINDOW_GRACE_MS - 1) == []
    assert total(store.close_windows(60_000 + WINDOW_GRACE_MS)) == 1
    store.fold(entry(delta({"n": 2}, until=60_000)), 7, lambda _: False)
    (late,) = store.take_amended()
    assert late.key.amended == 700_000
    assert store.close_windows(10**9) == []


def test_a_store_goes_on_with_the_rows_that_it_has_written() -> None:
    store = ProfileStore()
    written: dict[bytes | None, bytes | None] = {}
    for number in range(3):
        store.fold(entry(delta({"n": number}, run="r")), number, lambda _: False)
        written |= {row.key: row.value for row in store.take_changes(5)}
        store = ProfileStore()
        store.restore({key: value for key, value in written.items() if key and value})
    (whole,) = store.close_run("r")
    assert whole.profile == profile_rows([b'{"n":%d}' % n for n in range(3)], frozenset())
    assert [row.value for row in store.take_changes(6)] == [None]


def test_what_is_added_to_a_closed_run_has_a_row_of_its_own() -> None:
    store = ProfileStore()
    store.fold(entry(delta({"n": 1}, run="r")), 3, lambda run: run == "r")
    assert [each.key.record_key for each in store.take_amended()] == [
        b"shop/line.read/run/r+300000"
    ]
    assert store.take_changes(5) == []


def test_a_delta_that_is_no_profile_is_counted_and_costs_nothing_else() -> None:
    store = ProfileStore()
    bad: ProfileDelta = {**delta({"n": 1}, run="r"), "profile": {"rows": -1}}
    assert store.fold(entry(bad, delta({"n": 2}, run="r")), 0, lambda _: False) == 1
    assert total(store.close_run("r")) == 1
