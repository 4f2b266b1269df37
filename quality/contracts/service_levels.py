"""How old may data be, by the service levels of a contract?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_PROPERTIES = ("latency", "ly", "freshness")
_UNITS = {
    "s": "s", "sec": "s", "second": "s", "seconds": "s",
    "min": "m", "minute": "m", "minutes": "m",
    "h": "h", "hr": "h", "hour": "h", "hours": "h",
    "d": "d", "day": "d", "days": "d",
}  # fmt: skip
"""Units of a contract, by what a duration of ours has."""


class Freshness(NamedTuple):
    """A service level about the age of data."""

    property: str
    element: str
    """`object.property` or `property`; empty for the data as a whole."""
    within: str | None
    """A duration as `topology.yaml` has it; None if what is written is none."""
    written: str


def freshness_of(level: object) -> Freshness | None:
    """Return what a service level says about the age of data; None if it is about anything else."""
    if not isinstance(level, Mapping) or str(level.get("property")).lower() not in _PROPERTIES:
        return None
    value, unit = level.get("value"), str(level.get("unit") or "")
    within = None
    if type(value) is int and value > 0 and unit.lower() in _UNITS:
        within = f"{value}{_UNITS[unit.lower()]}"
    element = level.get("element")
    return Freshness(
        str(level["property"]),
        element.strip() if isinstance(element, str) else "",
        within,
        f"{value} {unit}".rstrip(),
    )
