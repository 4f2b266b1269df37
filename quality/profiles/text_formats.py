"""As what else can texts be read: as integers, numbers, dates, UUIDs?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import NamedTuple

FORMATS = ("integer", "number", "date", "uuid")
"""`number` is a decimal number, with an exponent of at most two digits, integers among them; `date`
a date or date-time of ISO 8601 in its extended form, such as 2026-07-31, 2026-07-31T14:05 or
2026-07-31 14:05:09.25+02:00; `uuid` one in its canonical form."""
MAX_FORMATTED_LENGTH = 100
"""Characters: a longer text is none of these."""
DECIMALS = 200
"""Decimals that a sum of texts has: more than any text of these."""

_FORMATTED = re.compile(
    r"(?P<integer>[+-]?[0-9]+)"
    r"|(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)"
    r"|(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?)"
    r"|(?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
)
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:Z|([+-])(\d\d):?(\d\d)?)?", re.ASCII)
_FIRST_OF_NUMBERS = frozenset("+-.0123456789")
_FIRST_OF_UUIDS = frozenset("0123456789abcdefABCDEF")
_UUID_LENGTH = 36
_EPOCH = date(1970, 1, 1).toordinal()


class ReadTexts(NamedTuple):
    """What texts can be read as."""

    formats: dict[str, int]
    """How many can be read as each of FORMATS; 0 is left out."""
    total: int
    """The exact sum of the numbers, in units of 10^-DECIMALS."""
    earliest: int | None
    """The first of the dates, in microseconds since 1970 in UTC, which is the zone of a time that
    names none; None if there are none."""
    latest: int | None


def read_texts(counts: Mapping[str, int]) -> ReadTexts:
    """Return what different texts can be read as, from how often each comes."""
    formats: dict[str, int] = {}
    sums: dict[int, int] = {}
    instants: list[int] = []
    match = _FORMATTED.fullmatch
    for text in counts:
        if (
            text[:1] in _FIRST_OF_NUMBERS
            or (len(text) == _UUID_LENGTH and text[0] in _FIRST_OF_UUIDS)
        ) and len(text) <= MAX_FORMATTED_LENGTH:
            matched = match(text)
            name = matched and matched.lastgroup
            if not name:
                continue
            if name == "date":
                if (instant := _instant(text)) is None:
                    continue
                instants.append(instant)
            elif name != "uuid":
                digits, decimals = _scaled(text)
                sums[decimals] = sums.get(decimals, 0) + digits * counts[text]
            formats[name] = formats.get(name, 0) + counts[text]
    if "integer" in formats:
        formats["number"] = formats.get("number", 0) + formats["integer"]
    total = sum(digits * 10 ** (DECIMALS - decimals) for decimals, digits in sums.items())
    return ReadTexts(formats, total, min(instants, default=None), max(instants, default=None))


def decimal_fraction(total: int) -> Fraction:
    """Return a sum of texts as a fraction."""
    return Fraction(total, 10**DECIMALS)


def _scaled(text: str) -> tuple[int, int]:
    """Return the digits of a number and how many of them are decimals."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    return int(whole + decimals), len(decimals) - int(exponent or 0)


def _instant(text: str) -> int | None:
    """Return a date or date-time in microseconds since 1970; None if there is no such day."""
    try:
        day = date(int(text[:4]), int(text[5:7]), int(text[8:10])).toordinal() - _EPOCH
    except ValueError:
        return None
    seconds, micros = day * 86_400, 0
    if matched := _TIME.fullmatch(text, 11):
        hour, minute, second, decimals, sign, hours, minutes = matched.groups()
        seconds += int(hour) * 3_600 + int(minute) * 60 + int(second or 0)
        micros = int((decimals or "0")[:6].ljust(6, "0"))
        if sign:
            offset = int(hours) * 3_600 + int(minutes or 0) * 60
            seconds += offset if sign == "-" else -offset
    return seconds * 1_000_000 + micros
