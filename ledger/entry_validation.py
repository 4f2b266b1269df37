"""Is a record a valid ledger entry, as the lanes of workers write it?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import Any

from farandole.events import ledger_entry
from farandole.events.canary_counts import is_valid_canary
from farandole.events.control_generations import are_generations
from farandole.events.flag_counts import are_flag_counts
from farandole.events.ledger_entry import HASH_MASK, LedgerEntry
from farandole.events.outcome import RECORDED
from farandole.events.record_time import MAX_TIME_MS

_MAX_COUNT = 2**40  # events or lines in one part, so that sums of them stay below 64 bits
_MAX_NAME_LENGTH = 249  # characters
_MAX_RUN_LENGTH = 64

_OUTCOME_COUNTS = tuple(outcome.value for outcome in RECORDED)  # may be negative after a replay


def parse_entry(
    value: bytes | None, on_bad_part: Callable[[], object] = lambda: None
) -> LedgerEntry | None:
    """Return the entry in a record; None if the record is not a valid entry.

    The result is complete and has the right types, so that no later code needs to check it. Only
    times of events may be any number: `past_time_ms` reads them. A part of a run that is not valid
    is left out, and `on_bad_part` is called for it: it costs no other run its part."""
    found = ledger_entry.parse_ledger_entry(value)
    if found is None or not _is_valid(_has_valid_fields, found):
        return None
    parts = [part for part in found["runs"] if _is_valid(_is_valid_part, part)]
    for _ in range(len(found["runs"]) - len(parts)):
        on_bad_part()
    entry: LedgerEntry = {**found, "runs": parts}
    if "controls" in entry and not are_generations(entry["controls"]):
        del entry["controls"]
        on_bad_part()
    if "profiles" in entry:
        deltas = [each for each in entry["profiles"] if _is_valid(_is_valid_delta, each)]
        for _ in range(len(entry["profiles"]) - len(deltas)):
            on_bad_part()
        entry["profiles"] = deltas
    if "canary" in entry and not is_valid_canary(entry["canary"]):
        del entry["canary"]
        on_bad_part()
    return entry


def _is_valid(check: Callable[[Any], bool], found: Any) -> bool:
    """Return True if all required fields are there, with values in their ranges."""
    try:
        return check(found)
    except (KeyError, TypeError, AttributeError):
        return False


def _has_valid_fields(entry: Any) -> bool:
    return (
        _is_name(entry["pipeline"])
        and _is_name(entry["stage"])
        and _is_int_within(entry["lane"], 0, _MAX_COUNT)
        and _is_int_within(entry["at"], 0, MAX_TIME_MS)
        and _is_seconds(entry["seconds"])
        and type(entry.get("proven", True)) is bool
        and type(entry.get("profiles", [])) is list
    )


def _is_valid_part(part: Any) -> bool:
    run = part["run"]
    return (
        type(run) is str
        and 0 < len(run) <= _MAX_RUN_LENGTH
        and _is_int_within(part["version"], 0, _MAX_COUNT)
        and all(_is_name(t) and _is_valid_consumed(c) for t, c in part["in"].items())
        and all(_is_name(t) and _is_valid_emitted(e) for t, e in part["out"].items())
        and ("root" not in part or _is_valid_root(part["root"]))
        and ("flags" not in part or are_flag_counts(part["flags"]))
    )


def _is_valid_delta(delta: Any) -> bool:
    """Check all but the statistics in it: whoever folds them checks those."""
    run, window = delta.get("run"), delta.get("window")
    return (
        _is_int_within(delta["version"], 0, _MAX_COUNT)
        and _is_name(delta["event"])
        and (delta["stage"] == "" or _is_name(delta["stage"]))
        and (run is None) != (window is None)
        and (run is None or (type(run) is str and 0 < len(run) <= _MAX_RUN_LENGTH))
        and (
            window is None
            or (
                _is_int_within(window, 0, MAX_TIME_MS)
                and _is_int_within(delta["until"], window, MAX_TIME_MS)
            )
        )
        and _is_int_within(delta.get("mended", 0), 0, _MAX_COUNT)
        and all(type(delta.get(name, {})) is dict for name in ("profile", "died", "keys", "checks"))
    )


def _is_valid_consumed(consumed: Any) -> bool:
    return (
        _is_int_within(consumed["n"], 0, _MAX_COUNT)
        and _is_int_within(consumed["hash"], 0, HASH_MASK)
        and type(consumed["oldest"]) is int
        and _is_int_within(consumed.get("lines", 0), 0, _MAX_COUNT)
        and all(
            _is_int_within(consumed.get(name, 0), -_MAX_COUNT, _MAX_COUNT)
            for name in _OUTCOME_COUNTS
        )
    )


def _is_valid_emitted(emitted: Any) -> bool:
    return (
        _is_int_within(emitted["n"], 0, _MAX_COUNT)
        and _is_int_within(emitted["hash"], 0, HASH_MASK)
        and _is_int_within(emitted.get("lines", 0), 0, _MAX_COUNT)
        and _are_stage_names(emitted["to"])
    )


def _is_valid_root(root: Any) -> bool:
    return (
        _is_name(root["type"])
        and _is_name(root["topic"])
        and _is_int_within(root["partition"], 0, _MAX_COUNT)
        and _is_int_within(root["offset"], 0, HASH_MASK)
        and type(root["at"]) is int
        and _are_stage_names(root["to"])
        and _is_seconds(root.get("within", 0))
        and _is_seconds(root.get("fail_above", 0))
        and type(root.get("again", "")) is str
        and len(root.get("again", "")) <= _MAX_RUN_LENGTH
        and _is_short_text(root.get("schedule", ""))
        and _is_short_text(root.get("planned", ""))
    )


def _is_short_text(text: Any) -> bool:
    return type(text) is str and len(text) <= _MAX_NAME_LENGTH


def _are_stage_names(names: Any) -> bool:
    return type(names) is list and len(set(names)) == len(names) and all(map(_is_name, names))


def _is_int_within(number: Any, least: int, most: int) -> bool:
    return type(number) is int and least <= number <= most  # `isinstance` would accept a bool


def _is_seconds(number: Any) -> bool:
    return type(number) in (int, float) and isfinite(number) and 0 <= number <= MAX_TIME_MS


@lru_cache(maxsize=4096)
def _is_name(name: Any) -> bool:
    """Return True for a non-empty name without `>` and `@`: they have a meaning in the name of an
    edge."""
    return type(name) is str and 0 < len(name) <= _MAX_NAME_LENGTH and not {">", "@"} & set(name)
