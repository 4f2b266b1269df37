"""How many rows have broken each rule, and which are examples of them?

Every number here is a sum, a set of at most so many values, or the least of some: so the tallies of
parts, merged in any order and grouping, are those of the whole, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import orjson

from farandole.events.check_spec import MAX_CHECK_NAME_LENGTH, MAX_CHECKS
from farandole.quality.checks.value_text import MAX_VALUE_TEXT
from farandole.quality.profiles.sample_ids import MAX_SAMPLES, first_ids

MAX_VALUES = 1_000
"""Values of which the count is kept."""
MAX_SAMPLE_TEXT = 500  # characters
MAX_ID_TEXT = 500  # characters
_MAX_COUNT = 2**53


class LeftOut(IntEnum):
    """Why the counts of single values are not kept. Of two reasons the greater one stays."""

    NOTHING = 0
    MANY = 1
    """There are more than MAX_VALUES."""
    TRIMMED = 2
    """They took too much room in what a transaction writes."""
    PERSONAL = 3


class RuleTally:
    """What is known of one rule."""

    __slots__ = ("failed", "judged", "left_out", "samples", "samples_trimmed", "values")

    def __init__(self) -> None:
        self.judged = 0
        """Rows."""
        self.failed = 0
        """Rows that have broken it."""
        self.left_out = LeftOut.NOTHING
        self.values: dict[str, int] = {}
        """How often each value has broken it, by `value_text`."""
        self.samples: dict[str, str] = {}
        """By id, the masked JSON text of rows that have broken it: those whose ids have the least
        hashes, so that the choice does not depend on order."""
        self.samples_trimmed = False
        """There may be samples of less hashes, which took too much room."""

    def add_values(self, counts: Mapping[str, int]) -> None:
        """Count values that have broken the rule."""
        if self.left_out is LeftOut.NOTHING:
            for value, count in counts.items():
                self.values[value] = self.values.get(value, 0) + count
            if len(self.values) > MAX_VALUES:
                self.leave_values_out(LeftOut.MANY)

    def leave_values_out(self, why: LeftOut) -> None:
        """Keep no counts of single values any more."""
        self.left_out = max(self.left_out, why)
        if self.left_out is not LeftOut.NOTHING:
            self.values = {}

    def add_samples(self, samples: Mapping[str, str]) -> None:
        """Keep those of the samples that have the least hashes. Of two texts under one id the
        lesser stays."""
        for id_, text in samples.items():
            known = self.samples.get(id_)
            self.samples[id_] = text if known is None else min(known, text)
        if len(self.samples) > MAX_SAMPLES:
            kept = first_ids(self.samples)
            self.samples = {id_: self.samples[id_] for id_ in kept}

    def merge(self, other: RuleTally) -> None:
        """Add what is known of other rows."""
        self.judged += other.judged
        self.failed += other.failed
        self.leave_values_out(other.left_out)
        self.add_values(other.values)
        self.add_samples(other.samples)
        self.samples_trimmed |= other.samples_trimmed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleTally) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """Return the tally as JSON data; what is empty is not written."""
        written = {
            "judged": self.judged,
            "failed": self.failed,
            "left_out": int(self.left_out),
            "values": dict(sorted(self.values.items())),
            "samples": {id_: self.samples[id_] for id_ in first_ids(self.samples)},
            "samples_trimmed": self.samples_trimmed,
        }
        return {name: value for name, value in written.items() if value or name == "judged"}

    @classmethod
    def from_json(cls, written: object) -> RuleTally:
        """Return the tally that `to_json` wrote. Raise ValueError for anything else."""
        if type(written) is not dict:
            raise ValueError("the tally of a rule is an object")
        tally = cls()
        tally.judged = read_count(written.get("judged"))
        tally.failed = read_count(written.get("failed", 0))
        tally.left_out = LeftOut(read_count(written.get("left_out", 0)))
        tally.values = _texts(written.get("values", {}), MAX_VALUES, MAX_VALUE_TEXT)
        tally.samples = _texts(written.get("samples", {}), MAX_SAMPLES, MAX_ID_TEXT)
        tally.samples_trimmed = bool(written.get("samples_trimmed", False))
        if tally.left_out is not LeftOut.NOTHING and tally.values:
            raise ValueError("values are left out, and there are some")
        if sum(map(read_count, tally.values.values())) > tally.failed:
            raise ValueError("more values than rows have broken the rule")
        if tally.failed > tally.judged or (not tally.failed and (tally.values or tally.samples)):
            raise ValueError("more rows have broken the rule than were judged")
        if any(type(t) is not str or len(t) > MAX_SAMPLE_TEXT for t in tally.samples.values()):
            raise ValueError(f"a sample is a text of at most {MAX_SAMPLE_TEXT} characters")
        return tally


class RuleTallies:
    """What is known of the rules of an event type, from some of its rows."""

    __slots__ = ("passed", "rows", "rules")

    def __init__(self) -> None:
        self.rows = 0
        """Rows that were judged."""
        self.passed = 0
        """Rows that have broken none of the rules that each row must keep."""
        self.rules: dict[str, RuleTally] = {}
        """By the name of the check."""

    def merge(self, other: RuleTallies) -> None:
        """Add what is known of other rows. Raise ValueError if that makes more than MAX_CHECKS
        rules."""
        if len(self.rules.keys() | other.rules.keys()) > MAX_CHECKS:
            raise ValueError(f"there are more than {MAX_CHECKS} rules")
        self.rows += other.rows
        self.passed += other.passed
        for name, tally in other.rules.items():
            self.rules.setdefault(name, RuleTally()).merge(tally)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleTallies) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """Return the tallies as JSON data."""
        rules = {name: self.rules[name].to_json() for name in sorted(self.rules)}
        return {"rows": self.rows, "passed": self.passed, "rules": rules}

    def to_delta(self, max_bytes: int) -> bytes:
        """Return the JSON text of the tallies. While it has more than `max_bytes`, the counts of
        single values are left out, those of the rule with the largest first, then the samples; the
        numbers of rows stay, in any case, at about 200 bytes a rule."""
        trimmed = RuleTallies()
        trimmed.merge(self)
        text = orjson.dumps(trimmed.to_json())
        for trim, size in ((_trim_values, _size_of_values), (_trim_samples, _size_of_samples)):
            by_size = sorted(trimmed.rules.items(), key=lambda rule: (-size(rule[1]), rule[0]))
            for _, tally in by_size:
                if len(text) <= max_bytes:
                    return text
                if size(tally) > _EMPTY:
                    trim(tally)
                    text = orjson.dumps(trimmed.to_json())
        return text

    @classmethod
    def from_json(cls, written: object) -> RuleTallies:
        """Return the tallies that `to_json` wrote. Raise ValueError for anything else."""
        if type(written) is not dict or type(written.get("rules", {})) is not dict:
            raise ValueError("tallies are an object with rules")
        tallies = cls()
        tallies.rows = read_count(written.get("rows"))
        tallies.passed = read_count(written.get("passed"))
        if tallies.passed > tallies.rows:
            raise ValueError("more rows have passed than were judged")
        rules = written.get("rules", {})
        if len(rules) > MAX_CHECKS:
            raise ValueError(f"there are more than {MAX_CHECKS} rules")
        for name, tally in rules.items():
            if len(name) > MAX_CHECK_NAME_LENGTH:
                raise ValueError(f"a name has more than {MAX_CHECK_NAME_LENGTH} characters")
            tallies.rules[name] = RuleTally.from_json(tally)
        return tallies


def read_count(written: object) -> int:
    """Return a number of rows. Raise ValueError if it is none."""
    if type(written) is not int or not 0 <= written <= _MAX_COUNT:
        raise ValueError(f"{written!r} is no number of rows")
    return written


_EMPTY = len(b"{}")


def _texts(written: object, most: int, longest: int) -> dict[str, Any]:
    if type(written) is not dict or len(written) > most:
        raise ValueError(f"at most {most} values by text are expected")
    if any(len(text) > longest for text in written):
        raise ValueError(f"a text has more than {longest} characters")
    return dict(written)


def _size_of_values(tally: RuleTally) -> int:
    return len(orjson.dumps(tally.values))


def _size_of_samples(tally: RuleTally) -> int:
    return len(orjson.dumps(tally.samples))


def _trim_values(tally: RuleTally) -> None:
    tally.leave_values_out(LeftOut.TRIMMED)


def _trim_samples(tally: RuleTally) -> None:
    tally.samples, tally.samples_trimmed = {}, True
