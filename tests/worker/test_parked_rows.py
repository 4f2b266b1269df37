"""Does a row that a check parks wait until a person decides, with those of its key behind it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from farandole.events.record import Record
from farandole.events.retry_record import (
    REPLAY_PREFIX,
    ParkedEvent,
    make_retry_row,
    parse_retry_row,
    to_parked_event,
)
from farandole.events.topology_version import RetryPolicy
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.worker.parked_events import PERSON_SHARE
from tests.worker.checked import checked_lane, order
from tests.worker.made import RETRY, In, Lane, Out, bare, emitted
from tests.worker.test_retry_queue import Clock, Table

PLACE = "p.in/0/{}"


@dataclass
class Parking:
    """A lane whose input parks odd rows, and what it was called with."""

    capacity: int = 100
    clock: Clock = field(default_factory=Clock)
    called: list[int] = field(default_factory=list)
    fails: bool = False
    cancelled: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        self.table = Table(self.lane())

    def lane(self) -> Lane:
        def function(event: In) -> Out:
            self.called.append(event.n)
            if self.fails:
                raise TimeoutError("down")
            return Out(n=event.n)

        return checked_lane(
            function,
            clock=self.clock,
            retry=RetryPolicy(attempts=3, backoff=1, jitter=0, in_place=0, parked=self.capacity),
            cancelled=lambda: self.cancelled,
        )

    def take_over(self) -> None:
        """Another process opens the lane, and reads what was committed."""
        self.table = self.table.taken_over(self.lane())

    async def handle(self, *records: Record) -> None:
        left = list(records)
        while left:
            del left[: await self.table.handle(*left)]

    async def give(self, *numbers: int, key: bytes | None = b"k") -> None:
        await self.handle(*(emitted(n, key=key or b"%d" % n) for n in numbers))

    async def work(self) -> None:
        """Let what is due be handled, for an hour."""
        for _ in range(60):
            while await self.table.again():
                pass
            self.clock.now += 60

    @property
    def rows(self) -> dict[int, ParkedEvent]:
        events = [
            parse_retry_row(value)
            for key, value in self.table.rows.items()
            if key.startswith(b"parked/")
        ]
        return {event.offset: event for event in events}

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return [(alert.kind, alert.state) for alert in self.table.alerts]

    @property
    def parked_in_books(self) -> int:
        settled = [
            part["in"][name]
            for entry in self.table.entries
            for part in entry.get("runs", ())
            for name in part["in"]
        ]
        return sum(each.get("parked", 0) for each in settled)


async def test_it_waits_without_a_time_and_without_a_try() -> None:
    world = Parking()
    await world.give(3)
    await world.work()
    (event,) = world.rows.values()
    assert (event.checks, event.due, event.attempts) == ("odd", 0, 0)
    assert event.message == "odd: `int(data.n) % 2 == 0` is not true of it"
    assert world.table.lane.work.deferred is not None
    assert world.table.lane.work.deferred.next_due is None
    assert (world.called, world.parked_in_books) == ([], 1)


async def test_those_of_its_key_wait_behind_it_and_others_go_on() -> None:
    world = Parking()
    await world.give(2, 3, 4, 5, 6)
    await world.give(8, key=None)
    await world.work()
    assert world.called == [2, 8]
    assert list(world.rows) == [3, 4, 5, 6]


async def test_who_takes_the_lane_over_lets_it_wait_as_well() -> None:
    world = Parking()
    await world.give(3, 4)
    world.take_over()
    await world.give(6)
    await world.work()
    assert (world.called, list(world.rows)) == ([], [3, 4, 6])


async def test_a_released_row_is_handled_and_those_behind_it_in_their_order() -> None:
    world = Parking()
    await world.give(3, 4, 5, 6)
    await world.handle(order("release", PLACE.format(3)))
    world.take_over()  # it was committed
    await world.work()
    assert world.called == [3, 4]  # 5 is the next that waits
    await world.handle(order("release", PLACE.format(5), 1))
    await world.work()
    assert (world.called, world.rows, world.parked_in_books) == ([3, 4, 5, 6], {}, 0)
    assert not any(key.startswith(b"order/") for key in world.table.rows)


async def test_a_released_row_that_fails_is_tried_as_often_as_any() -> None:
    world = Parking(fails=True)
    await world.give(3)
    await world.handle(order("release", PLACE.format(3)))
    await world.work()
    assert (world.called, world.rows) == ([3, 3, 3], {})
    assert [letter["error"] for letter in world.table.dead] == ["TimeoutError"]


async def test_a_mended_row_is_judged_again() -> None:
    world = Parking()
    await world.give(3, 4)
    await world.handle(order("mend", PLACE.format(3), data=b'{"n": 5}'))
    await world.work()
    assert (world.called, world.rows[3].value) == ([], b'{"n": 5}')
    await world.handle(order("mend", PLACE.format(3), 1, b'{"n": 8}'))
    await world.work()
    assert (world.called, world.rows) == ([8, 4], {})
    assert world.parked_in_books == 0


async def test_a_mended_row_may_be_rejected() -> None:
    world = Parking()
    await world.give(3)
    await world.handle(order("mend", PLACE.format(3), data=b'{"n": 100}'))
    await world.work()
    assert ([letter["error"] for letter in world.table.dead], world.rows) == (["RowRejected"], {})


async def test_a_discarded_row_is_a_dead_letter_that_says_by_whom() -> None:
    world = Parking()
    await world.give(3, 4)
    await world.handle(order("discard", PLACE.format(3), reason="a test"))
    world.take_over()
    await world.work()
    (letter,) = world.table.dead
    assert (letter["error"], letter["message"]) == (
        "RowDiscarded",
        "odd: `int(data.n) % 2 == 0` is not true of it",
    )
    assert (letter["discarded_by"], letter["discarded_reason"]) == ("ann", "a test")
    assert (world.called, world.rows, world.parked_in_books) == ([4], {}, 0)


@pytest.mark.parametrize("do", ["release", "mend", "discard"])
async def test_an_order_is_carried_out_once(do: Any) -> None:
    world = Parking()
    await world.give(3)
    await world.handle(order(do, PLACE.format(3), data=b'{"n": 4}'))
    await world.work()
    await world.give(5)
    await world.handle(order(do, PLACE.format(3), 1, b'{"n": 6}'))
    await world.work()
    assert list(world.rows) == [5]
    assert len(world.called) + len(world.table.dead) == 1


@pytest.mark.parametrize(
    "record",
    [
        order("release", PLACE.format(4)),  # it waits, but for the one before it
        order("release", PLACE.format(9)),
        order("release", "p.in~2/0/3"),
        SimulatedRecord(RETRY, 0, 0, b"{}", b"order/x/p.in/0/3"),
        SimulatedRecord(RETRY, 0, 0, b"\xff\n", b"order/x/p.in/0/3"),
        SimulatedRecord(RETRY, 0, 0, b'{"do": "explode"}\n', b"order/x/p.in/0/3"),
    ],
)
async def test_an_order_that_fits_nothing_does_nothing(record: Record) -> None:
    world = Parking()
    await world.give(3, 4)
    await world.handle(record)
    await world.work()
    assert (world.called, list(world.rows)) == ([], [3, 4])


async def test_what_is_mended_is_not_larger_than_a_row_may_be() -> None:
    world = Parking()
    await world.give(3)
    await world.handle(order("mend", PLACE.format(3), data=b'{"n": 4, "x": "%b"}' % (b"x" * 2**21)))
    await world.work()
    assert (world.called, world.rows[3].value) == ([], b'{"n": 3}')


async def test_a_cancelled_run_lets_nothing_wait_for_a_person() -> None:
    world = Parking()
    await world.give(3, 4)
    world.cancelled = frozenset({b"a" * 13})
    assert world.table.lane.work.on_idle() is None
    await world.work()
    assert (world.called, world.rows, world.parked_in_books) == ([], {}, 0)
    assert world.table.dead == []


async def test_a_replay_is_judged_again() -> None:
    world = Parking()
    letter = to_parked_event(emitted(101, key=b"k"))._replace(replays=1)
    for offset, value in enumerate((b'{"n": 101}', b'{"n": 3}', b'{"n": 4}')):
        row = make_retry_row(letter._replace(value=value), REPLAY_PREFIX)
        await world.handle(SimulatedRecord(RETRY, 0, offset, row.value, row.key))
        await world.work()
        await world.handle(order("discard", PLACE.format(101), 10 + offset))
        await world.work()
    assert [each["error"] for each in world.table.dead] == ["RowRejected", "RowDiscarded"]
    assert (world.called, world.rows) == ([4], {})


async def test_no_replay_brings_an_order_with_it() -> None:
    world = Parking()
    event = to_parked_event(emitted(3))
    for offset, forged in enumerate([event._replace(released=1), event._replace(discarded="{}")]):
        row = make_retry_row(forged, REPLAY_PREFIX)
        await world.handle(SimulatedRecord(RETRY, 0, offset, row.value, row.key))
        await world.work()
        assert (list(world.rows), world.called, world.table.dead) == ([3], [], [])


async def test_one_incident_says_that_rows_wait_until_none_does() -> None:
    world = Parking()
    await world.give(2)
    await world.give(3, 5, key=None)
    world.take_over()
    await world.give(7, key=None)
    assert world.alerts == [("stage.parked", "firing")]
    for n in (3, 5, 7):
        await world.handle(order("discard", PLACE.format(n), n))
        await world.work()
    assert world.alerts == [("stage.parked", "firing"), ("stage.parked", "resolved")]
    (told, _) = world.table.alerts
    assert "wait for a person" in told.text
    assert "odd: `int(data.n) % 2 == 0` is not true of it" in told.text


async def test_at_its_limit_a_lane_rejects_rows_of_keys_of_which_nothing_waits() -> None:
    world = Parking(capacity=8)
    limit = int(8 * PERSON_SHARE)
    await world.give(*range(1, 2 * limit + 4, 2), key=None)
    assert list(world.rows) == [1, 3, 5, 7]
    assert [letter["error"] for letter in world.table.dead] == ["RowRejected"] * 2
    assert world.table.dead[0]["message"].endswith(
        "; it cannot be parked: in this lane 4 events wait already"
    )
    assert world.alerts == [("stage.parked", "firing"), ("stage.full", "firing")]
    # One of a key of which one waits still waits behind it, and has to when it is its turn.
    await world.handle(emitted(9, key=b"1"))
    await world.handle(order("release", PLACE.format(1)))
    await world.work()
    assert list(world.rows) == [3, 5, 7, 9]
    for n in (3, 5):
        await world.handle(order("discard", PLACE.format(n), n))
        await world.work()
    assert world.alerts[2:] == [("stage.full", "resolved")]
    await world.give(11, key=None)
    assert list(world.rows) == [7, 9, 11]


async def test_a_lane_that_is_full_of_them_still_reads_orders() -> None:
    world = Parking(capacity=4)
    await world.give(3)
    await world.give(4, 6, 8)
    waits = world.table.lane.work.deferred
    assert waits is not None
    assert (waits.is_full(), waits.reads_orders, waits.next_due) == (True, True, None)
    assert ("stage.full", "firing") in world.alerts
    letter = to_parked_event(emitted(20, key=b"other"))._replace(replays=1)
    row = make_retry_row(letter, REPLAY_PREFIX)
    await world.handle(SimulatedRecord(RETRY, 0, 0, row.value, row.key))
    (bounced,) = world.table.dead
    assert (bounced["error"], bounced["offset"]) == ("LaneFull", "20")
    await world.handle(order("release", PLACE.format(3), 1))
    await world.work()
    assert (world.called, world.rows) == ([3, 4, 6, 8], {})
    assert not waits.is_full()


async def test_a_stage_that_cannot_park_rejects() -> None:
    done = await checked_lane().handle(bare({"n": 3}))
    (letter,) = done.dead
    assert letter["message"].endswith(
        "it cannot be parked: the stage has no topic for events that wait"
    )


async def test_a_list_is_cut_before_a_row_that_waits() -> None:
    """What is before it in the call may fail, and then has to wait before it."""
    calls: list[list[int]] = []

    def batch(events: list[In]) -> list[Out]:
        calls.append([event.n for event in events])
        if 2 in calls[-1] and len(calls) < 3:
            raise TimeoutError("down")
        return [Out(n=event.n) for event in events]

    clock = Clock()
    retry = RetryPolicy(attempts=5, backoff=1, jitter=0, in_place=0)
    table = Table(checked_lane(batch, clock=clock, retry=retry))
    left = [emitted(n, key=b"k") for n in (2, 3, 4)]
    while left:
        del left[: await table.handle(*left)]
    for _ in range(10):
        clock.now += 10
        await table.again()
    assert (calls[0], calls[-1], table.results) == ([2], [2], [2])
    assert table.waiting == [3, 4]
    await table.handle(order("release", PLACE.format(3)))
    for _ in range(3):
        await table.again()
    assert (table.results, table.waiting) == ([2, 3, 4], [])
