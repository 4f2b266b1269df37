"""Is a value known that another event type had in a run of the last time?"""

from __future__ import annotations

from random import Random
from typing import Any

import orjson
import pytest

from farandole.events.check_spec import CheckSpec
from farandole.events.quality_history import HistoryRow
from farandole.events.quality_row import QualityKey
from farandole.events.topology_version import EventSpec, Version
from farandole.ledger.data_verdicts import compared_values
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.pipeline_history import PipelineHistory, ReadRow
from farandole.ledger.remembered_values import RememberedValues
from farandole.quality.profiles.profiling import profile_rows
from farandole.quality.profiles.top_values import TopValues

DAY = 86_400_000
CHECK = CheckSpec(rule="known", column="who", against="customer", field="id", within=2 * 86_400.0)
VERSION = Version.model_validate(
    {
        "pipeline": "shop", "version": 1, "installation": "0" * 32, "published": 0,
        "published_by": "", "stages": {}, "ledger": 1, "events": {
            "order": EventSpec(topic="o", partitions=1, checks={"customer": CHECK}),
            "customer": EventSpec(topic="c", partitions=1),
        },
    }
)  # fmt: skip

Values = list[Any] | None


class Runs:
    """Runs of one pipeline, as they end, and what is known of them."""

    def __init__(self) -> None:
        self.rows: list[HistoryRow] = []
        self.history = PipelineHistory()

    def end(
        self, day: float, orders: Values = None, customers: Values = None, **more: Any
    ) -> tuple[str, str]:
        """A run ends, or a window if `more` says so; return the verdict of its check, and why."""
        row: Any = {
            "pipeline": "shop", "version": 1, "run": f"run{len(self.rows)}", "at": int(day * DAY),
            "status": "completed", "measurements": [],
            "verdicts": {"order/customer": {"verdict": "not judged", "severity": "warn"}},
            "values": compared_values(VERSION, [*data("order", "who", orders),
                                                *data("customer", "id", customers)]),
            **more,
        }  # fmt: skip
        read = ReadRow.of(orjson.loads(orjson.dumps(row)))
        found = self.history.judge(read, VERSION)
        self.history.learn(read)
        self.rows.append(row)
        verdict = found.get("order/customer", {"verdict": "not judged", "severity": "warn"})
        return verdict["verdict"], verdict.get("why", "")

    def open_anew(self) -> None:
        """The lane opens, and learns what has ended."""
        self.history = PipelineHistory()
        for row in self.rows:
            self.history.learn(ReadRow.of(orjson.loads(orjson.dumps(row))))


def data(event: str, column: str, values: Values) -> list[EdgeData]:
    if values is None:
        return []
    found = EdgeData(QualityKey("shop", event, "run", None), 1, "")
    found.profile = profile_rows([orjson.dumps({column: each}) for each in values], frozenset())
    return [found]


@pytest.fixture
def runs() -> Runs:
    """A first run has brought two customers."""
    made = Runs()
    made.end(1, customers=["ann", 7])
    return made


def test_what_the_same_run_has_is_known() -> None:
    assert Runs().end(1, orders=["ann"], customers=["ann"])[0] == "passed"


def test_what_an_earlier_run_has_is_known_for_that_long(runs: Runs) -> None:
    assert runs.end(2, orders=["ann", 7, 7.0])[0] == "passed"
    assert runs.end(3, orders=["ann"])[0] == "passed"
    said = "1 value is in no customer of the last 2d: 'ann'"
    assert runs.end(3.01, orders=["ann"]) == ("warned", said)


def test_a_customer_that_comes_again_is_known_for_longer(runs: Runs) -> None:
    runs.end(3, customers=["ann"])
    assert runs.end(5, orders=["ann"])[0] == "passed"
    assert runs.end(5, orders=[7])[0] == "warned"


def test_a_customer_that_nobody_brought_is_not_known(runs: Runs) -> None:
    said = "2 values are in no customer of the last 2d: 'bob', '7'"
    assert runs.end(2, orders=["bob", "bob", "ann", "7"]) == ("warned", said)
    # That an order names it does not make it one.
    assert runs.end(2, orders=["bob"])[0] == "warned"


def test_a_run_that_has_failed_has_brought_its_customers(runs: Runs) -> None:
    runs.end(1.5, customers=["bob"], status="failed")
    assert runs.end(2, orders=["bob"])[0] == "passed"


def test_windows_of_orders_know_the_customers_of_runs(runs: Runs) -> None:
    window: dict[str, Any] = {"event": "order", "window": DAY}
    assert runs.end(2, orders=["ann"], **window)[0] == "passed"
    assert runs.end(2, orders=["bob"], **window)[0] == "warned"


def test_a_run_without_orders_is_skipped(runs: Runs) -> None:
    assert runs.end(2) == ("skipped", "no order has a value of who")


def test_it_is_not_called_unknown_where_not_all_customers_are_known(runs: Runs) -> None:
    """One run has brought more than a profile lists."""
    runs.end(2, customers=[*range(1_001)])
    assert runs.end(3, orders=["ann"])[0] == "passed"
    verdict, why = runs.end(3, orders=["bob"])
    assert (verdict, why) == (
        "skipped",
        "1 value is in no customer of the last 2d: 'bob'; but not all of those are known",
    )
    assert runs.end(4.01, orders=["bob"])[0] == "warned"


def test_runs_before_the_check_was_there_may_have_brought_it() -> None:
    runs = Runs()
    runs.end(1, values={})
    assert runs.end(2, orders=["bob"])[0] == "skipped"
    assert runs.end(3.01, orders=["bob"])[0] == "warned"


def test_a_lane_that_opens_anew_knows_the_same(runs: Runs) -> None:
    runs.end(2, customers=["bob"])
    runs.open_anew()
    assert runs.end(3.5, orders=["bob"])[0] == "passed"
    assert runs.end(3.5, orders=["ann"])[0] == "warned"


def test_a_clock_that_goes_back_makes_nothing_unknown(runs: Runs) -> None:
    runs.end(9, customers=["bob"])
    assert runs.end(2, orders=["bob"])[0] == "passed"
    assert runs.end(11, orders=["bob"])[0] == "passed"


def test_what_no_bookkeeper_wrote_teaches_nothing(runs: Runs) -> None:
    runs.end(2, values={"customer/id": {"texts": "bob"}})
    assert runs.end(2, orders=["bob"])[0] == "warned"
    runs.end(2, values=7)
    assert runs.end(2, orders=["ann"])[0] == "passed"


def test_large_values_are_left_out_of_a_row_and_not_called_unknown() -> None:
    """1,000 of 100 characters of four bytes each are more than a row has room for."""
    runs, chance = Runs(), Random(1)
    points = range(0x20000, 0x2A000)
    runs.end(1, customers=["".join(map(chr, chance.choices(points, k=100))) for _ in range(1_000)])
    assert runs.rows[0]["values"]["customer/id"] is None
    assert runs.end(2, orders=["bob"])[0] == "skipped"


def test_of_many_values_those_are_forgotten_that_came_first() -> None:
    known = RememberedValues(most=2)
    for at, numbers in enumerate(([1, 2], [3], [2])):
        values = TopValues()
        values.add_numbers(dict.fromkeys(numbers, 1))
        known.learn(values, at)
    assert known.since(0) == {("numbers", 3), ("numbers", 2)}
    assert (known.is_whole(0), known.is_whole(1)) == (False, True)
