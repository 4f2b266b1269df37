"""Is a text counted as what it can be read as?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.quality.profiles.text_formats import decimal_fraction, read_texts

UUID = "a1b2c3d4-0000-4000-8000-0123456789ab"
READ_AS = {
    "integer": ["20260731", "0", "-12", "+7", "007", "9" * 100],
    "number": ["1.5", "-.5", "5.", "1e9", "1.5E-3"],
    "date": [
        "2026-07-31", "2024-02-29", "2026-07-31T14:05", "2026-07-31 14:05:09.25+02:00",
        "2026-07-31T14:05:09Z",
    ],
    "uuid": [UUID, UUID.upper()],
    "": [
        "", " 1", "1 ", "1\n", "1,5", "0x10", "NaN", "inf", "e5", ".", "+", "9" * 101, "1e100",
        "١٢", "²",        "2026-02-30", "2026-13-01", "0000-01-01", "2026-07-31T25:00", "2026-7-1",
        UUID.replace("-", ""), f"{{{UUID}}}", "abcdefgh-0000-0000-0000-000000000000", "x",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in READ_AS.items() for t in texts])
def test_a_text_is_read_as_one_format_or_as_none(name: str, text: str) -> None:
    found = read_texts({text: 3}).formats
    if name == "integer":
        assert found == {"integer": 3, "number": 3}
    else:
        assert found == ({name: 3} if name else {})


def test_decimals_are_added_without_rounding() -> None:
    numbers = {"0.1": 10, "-.5": 1, "+2": 3, "1.5e-3": 2, "1e99": 1}
    expected = sum(Fraction(text) * count for text, count in numbers.items())
    found = read_texts({**numbers, "x": 5, "2026-07-31": 1})
    assert decimal_fraction(found.total) == expected


@given(
    st.dictionaries(st.decimals(allow_nan=False, allow_infinity=False, places=5), st.integers(1, 9))
)
def test_a_sum_of_texts_is_that_of_the_fractions(counts: dict[Decimal, int]) -> None:
    texts = {f"{number:f}": count for number, count in counts.items()}
    texts = {text: count for text, count in texts.items() if len(text) <= 100}
    expected = sum((Fraction(text) * count for text, count in texts.items()), Fraction(0))
    assert decimal_fraction(read_texts(texts).total) == expected


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14 * 60, 14 * 60))
def test_a_date_is_the_instant_that_python_reads(when: datetime, minutes: int) -> None:
    texts = [when.isoformat(), when.replace(tzinfo=None).isoformat(" ")]
    if 2 <= when.year <= 9_998:
        texts.append(when.astimezone(timezone(timedelta(minutes=minutes))).isoformat())
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for text in texts:
        read = read_texts({text: 1})
        assert read.earliest == read.latest == (when - epoch) // timedelta(microseconds=1), text
    days = read_texts({f"{when:%Y}".zfill(4) + f"{when:-%m-%d}": 1})
    assert days.earliest == (when.date() - epoch.date()).days * 86_400_000_000
