"""Does each run that has ended count once for each schedule that waits for it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.scheduler import run_arrivals
from farandole.scheduler.facts import RunChange
from farandole.scheduler.run_arrivals import (
    EndedRuns,
    RunArrivals,
    awaited_runs,
    fold_runs,
    restore_ended_runs,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
GOOD = ("completed", "settled")
REPORT = ("reports", "daily")


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


SOON = minutes(1)
PUBLISHED = minutes(-60)
NOTHING = EndedRuns({})


def waiting_for(
    *statuses: str, event: str | None = None, begins: datetime = PUBLISHED
) -> Mapping[str, Sequence[run_arrivals.AwaitedRun]]:
    after = DependencySpec(pipeline="orders", status=statuses or GOOD, event=event)
    spec = ScheduleSpec(triggers="report.requested", after=(after,))
    return awaited_runs([(REPORT, spec, [begins])])


def ended(
    run: str = "a",
    status: str = "completed",
    transition: str | None = None,
    *,
    closed: datetime = NOON,
    root: str = "order.placed",
) -> RunChange:
    return RunChange(run, transition or "completed", "orders", root, status, closed)


def fold(
    *changes: RunChange,
    memory: EndedRuns = NOTHING,
    awaited: Mapping[str, Sequence[run_arrivals.AwaitedRun]] | None = None,
    now: datetime = SOON,
    is_at_end: bool = True,
) -> RunArrivals:
    waiting = waiting_for() if awaited is None else awaited
    return fold_runs(memory, changes, waiting, now, is_at_end=is_at_end)


def counted(result: RunArrivals) -> list[str]:
    return [each.cause for each in result.arrivals.get(REPORT, {}).get("0", ())]


def test_a_run_that_completes_is_an_arrival_at_the_time_of_its_end() -> None:
    (arrival,) = fold(ended()).arrivals[REPORT]["0"]
    assert arrival == Arrival(at=NOON, cause="a", detail={"status": "completed"})


def test_an_end_ahead_of_the_broker_is_now() -> None:
    (arrival,) = fold(ended(closed=minutes(3)), now=SOON).arrivals[REPORT]["0"]
    assert arrival.at == SOON


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(ended()._replace(pipeline="stock"), id="of another pipeline"),
        pytest.param(ended(root="stock.counted"), id="of another root"),
        pytest.param(ended(status="failed"), id="with another status"),
        pytest.param(ended(closed=minutes(-61)), id="before the schedule was there"),
        pytest.param(ended()._replace(closed=None), id="that goes on"),
        pytest.param(RunChange("a"), id="whose row was deleted"),
    ],
)
def test_a_run_does_not_count(change: RunChange) -> None:
    assert not counted(fold(change, awaited=waiting_for(event="order.placed")))


def test_a_run_that_a_replay_mends_counts_then() -> None:
    failed = fold(ended(status="failed"))
    memory = restore_ended_runs({k: v for k, v in failed.rows.items() if v is not None})
    mended = fold(ended(transition="amended"), memory=memory, now=minutes(600))
    assert mended.arrivals[REPORT]["0"][0].at == minutes(600)
    assert not counted(fold(ended(transition="amended"), memory=mended.memory))


def test_a_replay_after_a_run_has_counted_changes_nothing() -> None:
    awaited = waiting_for("completed", "failed")
    failed = fold(ended(status="failed"), awaited=awaited)
    assert counted(failed) == ["a"]
    assert not counted(fold(ended(transition="amended"), memory=failed.memory, awaited=awaited))


def test_an_end_whose_record_was_compacted_away_counts() -> None:
    assert counted(fold(ended(transition="amended"))) == ["a"]


def test_a_replay_of_a_run_of_long_ago_is_no_end() -> None:
    memory = EndedRuns({}, since=minutes(5))
    assert not counted(fold(ended(transition="amended"), memory=memory))


def test_an_end_counts_however_late_the_books_tell_of_it() -> None:
    assert counted(fold(ended(), memory=EndedRuns({}, since=minutes(5)))) == ["a"]


def test_a_replay_that_changes_no_status_writes_nothing() -> None:
    memory = fold(ended()).memory
    assert not fold(ended(transition="amended"), memory=memory).rows


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_arrivals, "MAX_RECENT", 2)
    changes = [ended(str(number), closed=minutes(-number)) for number in range(4)]
    done = fold(*changes, is_at_end=False)
    assert set(done.memory.runs) == {"0", "1"}
    assert not counted(
        fold(ended("3", transition="amended", closed=minutes(-3)), memory=done.memory)
    )


def test_what_was_forgotten_is_deleted_from_the_state() -> None:
    memory = fold(ended()).memory
    done = fold(memory=memory, now=minutes(60))
    assert not done.memory.runs
    assert done.rows[b"run/a"] is None


def test_the_rows_restore_the_memory() -> None:
    done = fold(ended(), ended("b", "failed"))
    rows = {key: value for key, value in done.rows.items() if value is not None}
    assert restore_ended_runs({**rows, b"schedule/a/b": b"{}"}) == done.memory


class Books:
    """`farandole.runs`, compacted or not, and what a scheduler has committed of it."""

    def __init__(self) -> None:
        self.log: list[tuple[int, RunChange]] = []
        self.now = NOON
        self.failed: set[str] = set()
        self.expected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.rows: dict[bytes, bytes] = {}
        self.cursor = 0
        self.end = 0

    def write(self, change: RunChange) -> None:
        self.log.append((self.end, change))
        self.end += 1

    def close(self, lag: int, *, good: bool) -> None:
        run = f"run-{len(self.expected)}"
        status = "completed" if good else "failed"
        self.write(ended(run, status, closed=self.now - timedelta(seconds=lag)))
        self.expected[run] = int(good)
        if not good:
            self.failed.add(run)

    def amend(self, number: int) -> None:
        run = f"run-{number % max(len(self.expected), 1)}"
        closed = next((each.closed for _, each in self.log if each.run == run), None)
        if closed is not None:
            self.write(ended(run, "completed", "amended", closed=closed))
            self.expected[run] = 1

    def compact(self) -> None:
        newest = {change.run: offset for offset, change in self.log}
        self.log = [(offset, each) for offset, each in self.log if newest[each.run] == offset]

    def read(self, limit: int, *, commits: bool) -> None:
        unread = [(offset, each) for offset, each in self.log if offset >= self.cursor]
        taken = unread[:limit]
        done = fold_runs(
            restore_ended_runs(self.rows),
            [each for _, each in taken],
            waiting_for(),
            self.now,
            is_at_end=len(taken) == len(unread),
        )
        if not commits:
            return
        self.counted.update(counted(done))
        for key, value in done.rows.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        if taken:
            self.cursor = taken[-1][0] + 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("close"), st.integers(-60, 300), st.booleans()),
        st.tuples(st.just("amend"), st.integers(0, 30), st.just(True)),
        st.tuples(st.just("compact"), st.just(0), st.just(True)),
        st.tuples(st.just("pass"), st.sampled_from([1, 60, 4000, 90_000]), st.just(True)),
        st.tuples(st.just("read"), st.integers(1, 6), st.booleans()),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps)
def test_each_run_counts_once_whatever_is_compacted_and_whenever_it_is_read(
    happens: list[tuple[str, int, bool]],
) -> None:
    books = Books()
    for what, number, flag in happens:
        if what == "close":
            books.close(number, good=flag)
        elif what == "amend":
            books.amend(number)
        elif what == "compact":
            books.compact()
        elif what == "pass":
            books.now += timedelta(seconds=number)
        else:
            books.read(number, commits=flag)
    books.read(1000, commits=True)
    assert +books.counted == +books.expected
