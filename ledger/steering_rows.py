"""How does a lane that compares runs remember between which of them it took what people said?

What was told depends on the order of runs and of what people said in between: so each change stands
in the lane's state, with the run that it came after, or from which on it counts. A lane that opens
anew does the same in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import orjson

from farandole.events.anomaly_document import IgnoredNumbers
from farandole.events.record import OutgoingRecord

EXPECTED_PREFIX = b"expected/"
"""Before `PIPELINE/ANOMALY`: the key of an anomaly that was taken as normal."""
IGNORED_PREFIX = b"ignored/"
"""Before the key of a row of the history: the key of what is ignored from that run on."""


SILENCE_FIELDS = ("at", "value", "expected", "low", "high", "score", "limit", "excess")
"""What is remembered of a finding that a feed did not come."""


class TakenAsNormal(NamedTuple):
    """An anomaly that the lane has learnt as normal."""

    pipeline: str
    anomaly: str
    after: str
    """The key of the row of the history after which it was taken."""
    number: int
    """How many were taken before it; they are taken again in this order."""
    at: int
    """When, in milliseconds of the epoch."""
    by: str = ""
    comment: str = ""
    silence: Mapping[str, float] | None = None
    """Of a feed that did not come: what was found, which no row of the history has."""
    feed: str = ""

    @property
    def key(self) -> bytes:
        return EXPECTED_PREFIX + f"{self.pipeline}/{self.anomaly}".encode()

    @property
    def row(self) -> OutgoingRecord:
        return OutgoingRecord(self.key, orjson.dumps(self._asdict()))


class IgnoredFrom(NamedTuple):
    """What is ignored from a run on."""

    row_key: str
    """Of the row of the history."""
    at: int
    """When that run ended, in milliseconds of the epoch."""
    numbers: tuple[IgnoredNumbers, ...]

    @property
    def row(self) -> OutgoingRecord:
        value = orjson.dumps({"at": self.at, "ignored": [[*each] for each in self.numbers]})
        return OutgoingRecord(IGNORED_PREFIX + self.row_key.encode(), value)


@dataclass
class Steering:
    """What stands in the state about one pipeline."""

    expected: list[TakenAsNormal] = field(default_factory=list)
    """In the order in which they were taken."""
    ignored: list[IgnoredFrom] = field(default_factory=list)

    def ignored_before(self, known: Iterable[str]) -> tuple[IgnoredNumbers, ...]:
        """Return what was ignored before all of the known rows of the history: what was said last
        at one that is gone by now."""
        kept = {*known}
        gone = [each for each in self.ignored if each.row_key not in kept]
        newest = max(gone, key=lambda each: each.at, default=None)
        return () if newest is None else newest.numbers


def read_steering(state: Mapping[bytes, bytes]) -> dict[str, Steering]:
    """Return by pipeline what stands in a lane's state; rows that no lane of ours wrote are left
    out."""
    found: dict[str, Steering] = {}
    for key, value in state.items():
        try:
            if key.startswith(EXPECTED_PREFIX):
                taken = _read_taken(orjson.loads(value))
                if taken.key == key:
                    found.setdefault(taken.pipeline, Steering()).expected.append(taken)
            elif key.startswith(IGNORED_PREFIX):
                name = key.removeprefix(IGNORED_PREFIX).decode()
                row = orjson.loads(value)
                ignored = IgnoredFrom(name, int(row["at"]), _read_numbers(row["ignored"]))
                pipeline = name.partition("/")[0]
                found.setdefault(pipeline, Steering()).ignored.append(ignored)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    for each in found.values():
        each.expected.sort(key=lambda taken: taken.number)
    return found


def _read_taken(row: Mapping[str, Any]) -> TakenAsNormal:
    taken = TakenAsNormal(**{name: row[name] for name in TakenAsNormal._fields if name in row})
    texts = (taken.pipeline, taken.anomaly, taken.after, taken.by, taken.comment, taken.feed)
    if not all(type(each) is str for each in texts):
        raise ValueError("a name is a text")
    if type(taken.number) is not int or type(taken.at) is not int:
        raise ValueError("a number is whole")
    silence = dict.fromkeys(SILENCE_FIELDS, 0.0) if taken.silence is None else taken.silence
    if {*silence} != {*SILENCE_FIELDS} or not all(map(isfinite, silence.values())):
        raise ValueError("what was found is finite")
    return taken


def _read_numbers(written: Any) -> tuple[IgnoredNumbers, ...]:
    numbers = tuple(IgnoredNumbers(*each) for each in written)
    if not all(type(name) is str for each in numbers for name in each):
        raise ValueError("a name is a text")
    return numbers
