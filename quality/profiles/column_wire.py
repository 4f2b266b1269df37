"""How is a column's profile written as JSON, and read from what may be anything?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from farandole.quality.profiles.column_profile import KINDS, TRIMMABLE, ColumnProfile, Extent
from farandole.quality.profiles.distribution import Distribution
from farandole.quality.profiles.exact_sum import units_from_wire, units_to_wire
from farandole.quality.profiles.number_form import (
    integer_from_wire,
    integer_to_wire,
    number_from_wire,
    number_to_wire,
)
from farandole.quality.profiles.quantile_sketch import MAX_COUNT
from farandole.quality.profiles.text_formats import FORMATS

_COUNTS = ("nulls", "missing", "not_finite")
_NAMED_COUNTS: dict[str, dict[str, None]] = {
    "kinds": dict.fromkeys(KINDS),
    "items": dict.fromkeys((*KINDS, "null")),
    "formats": dict.fromkeys(FORMATS),
}
_EXTENTS = ("lengths", "list_lengths")
_RANGE = ("minimum", "maximum")
_DIGITS = re.compile(r"-?[0-9]{1,500}")
_MAX_DATE = 2**60
_NAMES = {
    *_COUNTS, *_NAMED_COUNTS, *_EXTENTS, *_RANGE, "integer_sum", "double_sum", "text_sum",
    "dates", "personal", "trimmed", "values", "sketches",
}  # fmt: skip


def column_to_json(column: ColumnProfile) -> dict[str, Any]:
    """Return the profile as orjson can write it, without what is 0, empty or None. The bytes are
    the same for equal profiles, but for the compressed texts in it (`packed`)."""
    wire: dict[str, Any] = {name: count for name in _COUNTS if (count := getattr(column, name))}
    for name, known in _NAMED_COUNTS.items():
        if counts := getattr(column, name):
            wire[name] = {each: counts[each] for each in known if each in counts}
    for name in _EXTENTS:
        if (extent := getattr(column, name)) is not None:
            wire[name] = [extent.least, extent.largest, extent.total]
    if column.minimum is not None and column.maximum is not None:
        wire["minimum"] = number_to_wire(column.minimum)
        wire["maximum"] = number_to_wire(column.maximum)
    if column.integer_sum:
        wire["integer_sum"] = integer_to_wire(column.integer_sum)
    if column.double_sum:
        wire["double_sum"] = units_to_wire(column.double_sum)
    if column.text_sum:
        wire["text_sum"] = _decimal_to_wire(column.text_sum)
    if column.earliest is not None and column.latest is not None:
        wire["dates"] = [column.earliest, column.latest]
    if column.personal:
        wire["personal"] = True
    if column.trimmed:
        wire["trimmed"] = sorted(column.trimmed)
    return wire | column.distribution.to_wire()


def column_from_json(wire: object) -> ColumnProfile:
    """Return the profile that `column_to_json` wrote. Raise ValueError for anything else."""
    if not isinstance(wire, dict) or not wire.keys() <= _NAMES:
        raise ValueError("the profile of a column is an object of known fields")
    personal = wire.get("personal", False)
    if not isinstance(personal, bool):
        raise ValueError("a column is personal or not")
    column = ColumnProfile(Distribution.from_wire(wire, personal=personal))
    for name, value in wire.items():
        if name in _COUNTS:
            setattr(column, name, count_from_json(value))
        elif name in _NAMED_COUNTS:
            setattr(column, name, _named_counts(value, _NAMED_COUNTS[name]))
        elif name in _EXTENTS:
            setattr(column, name, _extent(value))
    if "minimum" in wire or "maximum" in wire:
        column.minimum = number_from_wire(wire.get("minimum"))
        column.maximum = number_from_wire(wire.get("maximum"))
    if "integer_sum" in wire:
        column.integer_sum = integer_from_wire(wire["integer_sum"])
    if "double_sum" in wire:
        column.double_sum = units_from_wire(wire["double_sum"])
    if "text_sum" in wire:
        column.text_sum = _decimal_from_wire(wire["text_sum"])
    if "dates" in wire:
        column.earliest, column.latest = _dates(wire["dates"])
    column.trimmed = _trimmed(wire.get("trimmed", []))
    _check(column)
    return column


def count_from_json(wire: object) -> int:
    """Return a count. Raise ValueError for anything but an integer from 0 to 2^53."""
    if type(wire) is int and 0 <= wire <= MAX_COUNT:
        return wire
    raise ValueError("a count is an integer that is not negative")


def _named_counts(wire: object, known: Mapping[str, None]) -> dict[str, int]:
    if not isinstance(wire, dict) or not wire.keys() <= known.keys():
        raise ValueError(f"counts are of {', '.join(known)}")
    return {name: count_from_json(count) for name, count in wire.items()}


def _extent(wire: object) -> Extent:
    match wire:
        case [least, largest, total]:
            extent = Extent(*map(count_from_json, (least, largest, total)))
            if extent.least <= extent.largest:
                return extent
    raise ValueError("lengths are the least, the largest and their sum")


def _decimal_to_wire(total: int) -> list[str | int]:
    """Return [digits, exponent of ten], without the zeros at the end of the digits."""
    text = str(total)
    digits = text.rstrip("0")
    return [digits, len(text) - len(digits)]


def _decimal_from_wire(wire: object) -> int:
    match wire:
        case [str(digits), int(zeros)] if _DIGITS.fullmatch(digits) and 0 <= zeros <= 500:
            return int(digits + "0" * zeros)
    raise ValueError("a sum of texts is digits and an exponent of ten")


def _dates(wire: object) -> tuple[int, int]:
    match wire:
        case [int(earliest), int(latest)] if -_MAX_DATE <= earliest <= latest <= _MAX_DATE:
            return earliest, latest
    raise ValueError("dates are the first and the last, in microseconds")


def _trimmed(wire: object) -> frozenset[Any]:
    if isinstance(wire, list) and all(each in TRIMMABLE for each in wire):
        return frozenset(wire)
    raise ValueError(f"what is left out of a column is one of {', '.join(TRIMMABLE)}")


def _check(column: ColumnProfile) -> None:
    """Raise ValueError for figures that contradict each other, so that no reader meets them."""
    has_range = column.minimum is not None and column.maximum is not None
    if column.finite_numbers < 0 or has_range != (
        column.finite_numbers > 0 and not column.personal
    ):
        raise ValueError("a column has a minimum and a maximum just if it has finite numbers")
    if has_range and column.minimum > column.maximum:  # type: ignore[operator]
        raise ValueError("the minimum of a column is above its maximum")
    if column.personal and (column.integer_sum or column.double_sum or column.text_sum):
        raise ValueError("a personal column has no sum")
    if (column.earliest is not None) != ("date" in column.formats and not column.personal):
        raise ValueError("a column has a first and a last date just if it has dates")
    for extent, kind in ((column.lengths, "text"), (column.list_lengths, "list")):
        if (extent is not None) != (column.kinds.get(kind, 0) > 0):
            raise ValueError("a column has lengths just if it has texts or lists")
    if column.trimmed and not column.overflowed:
        raise ValueError("a column of which values were left out keeps none")
