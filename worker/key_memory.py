"""Which keys of a run has a lane seen, so that it can tell exactly which come again?

All events of a key are in one lane, so what each lane finds is exact for the run, as long as it
remembers the run from its first event on. The hashes of new keys are rows of the lane's state, put
in the transaction that consumes their events.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farandole.worker.lane_state import LaneState
from farandole.worker.limits import MAX_STATE_ROW_BYTES

if TYPE_CHECKING:
    from farandole.quality.checks.rule_tallies import RuleTally
    from farandole.quality.checks.seen_keys import SeenKeys
    from farandole.quality.profiles.value_hash import Hashes

# In functions, on demand: numpy costs 0.1 s and 20 MB, which only a checked pipeline should pay.

PREFIX = b"keys/"
MAX_RUNS = 500
"""Runs whose keys a lane remembers; beyond it, and beyond MAX_KEYS, it forgets the run of which no
event has come for longest. If one comes after all, the run's keys are only estimated."""
MAX_KEYS = 1_000_000
MAX_FORGOTTEN = 5_000
"""Forgotten runs of which a lane knows that it has forgotten them."""
_FORGOTTEN = b"forgotten"
_HASH_BYTES = 8


class KeyMemory:
    """The keys of one lane."""

    def __init__(
        self, state: LaneState, *, max_runs: int = MAX_RUNS, max_keys: int = MAX_KEYS
    ) -> None:
        self._state = state
        self._max_runs = max_runs
        self._max_keys = max_keys
        self.restore()

    def restore(self) -> None:
        """Begin with what the lane's state says."""
        self._seen: OrderedDict[bytes, SeenKeys] = OrderedDict()
        self._rows: Counter[bytes] = Counter()
        self._forgotten: OrderedDict[bytes, None] = OrderedDict()
        for name, value in self._state.rows_with(PREFIX).items():
            of_run, _, number = name.removeprefix(PREFIX).rpartition(b"/")
            if value == _FORGOTTEN:
                self._forgotten[of_run] = None
            elif len(value) % _HASH_BYTES == 0 and number.isdigit():
                self._of(of_run).add(_read(value))
                self._rows[of_run] = max(self._rows[of_run], int(number) + 1)

    def tally(
        self, event: str, run: bytes, keys: Sequence[Any], rows: int, *, hides: bool = False
    ) -> RuleTally | None:
        """Return how many of these rows have a key that has come before in the run, and note the
        keys. None if the lane has forgotten the run. `keys`: those of the rows that have one, in
        their order; `hides`: no key may be shown."""
        from farandole.quality.checks.rule_tallies import LeftOut, RuleTally
        from farandole.quality.checks.seen_keys import hash_keys
        from farandole.quality.checks.value_text import value_text

        of_run = b"%b/%b" % (event.encode(), run)
        if not self._state.is_kept or of_run in self._forgotten:
            return None
        again, new = self._of(of_run).add(hash_keys(keys))
        self._seen.move_to_end(of_run)
        self._put(of_run, new)
        self._forget()
        tally = RuleTally()
        tally.judged, tally.failed = rows, len(again)
        if hides:
            tally.leave_values_out(LeftOut.PERSONAL)
        tally.add_values(Counter(value_text(keys[place]) for place in again))
        return tally

    def _of(self, of_run: bytes) -> SeenKeys:
        from farandole.quality.checks.seen_keys import SeenKeys

        return self._seen.setdefault(of_run, SeenKeys())

    def _put(self, of_run: bytes, new: Hashes) -> None:
        most = MAX_STATE_ROW_BYTES // (2 * _HASH_BYTES)
        for start in range(0, len(new), most):
            name = b"%b%b/%d" % (PREFIX, of_run, self._rows[of_run])
            self._state.put(name, new[start : start + most].tobytes())
            self._rows[of_run] += 1

    def _forget(self) -> None:
        """Forget runs until there is room; the one at work stays."""
        total = sum(map(len, self._seen.values()))
        while len(self._seen) > 1 and (len(self._seen) > self._max_runs or total > self._max_keys):
            of_run, seen = self._seen.popitem(last=False)
            total -= len(seen)
            for number in range(self._rows.pop(of_run, 0)):
                self._state.put(b"%b%b/%d" % (PREFIX, of_run, number), None)
            self._forgotten[of_run] = None
            self._state.put(b"%b%b/" % (PREFIX, of_run), _FORGOTTEN)
            if len(self._forgotten) > MAX_FORGOTTEN:
                oldest, _ = self._forgotten.popitem(last=False)
                self._state.put(b"%b%b/" % (PREFIX, oldest), None)


def _read(value: bytes) -> Hashes:
    import numpy as np

    return np.frombuffer(value, np.uint64)
