"""How many events a second pass each edge, by the newest entries of the ledger?

Entries are counted in windows of five seconds, of which those of the last ten minutes are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from farandole.events.ledger_entry import LedgerEntry
from farandole.events.record_time import past_time_ms

WINDOW_SECONDS = 5
WINDOWS = 120
RATE_WINDOWS = 3
"""Full windows over which a rate is taken."""
_MAX_NUMBER = 2**50
_MAX_COUNTERS = 5_000
"""Of edges and stages, of all pipelines: foreign entries could name any number of them."""


@dataclass(slots=True)
class Counts:
    """What happened in one window."""

    settled: int = 0
    """Events that a stage has consumed and not parked."""
    emitted: int = 0
    dead: int = 0
    retried: int = 0
    """Events that began to wait for another try."""
    filtered: int = 0
    lines: int = 0
    """Data lines of the settled events."""
    seconds: float = 0.0
    """The time that handling took."""
    age: float = 0.0
    """The age of the oldest event when it was settled, in seconds."""

    def add(self, other: Counts) -> None:
        """Add the counts of another window or entry; of ages the largest counts."""
        self.settled += other.settled
        self.emitted += other.emitted
        self.dead += other.dead
        self.retried += other.retried
        self.filtered += other.filtered
        self.lines += other.lines
        self.seconds += other.seconds
        self.age = max(self.age, other.age)


@dataclass(slots=True)
class _Windows:
    kept: deque[tuple[int, Counts]] = field(default_factory=deque)
    """By number of the window, in order."""

    def at(self, number: int) -> Counts | None:
        """Return the counts of a window; None if it is too old."""
        if not self.kept or self.kept[-1][0] < number:
            self.kept.append((number, Counts()))
            while self.kept[0][0] <= number - WINDOWS:
                self.kept.popleft()
            return self.kept[-1][1]
        for known, counts in reversed(self.kept):
            if known == number:
                return counts
            if known < number:
                break
        if number <= self.kept[-1][0] - WINDOWS:
            return None
        counts = Counts()
        self.kept = deque(sorted([*self.kept, (number, counts)], key=lambda each: each[0]))
        return counts


Counter = tuple[str, str, str]
"""Pipeline, stage and event type: what the stage takes in. Without a stage: what is emitted of an
event type. Without an event type: the stage as a whole."""


class EntryRates:
    """Counts of the last ten minutes, by edge and by stage."""

    def __init__(self) -> None:
        self._windows: dict[Counter, _Windows] = {}

    def take(self, entry: LedgerEntry, now: int) -> None:
        """Count an entry; one that no lane of ours wrote is left out, as far as that can be seen.
        `now`: milliseconds of the epoch; no entry counts as later."""
        try:
            number = past_time_ms(_bounded(entry["at"]), now) // 1000 // WINDOW_SECONDS
            counted = [*_counts(entry)]
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        for counter, counts in counted:
            windows = self._windows.get(counter)
            if windows is None:
                if len(self._windows) >= _MAX_COUNTERS:
                    continue
                windows = self._windows[counter] = _Windows()
            of_window = windows.at(number)
            if of_window is not None:
                of_window.add(counts)

    def recent(self, counter: Counter, now: int) -> Counts:
        """Return what happened in the last full windows together, RATE_WINDOWS of them."""
        last = now // 1000 // WINDOW_SECONDS
        total = Counts()
        windows = self._windows.get(counter)
        for number, counts in reversed(windows.kept if windows else ()):
            if number < last - RATE_WINDOWS:
                break
            if number < last:
                total.add(counts)
        return total

    def per_second(self, number: int) -> float:
        """Return the rate of what `recent` has counted."""
        return round(number / (RATE_WINDOWS * WINDOW_SECONDS), 3)

    def history(self, counter: Counter, now: int) -> list[Counts]:
        """Return the full windows of the last ten minutes, the oldest first; one in which nothing
        happened has zeros."""
        last = now // 1000 // WINDOW_SECONDS
        windows = self._windows.get(counter)
        known = dict(windows.kept) if windows else {}
        return [known.get(number, Counts()) for number in range(last - WINDOWS, last)]

    def forget_silent(self, now: int) -> None:
        """Forget what nothing has happened to for ten minutes."""
        oldest = now // 1000 // WINDOW_SECONDS - WINDOWS
        silent = [c for c, windows in self._windows.items() if windows.kept[-1][0] < oldest]
        for counter in silent:
            del self._windows[counter]


def _counts(entry: LedgerEntry) -> Iterator[tuple[Counter, Counts]]:
    """Yield what an entry counts. Raises KeyError, TypeError, ValueError or AttributeError for some
    entries that are none."""
    pipeline, stage, at = entry["pipeline"], entry["stage"], _bounded(entry["at"])
    if type(pipeline) is not str:
        raise TypeError(pipeline)
    whole = Counts(seconds=float(entry["seconds"]))
    for part in entry["runs"]:
        for event_type, settled in part["in"].items():
            counts = _settled_counts(settled, at)
            whole.add(counts)
            yield (pipeline, stage, str(event_type)), counts
        for event_type, sent in part["out"].items():
            emitted = _bounded(sent["n"])
            whole.emitted += emitted
            yield (pipeline, "", str(event_type)), Counts(emitted=emitted)
    yield (pipeline, stage, ""), whole


def _settled_counts(settled: Any, at: int) -> Counts:
    parked = _bounded(settled.get("parked", 0))
    oldest = past_time_ms(settled["oldest"], at)
    return Counts(
        settled=_bounded(settled["n"]) - parked,
        dead=_bounded(settled.get("dead", 0)),
        retried=max(0, parked),
        filtered=_bounded(settled.get("filtered", 0)),
        lines=_bounded(settled.get("lines", 0)),
        age=(at - oldest) / 1000,
    )


def _bounded(number: Any) -> int:
    if type(number) is not int or not -_MAX_NUMBER <= number <= _MAX_NUMBER:
        raise ValueError(number)
    return number
