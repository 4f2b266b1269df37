"""Is this record an entry that a lane of ours may have written?"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Any

from farandole.events import ledger
from farandole.events.ledger import MASK, Entry

_LARGEST = 2**40  # events or lines in one part: sums of them stay below 64 bits
_LATEST = 2**48  # milliseconds of the epoch
_LONGEST_NAME = 249  # characters
_LONGEST_RUN = 64

_COUNTED = ("dropped", "filtered", "dead", "cancelled", "parked")  # any sign: a replay takes back


def entry(value: bytes | None) -> Entry | None:
    """The entry in a record, whole and of the right types; None where it is not: nothing behind
    this needs to look again."""
    found = ledger.read(value)
    return found if found is not None and _sound(found) else None


def _sound(entry: Any) -> bool:
    try:
        return (
            _named(entry["pipeline"])
            and _named(entry["stage"])
            and _whole(entry["lane"], 0, _LARGEST)
            and _whole(entry["at"], 0, _LATEST)
            and _seconds(entry["seconds"])
            and all(map(_sound_part, entry["runs"]))
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _sound_part(part: Any) -> bool:
    run = part["run"]
    return (
        type(run) is str
        and 0 < len(run) <= _LONGEST_RUN
        and _whole(part["version"], 0, _LARGEST)
        and all(_named(t) and _consumed(c) for t, c in part["in"].items())
        and all(_named(t) and _emitted(e) for t, e in part["out"].items())
        and ("root" not in part or _root(part["root"]))
    )


def _consumed(consumed: Any) -> bool:
    return (
        _whole(consumed["n"], 0, _LARGEST)
        and _whole(consumed["hash"], 0, MASK)
        and _whole(consumed["oldest"], 0, _LATEST)
        and _whole(consumed.get("lines", 0), 0, _LARGEST)
        and all(_whole(consumed.get(name, 0), -_LARGEST, _LARGEST) for name in _COUNTED)
    )


def _emitted(emitted: Any) -> bool:
    return (
        _whole(emitted["n"], 0, _LARGEST)
        and _whole(emitted["hash"], 0, MASK)
        and _whole(emitted.get("lines", 0), 0, _LARGEST)
        and _stages(emitted["to"])
    )


def _root(root: Any) -> bool:
    return (
        _named(root["type"])
        and _named(root["topic"])
        and _whole(root["partition"], 0, _LARGEST)
        and _whole(root["offset"], 0, MASK)
        and _whole(root["at"], 0, _LATEST)
        and _stages(root["to"])
        and _seconds(root.get("within", 0))
        and _seconds(root.get("fail_above", 0))
        and type(root.get("again", "")) is str
        and len(root.get("again", "")) <= _LONGEST_RUN
    )


def _stages(names: Any) -> bool:
    return type(names) is list and len(set(names)) == len(names) and all(map(_named, names))


def _whole(number: Any, least: int, most: int) -> bool:
    return type(number) is int and least <= number <= most  # no bool


def _seconds(number: Any) -> bool:
    return type(number) in (int, float) and isfinite(number) and 0 <= number <= _LATEST


@lru_cache(maxsize=4096)
def _named(name: Any) -> bool:
    """`>` and `@` have a meaning in the name of an edge."""
    return type(name) is str and 0 < len(name) <= _LONGEST_NAME and not {">", "@"} & set(name)
