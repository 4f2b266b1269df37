"""Which share of a common limit may this lane use, if nobody coordinates the lanes?

Each lane writes rows into one partition, which all read in the same order. A row claims what the
lane uses (`held`) and what it wants (`wanted`). Two rules keep the sum of what is used at most 1,
however late rows are read, whatever the clocks show, and whoever dies:

1. A lane uses more only after it has read its own row back: at most what the newest rows of the
   others, as it has read them by then, do not claim.
2. A lane uses less before it writes that it does.

Of two lanes that want the same share, one has written its row first, so the other has read that row
before its own. What a lane uses never exceeds what its newest row claims, so it was left to it by
every lane that has raised its use since.

A claim is a lease (Gray and Cheriton): its holder lets it go, by its own clock, HOLD_SECONDS after
it began to write the row; others forget it, by their own clocks, FORGET_SECONDS after they have
read the row. Only the speed of clocks matters, not what they show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from farandole.events.share_row import WHOLE, ShareRow
from farandole.worker.throttle.fair_shares import fair_shares

EPOCH = 10.0
"""Seconds after which a lane writes its row anew, whatever happens."""
HOLD_SECONDS = 3 * EPOCH
FORGET_SECONDS = 4.5 * EPOCH
LEAST_GAP = 1.0
"""Seconds between two rows of a lane, at least; the first one may be written again sooner."""


class SeenRow(NamedTuple):
    """A row, and when this process has first seen it, by its own clock that never goes back."""

    row: ShareRow
    seen_at: float


class Need(NamedTuple):
    """What a lane needs of a limit now."""

    demand: float
    """Events a second."""
    rate: float
    """How many a second all lanes together may take."""
    members: int
    """How many lanes share the limit, dead ones too."""


class ShareClaim:
    """The share of one lane, from its birth to its death. `lane`: its name among those that share
    the limit; `birth`: a name that no other birth of a lane has."""

    def __init__(self, lane: str, birth: str, now: float) -> None:
        self._lane = lane
        self._birth = birth
        self._born_at = now
        self._in_use = 0
        self._lease_ends = now
        self._sequence = 0
        self._written: tuple[str, int, float] | None = None
        """The id of the newest row, what it wanted, and when it was written."""
        self._is_read_back = False

    def in_use(self, now: float) -> int:
        """Return what the lane may use now, of WHOLE."""
        return self._in_use if now < self._lease_ends else 0

    @property
    def is_waiting(self) -> bool:
        """True until the newest row has been read back."""
        return self._written is not None and not self._is_read_back

    def read(self, rows: Mapping[str, SeenRow], now: float) -> None:
        """Note the newest rows of all lanes that share the limit, by lane."""
        if self._written is None:
            return
        row_id, wanted, written_at = self._written
        own = rows.get(self._lane)
        if own is None or own.row.id != row_id:
            return  # everything that was claimed before our row is not known yet
        if not self._is_read_back:
            self._is_read_back = True
            self._lease_ends = written_at + HOLD_SECONDS
        if now >= self._lease_ends:
            self._in_use = 0
            return
        claimed = sum(seen.row.claim for seen in self._others(rows, now))
        self._in_use = max(self._in_use, min(wanted, WHOLE - claimed))

    def row_to_write(
        self, rows: Mapping[str, SeenRow], need: Need, now: float, *, renew: bool = False
    ) -> tuple[str, int, int] | None:
        """Return the id, `held` and `wanted` of a row that is to be written now; None if none is.
        What is in use falls at once if less is wanted. `renew`: write one although the share stays
        as it is."""
        if self._written is not None:
            _, wanted, written_at = self._written
            since = now - written_at
            if since < LEAST_GAP or (self.is_waiting and since < EPOCH):
                return None
        target = self._claimable(rows, need, now)
        if self._written is not None:
            is_close = abs(target - wanted) <= max(WHOLE // 1000, wanted // 400)
            if is_close and since < EPOCH and not renew:
                return None
        self._sequence += 1
        row_id = f"{self._birth}/{self._sequence}"
        self._in_use = min(self.in_use(now), target)
        self._written = row_id, target, now
        self._is_read_back = False
        return row_id, self._in_use, target

    def _claimable(self, rows: Mapping[str, SeenRow], need: Need, now: float) -> int:
        """Return what the lane should claim: less than now if others need it, or its part of what
        nobody claims. Right after its birth that is what the last owner of the lane has claimed."""
        own = rows.get(self._lane)
        if self._written is None and own is not None and _is_alive(own, now):
            return own.row.wanted
        others = [seen.row for seen in self._others(rows, now)]
        demands, claims = [row.demand for row in others], [row.claim for row in others]
        if now - self._born_at < EPOCH:
            # The others may be about to write their first rows.
            missing = max(0, need.members - 1 - len(others))
            demands += [need.rate] * missing
            claims += [0] * missing
        target, *targets = (
            int(share * WHOLE) for share in fair_shares([need.demand, *demands], need.rate)
        )
        in_use = self.in_use(now)
        if target <= in_use:
            return target
        # Who claimed all that it lacks, before others have let go of it, would only keep third
        # ones from what is free.
        free = max(0, WHOLE - in_use - sum(claims))
        lacks = target - in_use
        others_lack = sum(max(0, t - claim) for t, claim in zip(targets, claims, strict=True))
        return in_use + min(lacks, free * lacks // (lacks + others_lack))

    def _others(self, rows: Mapping[str, SeenRow], now: float) -> Iterable[SeenRow]:
        return [seen for lane, seen in rows.items() if lane != self._lane and _is_alive(seen, now)]


def _is_alive(seen: SeenRow, now: float) -> bool:
    return now - seen.seen_at < FORGET_SECONDS
