"""Which profiles of data does a lane of the bookkeeper keep, and until when?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import orjson
import structlog

from farandole.events.ledger_entry import LedgerEntry
from farandole.events.profile_delta import ProfileDelta
from farandole.events.quality_row import QualityKey, parse_quality_key
from farandole.events.record import OutgoingRecord
from farandole.ledger.edge_data import EdgeData, parse_edge_data

PROFILE_PREFIX = b"profile/"  # before the key of a row in the lane's state
WINDOWS_PREFIX = b"windows/"
"""Before `PIPELINE/EVENT TYPE`: when the last window ended that is closed."""
WINDOW_GRACE_MS = 60_000
"""How long after its end a window is closed: by then its events are consumed, unless a stage is
behind. What comes later has rows of its own."""
_MAX_DELTAS = 100_000  # in one entry: a record of the ledger has fewer bytes

log = structlog.get_logger()


class ProfileStore:
    """The profiles of open runs and windows, in one lane.

    The caller takes changes, writes and commits them; if that fails, it calls `restore` with the
    rows that are committed."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._changed: dict[bytes, EdgeData | None] = {}
        self._by_run: dict[str, set[bytes]] = {}
        self._windows: dict[bytes, int] = {}
        """When each window ends, by the key of its row."""
        self._closed_until: dict[bytes, int] = {}
        self._newly_closed: set[bytes] = set()
        self._amended: list[EdgeData] = []

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Replace all state with the rows among `rows` that are of profiles. Raises
        NewerFormatError; rows that no bookkeeper of ours wrote are logged and skipped."""
        self.__init__()  # type: ignore[misc]
        for name, value in rows.items():
            if name.startswith(WINDOWS_PREFIX) and value.isdigit() and len(value) < 16:
                self._closed_until[name] = int(value)
            if not name.startswith(PROFILE_PREFIX):
                continue
            key = _key_of(name)
            data = None if key is None else parse_edge_data(key, value)
            if data is None:
                log.warning("state.foreign", key=name.decode(errors="backslashreplace"))
            else:
                self._rows[name] = value
                self._note(name, data)

    def fold(self, entry: LedgerEntry, offset: int, is_closed: Callable[[str], bool]) -> int:
        """Add the profiles of a valid entry at this offset of the ledger, and return how many of
        them are none. `is_closed` returns True for a run that has ended: what is added to it has a
        row of its own."""
        bad = 0
        for number, delta in enumerate(entry.get("profiles", ())):
            key = QualityKey(
                entry["pipeline"], delta["event"], delta.get("run"), delta.get("window")
            )
            if key.run is None:
                is_late = delta["until"] <= self._closed_until.get(_windows_of(key), 0)
            else:
                is_late = is_closed(key.run)
            try:
                if is_late:
                    amended = key._replace(amended=offset * _MAX_DELTAS + number)
                    data = EdgeData(amended, delta["version"], delta["stage"])
                    data.add(delta)
                    self._amended.append(data)
                else:
                    self._open(key, delta).add(delta)
            except ValueError:
                bad += 1
        return bad

    def _open(self, key: QualityKey, delta: ProfileDelta) -> EdgeData:
        name = PROFILE_PREFIX + key.record_key
        data = self._changed.get(name) or parse_edge_data(key, self._rows.get(name))
        if data is None:
            data = EdgeData(key, delta["version"], delta["stage"], delta.get("until", 0))
            self._note(name, data)
        self._changed[name] = data
        return data

    def _note(self, name: bytes, data: EdgeData) -> None:
        if data.key.run is not None:
            self._by_run.setdefault(data.key.run, set()).add(name)
        else:
            self._windows[name] = data.until

    def of_run(self, run: str) -> list[EdgeData]:
        """Return what is known of an open run's data so far, by event type."""
        names = sorted(self._by_run.get(run, ()))
        return [data for name in names if (data := self._read(name)) is not None]

    def _read(self, name: bytes) -> EdgeData | None:
        key = _key_of(name)
        assert key is not None
        return self._changed.get(name) or parse_edge_data(key, self._rows.get(name))

    def close_run(self, run: str) -> list[EdgeData]:
        """Return what is known of a run's data, by event type, and forget it."""
        return [*self._close(self._by_run.pop(run, ()))]

    def windows_over(self, now: int) -> list[EdgeData]:
        """Return the windows that are over; `now`: milliseconds of the epoch up to which all
        entries are read."""
        return [data for name in self._over(now) if (data := self._read(name)) is not None]

    def _over(self, now: int) -> list[bytes]:
        return sorted(name for name, ends in self._windows.items() if ends + WINDOW_GRACE_MS <= now)

    def close_windows(self, now: int) -> list[EdgeData]:
        """Return the windows that are over, and forget them; `now` as above."""
        over = self._over(now)
        for name in over:
            key = _key_of(name)
            assert key is not None
            windows = _windows_of(key)
            known = self._closed_until.get(windows, 0)
            self._closed_until[windows] = max(known, self._windows.pop(name))
            self._newly_closed.add(windows)
        return [*self._close(over)]

    def _close(self, names: Iterable[bytes]) -> Iterator[EdgeData]:
        for name in sorted(names):
            data = self._read(name)
            self._changed[name] = None
            if data is not None:
                yield data

    def take_changes(self, at: int) -> list[OutgoingRecord]:
        """Return the rows of the lane's state that have changed since the last call; `at`:
        milliseconds of the epoch."""
        rows = []
        for name, data in self._changed.items():
            if data is not None:
                self._rows[name] = orjson.dumps(data.to_row(at))
                rows.append(OutgoingRecord(name, self._rows[name]))
            elif self._rows.pop(name, None) is not None:
                rows.append(OutgoingRecord(name, None))
        rows += [OutgoingRecord(k, b"%d" % self._closed_until[k]) for k in self._newly_closed]
        self._changed, self._newly_closed = {}, set()
        return rows

    def take_amended(self) -> list[EdgeData]:
        """Return what was added since the last call to runs that had ended, and to windows that
        were over."""
        amended, self._amended = self._amended, []
        return amended


def _key_of(name: bytes) -> QualityKey | None:
    return parse_quality_key(name.removeprefix(PROFILE_PREFIX))


def _windows_of(key: QualityKey) -> bytes:
    return b"%b%b/%b" % (WINDOWS_PREFIX, key.pipeline.encode(), key.event.encode())
