"""In which one form is a number written, whether it came as `1` or as `1.0`?

Equal numbers are one value of a column, so what is written must not depend on which of them came
first. An integer below 2^64 is written as one, any other number that a double equals as a double,
and what is left, integers beyond 64 bits, as a text in hexadecimal.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

from farandole.quality.profiles.value_hash import is_double

Number = int | float
NumberCounts = Mapping[int, int] | Mapping[float, int] | Mapping[Number, int]
LIMIT = int(sys.float_info.max) + 1
"""Integers from here on are larger than any double: they are counted as not finite."""

_MOST = sys.float_info.max
_HEX = re.compile(r"-?0x[0-9a-f]{1,300}")


def canonical(number: Number) -> Number:
    """Return a finite number in the form that stands for all that are equal to it."""
    if type(number) is float:
        return int(number) if number.is_integer() and abs(number) < 2**64 else number
    return number if abs(number) < 2**64 or not is_double(int(number)) else float(number)


def nearest_double(number: Number | Fraction) -> float:
    """Return the finite double that is nearest to a number."""
    try:
        return float(number)
    except OverflowError:  # it rounds beyond the largest double
        return _MOST if number > 0 else -_MOST


def number_to_wire(number: Number) -> Number | str:
    """Return a finite number as orjson can write it."""
    number = canonical(number)
    return number if type(number) is float else integer_to_wire(int(number))


def number_from_wire(wire: object) -> Number:
    """Return the number that `number_to_wire` wrote. Raise ValueError for anything else."""
    if type(wire) is float and math.isfinite(wire):
        return wire
    if abs(number := integer_from_wire(wire)) < LIMIT:
        return number
    raise ValueError("a number is larger than any double")


def numbers_from_wire(wire: list[Any]) -> list[Number]:
    """Return numbers that `number_to_wire` wrote. Raise ValueError for anything else."""
    if set(map(type, wire)) <= {int, float}:
        with suppress(OverflowError):
            if math.isfinite(sum(map(abs, wire))):
                return wire
    return [number_from_wire(each) for each in wire]


def integer_to_wire(integer: int) -> int | str:
    """Return an integer as orjson can write it: as a text where it has more than 64 bits."""
    return integer if -(2**63) <= integer < 2**64 else hex(integer)


def integer_from_wire(wire: object) -> int:
    """Return the integer that `integer_to_wire` wrote. Raise ValueError for anything else."""
    if type(wire) is str and _HEX.fullmatch(wire):
        return int(wire, 16)
    if type(wire) is int:
        return wire
    raise ValueError("a number is expected")
