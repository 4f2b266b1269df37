"""What does the bookkeeper's lane write, and when does it call a run late?"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from farandole.events.alert_tracker import CLEAR_AFTER_MS
from farandole.events.kafka_names import KafkaNames
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.record import OutgoingRecord, Partition
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.ledger.stage_alerts import (
    FIRE_AFTER_MS,
    AlertCondition,
    LagSample,
    alert_conditions,
)
from farandole.telemetry.metric_catalog import LATE_RUNS, RUN_CHANGES
from tests.ledger.made import AT, consumed, entry, part
from tests.ledger.test_run_store import RUN, closing, opening

NAMES = KafkaNames()
NOTHING: dict[str, dict[bytes, bytes]] = {NAMES.runs_topic: {}, NAMES.bookkeeper_state_topic: {}}
DUE = AT + 500


class Clock:
    """The bookkeeper's time, and how long ago it had read the ledger to its end."""

    at = AT
    read_age: float | None = 0.0
    """In seconds; None while entries are unread."""

    def __call__(self) -> int:
        return self.at


def opened_lane(clock: Clock, tables: dict[str, dict[bytes, bytes]] = NOTHING) -> BookkeeperLane:
    work = BookkeeperLane(NAMES, 0, "here", clock=clock, read_age=lambda: clock.read_age)
    work.open(tables)
    return work


def records(*entries: LedgerEntry, first: int = 0) -> list[SimulatedRecord]:
    return [
        SimulatedRecord(NAMES.ledger_topic, 0, first + n, orjson.dumps(e))
        for n, e in enumerate(entries)
    ]


def alerts(done: BatchResult | None) -> list[tuple[str, str]]:
    out: Sequence[OutgoingRecord] = (
        () if done is None else done.writes[Partition(NAMES.alerts_topic, 0)]
    )
    found = [orjson.loads(each.value or b"") for each in out]
    return [(alert["key"], alert["state"]) for alert in found]


async def late(clock: Clock, work: BookkeeperLane) -> BatchResult | None:
    """Let the deadline of the run pass."""
    clock.at = DUE - 100
    assert work.on_idle() is None
    clock.at = DUE + 1
    return work.on_idle()


async def test_a_late_run_raises_one_alert_which_its_completion_resolves() -> None:
    clock = Clock()
    work = opened_lane(clock)
    await work.handle(records(opening(within=1.0)))
    key = f"order-lines/run/{RUN}"
    assert alerts(await late(clock, work)) == [(key, "firing")]
    assert work.on_idle() is None
    assert alerts(await work.handle(records(closing(), first=1))) == [(key, "resolved")]


async def test_no_run_is_late_while_entries_are_unread() -> None:
    clock = Clock()
    work = opened_lane(clock)
    await work.handle(records(opening(within=1.0)))
    clock.at, clock.read_age = DUE + 60_000, None
    assert work.on_idle() is None
    assert alerts(await work.handle(records(opening("other"), first=1))) == []
    clock.read_age = 0.0
    assert alerts(await work.handle(records(closing(), first=2))) == []


async def test_no_run_is_late_that_was_due_after_everything_was_read() -> None:
    """A process that was frozen, or whose broker was away, has read nothing since."""
    clock = Clock()
    work = opened_lane(clock)
    await work.handle(records(opening(within=1.0)))
    clock.at, clock.read_age = DUE + 60_000, 60.1
    assert work.on_idle() is None
    clock.read_age = 59.9
    assert alerts(work.on_idle()) == [(f"order-lines/run/{RUN}", "firing")]


@pytest.mark.parametrize("skew", [-3_600_000, -11_000, 0, 11_000, 3_600_000])
async def test_a_late_run_raises_its_alert_whatever_the_clocks_of_workers_say(skew: int) -> None:
    clock = Clock()
    work = opened_lane(clock)
    await work.handle(records(opening(within=1.0)))
    raised = []
    for second in range(1, 4):
        clock.at = AT + 400 * second
        busy = entry("a", part("other", {"asked": consumed(f"x{second}")}), at=clock.at + skew)
        raised.append(alerts(await work.handle(records(busy, first=second))))
    firing = [(f"order-lines/run/{RUN}", "firing")]
    assert [each for each in raised if each] == [firing]


async def test_a_run_that_completes_late_is_marked_without_an_alert() -> None:
    clock = Clock()
    work = opened_lane(clock)
    await work.handle(records(opening(within=1.0)))
    last = entry("b", part(RUN, {"made": consumed(f"{RUN}/x")}), at=DUE + 1)
    done = await work.handle(records(last, first=1))
    assert alerts(done) == []
    (row,) = [
        orjson.loads(each.value or b"") for each in done.writes[Partition(NAMES.runs_topic, 0)]
    ]
    assert (row["late"], row["status"]) == (True, "completed")


