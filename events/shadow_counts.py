"""What has the shadow of a stage's function been found to do differently, so far?

A lane keeps two rows of its state for the generation of the switch. `shadow/GENERATION/chosen` is
the number of calls that were chosen to be compared, written in the transaction that settles their
events. `shadow/GENERATION/counts` is what became of them, written later. A call that was chosen and
of which nothing is known when the lane is born again is lost, and counted so: no number depends on
when a process dies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

SHADOW_PREFIX = b"shadow/"
OTHERS = "(others)"
"""What is counted under no name of its own because there are too many."""
MAX_NAMES = 50
"""Paths, and errors, that are counted by their name in one lane."""
MAX_SAMPLES = 10
"""Differences that a lane keeps an example of, each at another path."""
MAX_BUCKETS = 40
"""Buckets of a histogram of times: the last one has all that is longer."""
_MAX_COUNT = 2**53
_MAX_DIGITS = 15
_MAX_TEXT_LENGTH = 1_000  # characters of a name, or of a text of a sample, in a row
_INDEX = re.compile(r"\[\d+\]")  # of an item of a list: all items are at one path
_FIRST_BUCKET = 1e-6  # seconds; each bucket ends at twice the time of the one before


def chosen_key(generation: int) -> bytes:
    """Return the key of the row with the number of chosen calls."""
    return b"%bchosen" % generation_prefix(generation)


def counts_key(generation: int) -> bytes:
    """Return the key of the row with all other counts."""
    return b"%bcounts" % generation_prefix(generation)


def generation_prefix(generation: int) -> bytes:
    """Return how the keys of the rows of one switch begin."""
    return b"%b%d/" % (SHADOW_PREFIX, generation)


def parse_shadow_key(key: bytes) -> tuple[int, Literal["chosen", "counts"]] | None:
    """Return the generation and the kind of a row; None if it is not of a shadow."""
    prefix, _, rest = key.partition(b"/")
    generation, _, kind = rest.partition(b"/")
    if prefix + b"/" != SHADOW_PREFIX or not _is_number(generation):
        return None
    if kind == b"chosen":
        return int(generation), "chosen"
    return (int(generation), "counts") if kind == b"counts" else None


def parse_chosen(value: bytes | None) -> int:
    """Return the number in a row of chosen calls; 0 if there is none."""
    return int(value) if value is not None and _is_number(value) else 0


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _MAX_DIGITS


@dataclass(slots=True)
class TimeHistogram:
    """How long calls took: their number by powers of two, and the sum."""

    calls: int = 0
    seconds: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict)
    """By the number of a bucket, the calls in it."""

    def add(self, seconds: float) -> None:
        """Count one call."""
        self.calls += 1
        self.seconds += seconds
        bucket = max(0, int(seconds / _FIRST_BUCKET)).bit_length()
        bucket = min(bucket, MAX_BUCKETS - 1)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: TimeHistogram) -> None:
        """Add the calls of another lane."""
        self.calls += other.calls
        self.seconds += other.seconds
        for bucket, number in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + number

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which this share of the calls ended, rounded up to the end of a
        bucket; None if there was no call."""
        left = share * self.calls
        for bucket, number in sorted(self.buckets.items()):
            left -= number
            if left <= 0:
                return float(_FIRST_BUCKET * 2**bucket)
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the histogram as JSON."""
        buckets = {str(bucket): number for bucket, number in sorted(self.buckets.items())}
        return {"calls": self.calls, "seconds": round(self.seconds, 6), "buckets": buckets}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TimeHistogram:
        """Return the histogram in a row. Raises ValueError, TypeError and the like."""
        buckets = {int(name[:4]): _count(number) for name, number in data["buckets"].items()}
        if not {*buckets} <= {*range(MAX_BUCKETS)}:
            raise ValueError("there is no such bucket")
        return cls(_count(data["calls"]), _seconds(data["seconds"]), buckets)


@dataclass(slots=True)
class Comparisons:
    """How results differ from those of the stage's own function, over many calls."""

    calls: int = 0
    """The calls that were compared."""
    differing: int = 0
    """Those of them that differ anywhere."""
    paths: dict[str, int] = field(default_factory=dict)
    """By path, those of them that differ there."""

    def add(self, differs: Iterable[str]) -> None:
        """Count one call, and the paths at which it differs."""
        self.calls += 1
        paths = list(differs)
        self.differing += bool(paths)
        for path in paths:
            count_name(self.paths, path)

    def merge(self, other: Comparisons) -> None:
        """Add the calls of another lane."""
        self.calls += other.calls
        self.differing += other.differing
        for path, number in other.paths.items():
            self.paths[path] = self.paths.get(path, 0) + number

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {"calls": self.calls, "differing": self.differing, "paths": self.paths}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparisons:
        """Return the counts in a row. Raises ValueError, TypeError and the like."""
        return cls(_count(data["calls"]), _count(data["differing"]), _counts(data["paths"]))


