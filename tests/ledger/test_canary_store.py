"""Are the observations of a canary counted once, and is its switch ended once, for its reason?"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.canary_counts import CanaryCounts, count_observation, no_counts
from farandole.events.canary_row import canary_key, parse_canary_row
from farandole.events.control_documents import parse_control
from farandole.events.kafka_names import KafkaNames
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.record import Partition
from farandole.events.switch_document import EndSwitchDocument
from farandole.lanes.lane_work import BatchResult
from farandole.ledger import entry_validation
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.canary_store import CanaryStore
from tests.ledger.made import AT, entry
from tests.ledger.test_bookkeeper_lane import NOTHING, records

NAMES = KafkaNames()
CONTROL = Partition(NAMES.control_topic, 0)
STATE = Partition(NAMES.bookkeeper_state_topic, 0)


def observed(
    candidate: int = 0,
    failed: int = 0,
    stable: int = 0,
    stable_failed: int = 0,
    *,
    generation: int = 7,
    stage: str = "price",
    at: int = AT,
    seconds: tuple[float, float] = (0.01, 0.01),
) -> LedgerEntry:
    counts: CanaryCounts = {
        "generation": generation, "candidate": no_counts(), "stable": no_counts(),
    }  # fmt: skip
    for n in range(candidate):
        count_observation(counts["candidate"], n < failed, seconds[0])
    for n in range(stable):
        count_observation(counts["stable"], n < stable_failed, seconds[1])
    return {**entry(stage, at=at, seconds=0.0), "canary": counts}


class Books:
    """A lane of the bookkeeper, and what it has committed."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.ends: list[EndSwitchDocument] = []
        self.next = 0
        self.open()

    def open(self) -> None:
        self.lane = BookkeeperLane(NAMES, 0, "here", clock=lambda: AT, read_age=lambda: 0.0)
        self.lane.open({**NOTHING, STATE.topic: self.state})

    async def fold(self, *entries: LedgerEntry) -> None:
        done = await self.lane.handle(records(*entries, first=self.next))
        assert done.settled == len(entries)
        self.next += len(entries)
        self.commit(done)

    def commit(self, done: BatchResult) -> None:
        self.state |= {each.key: each.value for each in done.writes[STATE] if each.key}  # type: ignore[misc]
        for each in done.writes[CONTROL]:
            document = parse_control(each.value or b"")
            assert isinstance(document, EndSwitchDocument)
            assert document.key == each.key
            self.ends.append(document)

    def row(self, stage: str = "price") -> Mapping[str, Any]:
        return parse_canary_row(self.state[canary_key("order-lines", stage)])


async def test_a_candidate_that_fails_more_often_is_ended_once() -> None:
    books = Books()
    for _ in range(10):
        await books.fold(observed(100, 8, 100, 1))
    (end,) = books.ends
    assert (end.pipeline, end.stage, end.generation) == ("order-lines", "price", 7)
    assert end.why.startswith("its candidate fails more often: 8.00 % of ")
    assert books.row()["ended"] == end.why
    assert books.row()["candidate"]["n"] < 1_000  # nothing is counted after the end


async def test_a_candidate_that_is_slower_is_ended() -> None:
    books = Books()
    await books.fold(observed(400, 4, 400, 4, seconds=(0.25, 0.1)))
    (end,) = books.ends
    assert "more than 1.5 times as long" in end.why
    assert "half of its calls up to 25" in end.why


async def test_a_candidate_that_is_no_worse_goes_on() -> None:
    books = Books()
    for _ in range(10):
        await books.fold(observed(100, 1, 100, 1))
    assert books.ends == []
    row = books.row()
    assert (row["candidate"]["n"], row["stable"]["failed"]) == (1_000, 10)


