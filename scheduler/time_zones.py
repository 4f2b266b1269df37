"""Which time zones are there, and by which release of the time zone database?

The system's database is never read: what it says would not be what `tzdata_version` names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata

from farandole.stages.nearest_name import did_you_mean

_ABBREVIATION = re.compile(r"[A-Za-z]{2,5}")


class TimeZoneError(ValueError):
    """No time zone has this name. The message says what to write instead."""


def tzdata_version() -> str:
    """Return the release of the time zone database, `2026f`. A later one is greater as a text."""
    version: str = tzdata.IANA_VERSION
    return version


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())


def zone_remedy(name: str) -> str:
    """Return what to write instead of a name that no zone has. An abbreviation is never taken for
    another one that looks like it: `CEST` is hours away from `EST`."""
    places = [each for each in zone_names() if "/" in each]
    known = [] if _ABBREVIATION.fullmatch(name) else places
    return did_you_mean(name, known, "write the place, such as Europe/Paris, or UTC")


@lru_cache(maxsize=1_000)
def load_zone(name: str) -> ZoneInfo:
    """Return the time zone, always the same object. Raises TimeZoneError."""
    if name not in zone_names():
        raise TimeZoneError(f"there is no time zone {name!r}: {zone_remedy(name)}")
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