async def test_a_late_run_of_the_last_owner_raises_no_second_alert() -> None:
    clock = Clock()
    first = opened_lane(clock)
    await first.handle(records(opening(within=1.0)))
    done = await late(clock, first)
    assert done is not None
    rows = {
        o.key: o.value for o in done.writes[Partition(NAMES.runs_topic, 0)] if o.key and o.value
    }
    position = {b"position": b"1"}
    second = opened_lane(clock, {NAMES.runs_topic: rows, NAMES.bookkeeper_state_topic: position})
    clock.at += 20_000
    assert second.on_idle() is None
    clock.at += 20_000
    assert second.on_idle() is None
    settled = await second.handle(records(closing(), first=1))
    assert alerts(settled) == [(f"order-lines/run/{RUN}", "resolved")]


def unworked(bad: bool) -> AlertCondition:
    (each,) = alert_conditions([LagSample("p", "enrich", 0 if bad else 1, 7)])
    return each


STUCK = "p/stage/enrich/unworked"


async def test_an_alert_is_written_in_the_transaction_that_stores_its_state() -> None:
    clock = Clock()
    looks: list[list[AlertCondition]] = []
    work = BookkeeperLane(
        NAMES, 0, "here", clock=clock, take_conditions=lambda _: looks.pop() if looks else None,
        read_age=lambda: clock.read_age,
    )  # fmt: skip
    work.open(NOTHING)

    def looked(bad: bool) -> BatchResult | None:
        looks.append([unworked(bad)])
        return work.on_idle()

    assert looked(bad=True) is None
    clock.at += FIRE_AFTER_MS
    done = looked(bad=True)
    assert alerts(done) == [(STUCK, "firing")]
    assert done is not None
    state = {
        o.key: o.value for o in done.writes[Partition(NAMES.bookkeeper_state_topic, 0)] if o.key
    }
    kept = {key: value for key, value in state.items() if value is not None}
    assert looked(bad=True) is None

    work.open({**NOTHING, NAMES.bookkeeper_state_topic: kept})
    clock.at += 10 * FIRE_AFTER_MS
    assert looked(bad=True) is None
    assert looked(bad=False) is None
    clock.at += CLEAR_AFTER_MS
    done = looked(bad=False)
    assert alerts(done) == [(STUCK, "resolved")]
    assert done is not None
    forgotten = [
        o.key for o in done.writes[Partition(NAMES.bookkeeper_state_topic, 0)] if not o.value
    ]
    assert forgotten == [b"firing/" + STUCK.encode()]


async def test_a_stage_raises_its_alert_while_entries_keep_arriving() -> None:
    clock = Clock()
    work = BookkeeperLane(
        NAMES, 0, "here", clock=clock, take_conditions=lambda _: [unworked(bad=True)],
        read_age=lambda: clock.read_age,
    )  # fmt: skip
    work.open(NOTHING)
    await work.handle(records(opening()))
    clock.at += FIRE_AFTER_MS
    assert alerts(await work.handle(records(closing(), first=1))) == [(STUCK, "firing")]


async def test_conditions_from_before_the_lane_opened_are_discarded() -> None:
    looks = [[unworked(bad=True)]]
    work = BookkeeperLane(
        NAMES, 0, "here", take_conditions=lambda _: looks.pop() if looks else None,
        read_age=lambda: None,
    )  # fmt: skip
    work.open(NOTHING)
    assert looks == []


async def test_a_transaction_is_limited_in_the_size_of_its_rows() -> None:
    work = opened_lane(Clock())
    many = records(*(opening(f"run{n}") for n in range(30_000)))
    assert 0 < (await work.handle(many)).settled < len(many)


async def test_a_record_that_is_not_an_entry_is_skipped() -> None:
    work = opened_lane(Clock())
    done = await work.handle([SimulatedRecord(NAMES.ledger_topic, 0, 0, b"?")])
    assert (done.settled, done.writes[Partition(NAMES.runs_topic, 0)]) == (1, [])


async def test_an_entry_that_is_given_up_is_not_folded_later() -> None:
    work = opened_lane(Clock())
    (record,) = records(opening())
    await work.give_up(record, 5)
    assert (await work.handle([record])).writes[Partition(NAMES.runs_topic, 0)] == []


async def test_runs_are_counted_once_they_are_committed() -> None:
    clock = Clock()
    work = opened_lane(clock)
    opened = await work.handle(records(opening(within=1.0)))
    assert RUN_CHANGES.name not in work.meter.report()
    work.on_commit(opened, {})
    assert work.open_runs == 1
    overdue = await late(clock, work)
    assert overdue is not None
    work.on_commit(overdue, {})
    work.on_commit(await work.handle(records(closing(), first=1)), {})
    report = work.meter.report()
    assert report[RUN_CHANGES.name] == [(["opened"], 1), (["completed"], 1)]
    assert report[LATE_RUNS.name] == [(["order-lines"], 1)]
    assert work.open_runs == 0
