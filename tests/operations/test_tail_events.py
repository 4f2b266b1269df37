"""Which events does somebody see who looks on, and what is left out?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from farandole.broker.tail_reader import Arrived
from farandole.events.topology_version import Version
from farandole.operations.events.tail_events import (
    MAX_EVENTS,
    EventChoice,
    PreparedTail,
    TailBatch,
    TailRequest,
)
from farandole.worker.isolated_condition import condition_of
from tests.operations.personal_lines import MadeRecord, binary_headers, version


def batch(
    records: Sequence[MadeRecord],
    where: str = "",
    *,
    made: Version | None = None,
    skipped: int = 0,
    seconds: float = 0.0,
) -> TailBatch:
    """`seconds`: how long each look at the clock takes."""
    found = made or version()
    prepared = PreparedTail(
        TailRequest("line.read", where=where),
        "p.line.read",
        {1: found},
    )
    ticks = count()
    condition = condition_of(where) if where else None
    choice = EventChoice(prepared, condition, lambda: next(ticks) * seconds)
    return choice.batch(Arrived([*records], skipped))


def lines(number: int) -> list[MadeRecord]:
    return [MadeRecord(i, b'{"email":"a@x","cents":%d}' % i) for i in range(number)]


def test_events_are_shown_in_order_with_their_data_on_one_line() -> None:
    found = batch(lines(2))
    assert [each.offset for each in found.events] == [0, 1]
    assert found.events[1].line == '{"email":"•••","cents":1}'


def test_events_of_several_partitions_are_in_the_order_of_their_times() -> None:
    records = lines(6)
    for record, (partition, at) in zip(
        records, [(0, 3), (0, 1), (0, 5), (1, 2), (1, 4), (1, 6)], strict=True
    ):
        record.partition, record.timestamp = partition, at
    # The clock of partition 0 went back once: its events stay in order.
    found = [(each.partition, each.offset) for each in batch(records).events]
    assert found == [(1, 3), (0, 0), (0, 1), (1, 4), (0, 2), (1, 5)]


def test_an_expression_chooses_events() -> None:
    assert [each.offset for each in batch(lines(9), "data.cents > 6").events] == [7, 8]


def test_an_expression_sees_nothing_that_is_masked() -> None:
    assert batch(lines(3), 'data.email == "a@x"').events == []


def test_an_event_of_which_it_cannot_say_is_counted_with_the_reason() -> None:
    found = batch([*lines(1), MadeRecord(1, b"[]")], "data.cents >= 0")
    assert (len(found.events), found.undecided) == (1, 1)
    assert "data.cents >= 0" in found.reason


def test_of_too_many_events_the_newest_are_shown_and_the_others_counted() -> None:
    found = batch(lines(MAX_EVENTS + 10), skipped=5)
    assert found.events[-1].offset == MAX_EVENTS + 9
    assert (len(found.events), found.skipped) == (MAX_EVENTS, 15)


def test_what_the_budget_of_time_does_not_reach_is_counted() -> None:
    found = batch(lines(20), "data.cents < 0", seconds=0.01)
    assert found.events == []
    assert 10 < found.skipped < 20


def test_large_data_are_cut_and_few() -> None:
    large = b'{"email":"a@x","cents":1,"text":"%s"}' % (b"x" * 200_000)
    found = batch([MadeRecord(i, large) for i in range(20)])
    assert all(each.cut and len(each.data) <= 64 * 1024 for each in found.events)
    assert sum(len(each.data) for each in found.events) < 512 * 1024
    assert found.skipped == 20 - len(found.events)


def test_a_key_made_of_a_personal_field_is_masked() -> None:
    assert batch(lines(1), made=version("email")).events[0].key == "•••"
    assert batch(lines(1), made=version("cents")).events[0].key == "ann@x"


def test_what_is_no_json_is_masked_where_something_may_be_personal() -> None:
    (event,) = batch([MadeRecord(0, b"\xff\x00 a@x")]).events
    assert event.line == "•••"


def test_an_expression_sees_no_attribute_that_may_be_personal() -> None:
    keyed = MadeRecord(0, b'{"cents": 1}', headers=binary_headers(partitionkey="ann@x"))
    assert batch([keyed], 'attributes.partitionkey == "ann@x"').undecided == 1
    assert len(batch([keyed], 'attributes.type == "line.read"').events) == 1
