"""Lanes that share a rate take all of it, and no more, whatever happens to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

import pytest

from farandole.events.share_row import WHOLE, ShareRow
from farandole.worker.throttle import share_claim
from farandole.worker.throttle.gcra import Gcra
from farandole.worker.throttle.rate_budget import RateBudget
from farandole.worker.throttle.share_claim import Need, SeenRow, ShareClaim
from tests.worker.throttle.world import Scenario, faults, jain


def _broken(seeds: range) -> dict[int, list[str]]:
    found = {seed: faults(Scenario(seed).run()) for seed in seeds}
    return {seed: each for seed, each in found.items() if each}


def test_a_rate_is_neither_exceeded_nor_left_unused_in_random_scenarios() -> None:
    assert not _broken(range(15))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(20))
def test_a_rate_holds_in_ten_thousand_scenarios(block: int) -> None:
    assert not _broken(range(block * 500, (block + 1) * 500))


def _use_less_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that wants less goes on with what it has used."""
    row_to_write = ShareClaim.row_to_write

    def write(self: ShareClaim, rows: object, need: Need, now: float, **more: object) -> object:
        used, lease = self._in_use, self._lease_ends
        found = row_to_write(self, rows, need, now, **more)  # type: ignore[arg-type]
        self._in_use, self._lease_ends = max(used, self._in_use), max(lease, now + 1)
        return found

    monkeypatch.setattr(ShareClaim, "row_to_write", write)


def _equal_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares do not follow the loads."""
    equal = lambda demands, rate: [1 / len(demands)] * len(demands)  # noqa: E731
    monkeypatch.setattr(share_claim, "fair_shares", equal)


def _no_credit_for_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a whole event is lost each time."""
    take = Gcra.take

    def lose(self: Gcra, events: float) -> None:
        take(self, events)
        self.credit = min(self.credit, 0.0)

    monkeypatch.setattr(Gcra, "take", lose)


@pytest.mark.parametrize(
    ("mutation", "seen_as"),
    [
        (_use_less_too_late, "of the rate in"),
        (_equal_shares, "only"),
        (_no_credit_for_parts, "only"),
    ],
)
def test_the_scenarios_catch_a_mistake(
    mutation: Callable[[pytest.MonkeyPatch], None], seen_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    assert any(seen_as in fault for seed in range(5) for fault in faults(Scenario(seed).run()))


def test_the_scenarios_measure_fairness() -> None:
    assert jain([100, 100, 100]) == pytest.approx(1)
    assert jain([100, 0]) == pytest.approx(0.5)


# -- one lane


class Alone:
    """The only lane of a limit; its rows are read back at once."""

    def __init__(self, rate: float, last_owner: ShareRow | None = None) -> None:
        self.rate, self.now = rate, 100.0
        self.rows: Mapping[str, SeenRow] = {}
        self.budget = RateBudget("0", 0, "b", self.now, last_owner)

    def after(self, seconds: float, waiting: int) -> int:
        """Return how many of the waiting events may be taken after so many seconds."""
        self.now += seconds
        self.budget.update(self.rows, self.rate, self.now)
        self.budget.note_waiting(waiting)
        row = self.budget.row_to_write(1, self.now, int(self.now * 1000))
        if row is not None:
            self.rows = {"0": SeenRow(row, self.now)}
            self.budget.update(self.rows, self.rate, self.now)
        return self.budget.allowance(waiting, int(self.now * 1000)) if waiting else 0


def test_a_lane_begins_with_an_empty_bucket_whatever_its_last_owner_left() -> None:
    last = ShareRow(id="a/1", at=0, held=WHOLE, wanted=WHOLE, demand=9.0, credit=0.9)
    lane = Alone(1000.0, last)
    assert lane.after(0, 1000) == 0
    assert lane.after(0.05, 1000) == 0  # not worth a transaction yet
    assert lane.after(0.1, 1000) == 150


def test_an_idle_lane_keeps_a_second_of_its_rate_and_takes_it_in_parts() -> None:
    lane = Alone(1000.0)
    for _ in range(20):
        lane.after(5, 0)
    taken = []
    while allowed := lane.after(0, 5000):
        lane.budget.take(allowed)
        taken.append(allowed)
    assert taken == [250, 250, 250, 250]


def test_a_transaction_that_takes_long_slows_a_lane_down_no_more_than_it_must() -> None:
    lane = Alone(1000.0)
    lane.after(0, 9000)
    taken = 0
    for _ in range(10):
        allowed = lane.after(0.8, 9000)
        lane.budget.take(allowed)
        taken += allowed
    assert 7000 <= taken <= 8000


def test_less_than_an_event_is_not_lost() -> None:
    lane = Alone(0.01)
    lane.after(0, 1)
    for _ in range(9):
        assert lane.after(10, 1) == 0
    assert lane.after(10, 1) == 1


def test_the_next_owner_goes_on_with_the_part_of_an_event() -> None:
    lane = Alone(0.01)
    lane.after(0, 1)
    lane.after(70, 1)
    ((row, _),) = lane.rows.values()
    assert row.credit == pytest.approx(0.7)
    later = Alone(0.01, row)
    assert later.after(0, 1) == 0
    assert later.after(29, 1) == 0
    later.after(0, 1)
    assert later.after(2, 1) == 1


def test_the_rate_0_lets_nothing_pass_until_it_changes() -> None:
    lane = Alone(0.0)
    lane.after(0, 10)
    assert lane.after(1000, 10) == 0
    assert lane.budget.seconds_until_next(10) == inf
    lane.rate = 100.0
    assert lane.after(0, 10) == 0
    assert lane.after(0.1, 10) == 10


def test_more_lines_than_are_due_must_wait_afterwards() -> None:
    lane = Alone(100.0)
    lane.after(0, 10)
    assert lane.after(0.1, 10) == 10
    lane.budget.take(110.0)
    assert lane.after(0.5, 10) == 0
    assert lane.budget.seconds_until_next(10) == pytest.approx(0.6)


def test_a_row_tells_that_events_wait_for_the_rate() -> None:
    lane = Alone(1.0)
    lane.after(0, 7)
    lane.after(10.5, 7)
    ((row, _),) = lane.rows.values()
    assert (row.throttled, row.waiting, row.rate) == (100_000, 7, 1.0)
    lane.after(10.5, 0)
    ((row, _),) = lane.rows.values()
    assert (row.throttled, row.waiting) == (0, 0)
