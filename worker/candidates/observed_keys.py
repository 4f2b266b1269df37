"""Which keys of which runs were observed under a canary switch already?

An observation is one for each key and run, also after a take-over, so the hashes of those that were
observed are rows of the lane's state. They are kept in chunks, so that a transaction writes one
small row. If a lane observes more of them than fit, it forgets the oldest, and may observe these
again."""

from __future__ import annotations

from array import array

from xxhash import xxh3_64_intdigest

from farandole.worker.lane_state import LaneState

CHUNK_KEYS = 512
MAX_CHUNKS = 128
"""65,536 keys of runs: half a MiB of the state of a lane, and about 6 MiB of its memory."""
_HASH_BYTES = 8
_PREFIX = b"canary/"


class ObservedKeys:
    """The keys that a lane has observed under one switch."""

    def __init__(self, state: LaneState, generation: int) -> None:
        """Begin with what is kept in the state of this generation; rows of others are deleted."""
        self._state = state
        self._prefix = _PREFIX + b"%d/" % generation
        self._chunks: dict[int, array[int]] = {}
        self._has_changed = False
        for row, value in state.rows_with(_PREFIX).items():
            number = row.removeprefix(self._prefix)
            # Whoever may write to Kafka can have written it.
            is_ours = row.startswith(self._prefix) and number.isdigit() and len(number) < 10
            if is_ours and value and len(value) % _HASH_BYTES == 0:
                self._chunks[int(number)] = array("Q", value[: CHUNK_KEYS * _HASH_BYTES])
            else:
                state.put(row, None)
        self._chunks = dict(sorted(self._chunks.items()))
        self._known = {each for chunk in self._chunks.values() for each in chunk}
        self._newest = max(self._chunks, default=0)

    def add(self, key: bytes, run: bytes) -> bool:
        """Return True if the key of the run was not observed before; now it is."""
        found = xxh3_64_intdigest(b"%d/%b%b" % (len(run), run, key))
        if found in self._known:
            return False
        chunk = self._chunks.setdefault(self._newest, array("Q"))
        if len(chunk) >= CHUNK_KEYS:
            self.put_rows()
            self._newest += 1
            chunk = self._chunks[self._newest] = array("Q")
        chunk.append(found)
        self._known.add(found)
        self._has_changed = True
        if len(self._chunks) > MAX_CHUNKS:
            oldest = next(iter(self._chunks))
            self._known.difference_update(self._chunks.pop(oldest))
            self._state.put(self._row(oldest), None)
        return True

    def put_rows(self) -> None:
        """Put what was added into the state, to be written with the next transaction."""
        if self._has_changed:
            self._state.put(self._row(self._newest), self._chunks[self._newest].tobytes())
            self._has_changed = False

    def _row(self, number: int) -> bytes:
        return self._prefix + b"%d" % number


def forget_observed_keys(state: LaneState) -> None:
    """Delete all rows of observed keys: no canary is in force."""
    for row in state.rows_with(_PREFIX):
        state.put(row, None)
