"""What is the sum of floating-point numbers, without any rounding?

Every finite double is an integer multiple of 2^-1074, the least positive one. A sum is kept as
that integer: addition of integers is associative, so it does not matter who adds what first.
"""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

SMALLEST_EXPONENT = -1074
_ONE = 1 << -SMALLEST_EXPONENT
_LOW_BITS = 27
_CHUNK = 8_192
"""Doubles that are added at once: what is computed of them stays in the processor's cache."""
_HEX = re.compile(r"-?[0-9a-f]{1,600}")


def sum_of_doubles(doubles: NDArray[np.float64], counts: NDArray[np.int64] | None = None) -> int:
    """Return the exact sum of finite doubles as a multiple of 2^-1074; each of them counts as often
    as `counts` says, at most 2^26 times all together, or once if that is None."""
    parts = (slice(first, first + _CHUNK) for first in range(0, len(doubles), _CHUNK))
    return sum(_sum(doubles[part], None if counts is None else counts[part]) for part in parts)


def _sum(doubles: NDArray[np.float64], counts: NDArray[np.int64] | None) -> int:
    """A double is m · 2^e with |m| < 2^53. The halves of m are added up for each e: such a sum
    stays below 2^53, so it is exact in the doubles that `bincount` adds with."""
    fractions, exponents = np.frexp(doubles)
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    lowest = int(exponents.min())
    slots = exponents - lowest
    high = (mantissas >> _LOW_BITS).astype(np.float64)
    low = (mantissas & ((1 << _LOW_BITS) - 1)).astype(np.float64)
    if counts is not None:
        high *= counts
        low *= counts
    highs = np.bincount(slots, weights=high).tolist()
    lows = np.bincount(slots, weights=low).tolist()
    total = 0
    for slot, (upper, lower) in enumerate(zip(highs, lows, strict=True)):
        if upper or lower:
            shift = lowest + slot - 53 - SMALLEST_EXPONENT
            part = (int(upper) << _LOW_BITS) + int(lower)
            # The mantissa of a subnormal ends in zeros: nothing is lost to the right.
            total += part << shift if shift >= 0 else part >> -shift
    return total


def units_of(value: float) -> int:
    """Return a finite double as a multiple of 2^-1074."""
    numerator, denominator = value.as_integer_ratio()
    return numerator * (_ONE // denominator)


def fraction_of(units: int) -> Fraction:
    """Return so many multiples of 2^-1074 as a fraction."""
    return Fraction(units, _ONE)


def units_to_wire(units: int) -> list[str | int]:
    """Return [mantissa in hexadecimal, exponent of two], without the zeros at the mantissa's end;
    the exponent counts from 2^-1074."""
    zeros = (units & -units).bit_length() - 1 if units else 0
    return [format(units >> zeros, "x"), zeros]


def units_from_wire(wire: object) -> int:
    """Return the sum that `units_to_wire` wrote. Raise ValueError for anything else."""
    match wire:
        case [str(mantissa), int(zeros)] if _HEX.fullmatch(mantissa) and 0 <= zeros <= 2200:
            return int(mantissa, 16) << zeros
    raise ValueError("a sum of doubles is a mantissa in hexadecimal and an exponent")
