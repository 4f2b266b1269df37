"""Do time zones, and their changes of offset, come from the package tzdata?"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from importlib import metadata, resources
from itertools import pairwise

import pytest

from farandole.scheduler.local_time import changes_in_year
from farandole.scheduler.time_zones import (
    TimeZoneError,
    load_zone,
    tzdata_version,
    zone_names,
)

_HALF_A_DAY = 12 * 3600
_ODD_ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "America/Caracas", "America/St_Johns",
    "Antarctica/Casey", "Antarctica/Troll", "Asia/Gaza", "Asia/Kathmandu", "Asia/Pyongyang",
    "Australia/Lord_Howe", "Europe/Dublin", "Europe/Volgograd", "Pacific/Apia", "Pacific/Kwajalein",
)  # fmt: skip


def _changes_in_file(zone: str) -> list[tuple[int, int]]:
    """Return the changes in the zone's file: seconds of the epoch, and the offset from then on."""
    data = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    header = struct.Struct(">4s c 15x 6L")
    _, _, *counts = header.unpack_from(data)
    is_ut, is_std, leap, time, kind, chars = counts
    second = header.size + time * 5 + kind * 6 + chars + leap * 8 + is_std + is_ut
    _, _, *counts = header.unpack_from(data, second)
    is_ut, is_std, leap, time, kind, chars = counts
    begins = second + header.size
    times = struct.unpack_from(f">{time}q", data, begins)
    kinds = struct.unpack_from(f"{time}B", data, begins + time * 8)
    offsets = [
        struct.unpack_from(">l", data, begins + time * 9 + number * 6)[0] for number in range(kind)
    ]
    return [(at, offsets[number]) for at, number in zip(times, kinds, strict=True)]


def _changes_of_offset(zone: str) -> list[int]:
    changes = _changes_in_file(zone)
    return [at for (_, old), (at, new) in pairwise(changes) if old != new]


def test_the_version_is_that_of_the_package() -> None:
    year, number = metadata.version("tzdata").split(".")[:2]
    assert tzdata_version() == year + "abcdefghijklmnopqrstuvwxyz"[int(number) - 1]


def test_each_zone_of_the_package_can_be_loaded() -> None:
    assert len(zone_names()) > 500
    assert {str(load_zone(name)) for name in zone_names()} == zone_names()


def test_a_zone_is_loaded_once() -> None:
    assert load_zone("Europe/Paris") is load_zone("Europe/Paris")


@pytest.mark.parametrize("name", ["Europe/Pariss", "europe/paris", "", "../zones", "/etc/passwd"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(TimeZoneError, match="there is no time zone"):
        load_zone(name)


def test_a_misspelled_zone_gets_a_suggestion() -> None:
    with pytest.raises(TimeZoneError, match="did you mean 'Europe/Paris'"):
        load_zone("Europe/Pariss")


def test_no_zone_changes_its_offset_twice_within_half_a_day() -> None:
    for zone in zone_names():
        for earlier, later in pairwise(_changes_of_offset(zone)):
            assert earlier < 0 or later - earlier > _HALF_A_DAY, (zone, earlier, later)


@pytest.mark.parametrize("zone", _ODD_ZONES)
def test_changes_are_those_in_the_file_of_the_zone(zone: str) -> None:
    found = [
        change for year in range(1970, 2030) for change in changes_in_year(load_zone(zone), year)
    ]
    first, end = datetime(1970, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    in_file = [first + timedelta(seconds=seconds) for seconds in _changes_of_offset(zone)]
    last = first + timedelta(seconds=_changes_in_file(zone)[-1][0])  # others follow from a rule
    assert [change for change in found if change <= last] == [
        change for change in in_file if first <= change < end
    ]


def test_a_rule_without_an_end_goes_on() -> None:
    paris = load_zone("Europe/Paris")
    assert [f"{change:%m-%d %H:%M}" for change in changes_in_year(paris, 8999)] == [
        "03-31 01:00",  # a Sunday, as is the next
        "10-27 01:00",
    ]