async def test_counts_are_the_same_after_take_overs() -> None:
    books = Books()
    for number in range(9):
        await books.fold(observed(10, 0, 10, 1))
        if number % 3 == 2:
            books.open()
            books.next = number - 1  # a successor reads the newest entries again
            await books.fold(observed(10, 0, 10, 1), observed(10, 0, 10, 1))
    assert books.row()["stable"] == {"n": 90, "failed": 9, "times": {"16": 90}}
    assert books.row()["candidate"]["n"] == 90


async def test_an_end_is_not_written_again_by_a_successor() -> None:
    books = Books()
    await books.fold(observed(500, 50, 500, 5))
    books.open()
    await books.fold(observed(500, 50, 500, 5))
    assert len(books.ends) == 1


async def test_an_end_whose_document_is_gone_is_written_again() -> None:
    """Another process may have written the end of an older switch over it."""
    books = Books()
    await books.fold(observed(500, 50, 500, 5))
    await books.fold(observed(500, 50, 500, 5, at=AT + 59_000))
    assert len(books.ends) == 1
    await books.fold(observed(5, 0, 5, 0, at=AT + 61_000), observed(5, 0, 5, 0, at=AT + 62_000))
    assert books.ends == [books.ends[0]] * 2
    assert books.row()["candidate"]["n"] == 500


async def test_a_newer_switch_begins_anew_and_an_older_one_counts_no_more() -> None:
    books = Books()
    await books.fold(observed(500, 50, 500, 5))
    await books.fold(observed(10, 0, 10, 0, generation=9))
    await books.fold(observed(500, 50, 500, 5, generation=7))
    row = books.row()
    assert (row["generation"], row["candidate"]["n"]) == (9, 10)
    assert "ended" not in row
    await books.fold(observed(500, 50, 500, 5, generation=9))
    assert [end.generation for end in books.ends] == [7, 9]


async def test_stages_are_decided_apart() -> None:
    books = Books()
    await books.fold(observed(500, 50, 500, 5), observed(500, 5, 500, 5, stage="load"))
    assert [end.stage for end in books.ends] == ["price"]
    assert "ended" not in books.row("load")


def test_the_order_of_entries_does_not_matter() -> None:
    parts = [observed(n, n // 10, 3 * n, n // 4, at=AT + n) for n in range(1, 20)]
    rows = set()
    for _ in range(3):
        random.Random(1).shuffle(parts)
        store = CanaryStore()
        for each in parts:
            store.fold(each)
        (row,), ends = store.take_changes()
        assert ends == []
        rows.add(orjson.dumps({**orjson.loads(row.value or b""), "first": 0}))
    assert len(rows) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@pytest.mark.parametrize(
    "path",
    [
        ("canary",), ("canary", "generation"), ("canary", "candidate"), ("canary", "stable", "n"),
        ("canary", "stable", "failed"), ("canary", "stable", "times"),
        ("canary", "stable", "times", "16"), ("canary", "stable", "times", "999"),
    ],
    ids=".".join,
)  # fmt: skip
@given(wrong=JSON)
def test_hostile_observations_change_nothing_or_are_counts(path: Any, wrong: Any) -> None:
    made: Any = observed(3, 1, 3, 1)
    inside = made
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = wrong
    try:
        value = orjson.dumps(made)
    except TypeError:  # an integer that no JSON of ours has
        return
    store = CanaryStore()
    found = entry_validation.parse_entry(value)
    assert found is not None
    store.fold(found)
    for row in store.take_changes()[0]:
        parse_canary_row(row.value or b"")


def test_foreign_rows_in_the_state_are_skipped() -> None:
    store = CanaryStore()
    good = CanaryStore()
    good.fold(observed(5, 0, 5, 0))
    ((key, value, _),), _ = good.take_changes()
    assert key is not None
    assert value is not None
    store.restore({b"canary/x/y": value, b"canary/": b"{", b"canary/a": b"7", b"position": b"7"})
    assert store.take_changes() == ([], [])
    store.restore({key: value})
    store.fold(observed(5, 0, 5, 0))
    ((_, value, _),), _ = store.take_changes()
    assert parse_canary_row(value or b"")["stable"]["n"] == 10
