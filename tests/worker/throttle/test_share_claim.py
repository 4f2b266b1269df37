"""Lanes never use more than the whole of a limit, however late they read each other's rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest

from farandole.events.share_row import WHOLE, ShareRow
from farandole.worker.throttle import share_claim
from farandole.worker.throttle.fair_shares import fair_shares
from farandole.worker.throttle.share_claim import EPOCH, Need, SeenRow, ShareClaim

RATE = 100.0


class Reader:
    """A process that reads the rows late."""

    def __init__(self) -> None:
        self.position = 0
        self.rows: Mapping[str, SeenRow] = {}

    def read(self, log: list[ShareRow], until: int, now: float) -> None:
        new = log[self.position : until]
        if new:
            seen = {row.id.split("/")[0]: SeenRow(row, now) for row in new}
            self.rows, self.position = {**self.rows, **seen}, until


def most_used(seed: int) -> int:
    """Return the largest sum of what lanes used at one time, while they want more and less all the
    time, are born again, and are away for long."""
    r = random.Random(seed)
    lanes = [str(index) for index in range(r.randint(2, 6))]
    claims = {lane: ShareClaim(lane, f"{lane}/0", 0.0) for lane in lanes}
    readers = {lane: Reader() for lane in lanes}
    away = dict.fromkeys(lanes, 0.0)
    log: list[ShareRow] = []
    written: list[ShareRow] = []
    """Not committed yet: no reader sees it."""
    now, most = 0.0, 0
    for step in range(400):
        now += r.choice([0.05, 0.3, 1.0, 4.0])
        while written and r.random() < 0.7:
            log.append(written.pop(0))
        for lane in lanes:
            if r.random() < 0.01:
                away[lane] = now + r.uniform(10, 120)
            if now < away[lane]:
                continue
            claim, reader = claims[lane], readers[lane]
            if r.random() < 0.02:
                claim = claims[lane] = ShareClaim(lane, f"{lane}/{step}", now)
                written = [row for row in written if not row.id.startswith(f"{lane}/")]
            if r.random() < 0.6:
                reader.read(log, r.randint(reader.position, len(log)), now)
            claim.read(reader.rows, now)
            demand = r.choice([0.0, 1.0, 20.0, 50.0, 1e6])
            row = claim.row_to_write(reader.rows, Need(demand, RATE, len(lanes)), now)
            if row is not None:
                name, held, wanted = row
                written.append(ShareRow(id=name, at=0, held=held, wanted=wanted, demand=demand))
        most = max(most, sum(claim.in_use(now) for claim in claims.values()))
    return most


def test_the_shares_in_use_are_never_more_than_the_whole() -> None:
    assert max(most_used(seed) for seed in range(100)) <= WHOLE


def test_the_whole_is_used() -> None:
    assert max(most_used(seed) for seed in range(5)) >= 0.95 * WHOLE


def _without_reading_back(patch: pytest.MonkeyPatch) -> None:
    """A lane does not wait until it has read its row back."""
    row_to_write = ShareClaim.row_to_write

    def write(
        self: ShareClaim, rows: Mapping[str, SeenRow], need: Need, now: float
    ) -> tuple[str, int, int] | None:
        found = row_to_write(self, rows, need, now)
        if found is not None:
            own = ShareRow(id=found[0], at=0, held=found[1], wanted=found[2], demand=0)
            self.read({**rows, self._lane: SeenRow(own, now)}, now)
        return found

    patch.setattr(ShareClaim, "row_to_write", write)


def _leave_what_is_held(patch: pytest.MonkeyPatch) -> None:
    """A lane leaves to the others what they use, but not what they want."""
    patch.setattr(ShareRow, "claim", property(lambda row: row.held))


def _use_less_later(patch: pytest.MonkeyPatch) -> None:
    """A lane writes that it uses less, and goes on with what it used."""
    row_to_write = ShareClaim.row_to_write

    def write(
        self: ShareClaim, rows: Mapping[str, SeenRow], need: Need, now: float
    ) -> tuple[str, int, int] | None:
        used = self._in_use
        found = row_to_write(self, rows, need, now)
        self._in_use = max(self._in_use, used)
        return found

    patch.setattr(ShareClaim, "row_to_write", write)


def _hold_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A lane that was away goes on with a share that the others have given to each other."""
    patch.setattr(share_claim, "HOLD_SECONDS", 1e9)


def _forget_too_soon(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(share_claim, "FORGET_SECONDS", share_claim.HOLD_SECONDS / 2)


@pytest.mark.parametrize(
    "mutation",
    [
        _without_reading_back,
        _leave_what_is_held,
        _use_less_later,
        _hold_for_ever,
        _forget_too_soon,
    ],
)
def test_each_rule_is_needed(
    mutation: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    assert any(most_used(seed) > WHOLE for seed in range(150))


def row_of(lane: str, held: int, wanted: int, demand: float = 0.0) -> ShareRow:
    return ShareRow(id=f"{lane}/x", at=0, held=held, wanted=wanted, demand=demand)


def test_the_next_owner_of_a_lane_goes_on_with_its_share() -> None:
    rows = {"0": SeenRow(row_of("0", 300_000, 400_000), 0.0)}
    claim = ShareClaim("0", "b2", 1.0)
    claim.read(rows, 1.0)
    assert claim.in_use(1.0) == 0
    assert claim.row_to_write(rows, Need(1.0, RATE, 4), 1.0) == ("b2/1", 0, 400_000)
    back = ShareRow(id="b2/1", at=0, held=0, wanted=400_000, demand=1.0)
    claim.read({"0": SeenRow(back, 1.2)}, 1.2)
    assert claim.in_use(1.2) == 400_000


def test_what_no_lane_claims_any_more_is_free_again() -> None:
    rows = {"1": SeenRow(row_of("1", WHOLE, WHOLE, 1e6), 0.0)}
    claim = ShareClaim("0", "b", 0.0)
    assert claim.row_to_write(rows, Need(1e6, RATE, 2), 0.0) == ("b/1", 0, 0)
    assert claim.row_to_write(rows, Need(1e6, RATE, 2), 4.6 * EPOCH) == ("b/2", 0, WHOLE)


def test_lanes_that_lack_divide_what_is_free_and_claim_no_more() -> None:
    held = {str(index): SeenRow(row_of(str(index), 0, 0, 1e6), 0.0) for index in (1, 2)}
    rows = {**held, "3": SeenRow(row_of("3", 700_000, 700_000, 70.0), 0.0)}
    claim = ShareClaim("0", "b", 0.0)
    assert claim.row_to_write(rows, Need(1e6, RATE, 4), 0.0) == ("b/1", 0, 100_000)


def test_shares_are_max_min_fair() -> None:
    assert sum(int(share * WHOLE) for share in fair_shares([1.0] * 7, 5.0)) <= WHOLE
    assert fair_shares([0.0, 10.0, 1000.0], 100.0) == pytest.approx([0.0033, 0.1, 0.8967], abs=1e-3)
    assert fair_shares([40.0, 40.0, 40.0], 100.0) == pytest.approx([1 / 3] * 3)
    assert fair_shares([10.0, 10.0], 100.0) == pytest.approx([0.5, 0.5])
    assert fair_shares([], 100.0) == []
    assert fair_shares([0.0, 0.0], 0.0) == pytest.approx([0.5, 0.5])