@dataclass(slots=True)
class Sample:
    """One difference, masked where it is personal."""

    path: str
    stable: str
    """What the stage's function gave there, as JSON; cut."""
    candidate: str
    event: str
    """The position of the event: topic/partition/offset."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sample:
        """Return the sample in a row or in an answer. Raises KeyError."""
        return cls(*(_text(data[name]) for name in ("path", "stable", "candidate", "event")))


@dataclass(slots=True)
class ShadowCounts:
    """What became of the calls that were chosen. For a function of a list a call is one list."""

    skipped: int = 0
    """Calls that were not made because too many were waiting."""
    lost: int = 0
    """Calls of which nobody can say what came of them: a process ended before they were counted."""
    candidate: Comparisons = field(default_factory=Comparisons)
    stable: Comparisons = field(default_factory=Comparisons)
    """The stage's own function, called a second time, against its first result."""
    errors: dict[str, int] = field(default_factory=dict)
    """By name, what the candidate raised."""
    candidate_times: TimeHistogram = field(default_factory=TimeHistogram)
    stable_times: TimeHistogram = field(default_factory=TimeHistogram)
    """The times of the second calls of the stage's own function, in the same process."""
    samples: list[Sample] = field(default_factory=list)
    """One for each of the first paths at which the candidate differs."""

    @property
    def known(self) -> int:
        """The chosen calls of which it is known what became of them."""
        return self.skipped + self.lost + self.candidate.calls

    def add_sample(self, sample: Sample) -> None:
        """Keep a sample, if there is room and none of its path."""
        known = {_INDEX.sub("[]", each.path) for each in self.samples}
        if len(known) < MAX_SAMPLES and _INDEX.sub("[]", sample.path) not in known:
            self.samples.append(sample)

    def merge(self, other: ShadowCounts) -> None:
        """Add the counts of another lane."""
        self.skipped += other.skipped
        self.lost += other.lost
        self.candidate.merge(other.candidate)
        self.stable.merge(other.stable)
        for name, number in other.errors.items():
            self.errors[name] = self.errors.get(name, 0) + number
        self.candidate_times.merge(other.candidate_times)
        self.stable_times.merge(other.stable_times)
        for sample in other.samples:
            self.add_sample(sample)

    def to_row(self) -> bytes:
        """Return the value of the row."""
        return orjson.dumps(
            {
                "skipped": self.skipped,
                "lost": self.lost,
                "candidate": self.candidate.to_json(),
                "stable": self.stable.to_json(),
                "errors": self.errors,
                "candidate_times": self.candidate_times.to_json(),
                "stable_times": self.stable_times.to_json(),
                "samples": self.samples,
            }
        )

    @classmethod
    def from_row(cls, value: bytes | None) -> ShadowCounts:
        """Return the counts in a row; none if there is no row, or one that no lane of ours has
        written."""
        if value is None:
            return cls()
        try:
            data = orjson.loads(value)
            return cls(
                _count(data["skipped"]),
                _count(data["lost"]),
                Comparisons.from_json(data["candidate"]),
                Comparisons.from_json(data["stable"]),
                _counts(data["errors"]),
                TimeHistogram.from_json(data["candidate_times"]),
                TimeHistogram.from_json(data["stable_times"]),
                [Sample.from_json(each) for each in data["samples"][:MAX_SAMPLES]],
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()


def _count(number: Any) -> int:
    if type(number) is not int or not 0 <= number <= _MAX_COUNT:
        raise ValueError(f"{number!r:.50} is no count")
    return number


def _counts(numbers: Mapping[str, Any]) -> dict[str, int]:
    if len(numbers) > MAX_NAMES + 1:
        raise ValueError("these are more names than a lane counts")
    return {_text(name): _count(number) for name, number in numbers.items()}


def _seconds(number: Any) -> float:
    if type(number) not in (int, float) or not 0 <= number <= _MAX_COUNT:
        raise ValueError(f"{number!r:.50} are no seconds")
    return float(number)


def _text(text: Any) -> str:
    if type(text) is not str or len(text) > _MAX_TEXT_LENGTH:
        raise ValueError("it is no text that a lane has written")
    return text


def count_name(counts: dict[str, int], name: str) -> None:
    """Count something under its name, or under OTHERS once there are too many names."""
    name = name[:_MAX_TEXT_LENGTH]
    if name not in counts and len(counts) >= MAX_NAMES:
        name = OTHERS
    counts[name] = counts.get(name, 0) + 1


def summed_counts(
    rows: Iterable[tuple[bytes, bytes]], is_wanted: Callable[[int], bool]
) -> tuple[int, ShadowCounts]:
    """Return, from rows of the states of all lanes, how many calls were chosen and what became of
    them, over the generations that are wanted."""
    chosen, counts = 0, ShadowCounts()
    for key, value in rows:
        named = parse_shadow_key(key)
        if named is None or not is_wanted(named[0]):
            continue
        if named[1] == "chosen":
            chosen += parse_chosen(value)
        else:
            counts.merge(ShadowCounts.from_row(value))
    return chosen, counts
