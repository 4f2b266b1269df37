"""Do failures that differ only in their data have the same fingerprint?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.failure_fingerprint import (
    MAX_TITLE_LENGTH,
    failure_fingerprint,
    failure_title,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("line 7 of 12 is empty", "line 93 of 4 is empty"),
        ("no such customer: 'Ann'", "no such customer: 'Bob the builder'"),
        ('no such customer: "Ann"', 'no such customer: ""'),
        (
            "run 2b1f54a2-0df2-4a8e-9f0c-6f6d4c9b6f5e is gone",
            "run 00000000-0000-4000-8000-000000000000 is gone",
        ),
        ("at 2026-11-24T12:00:00Z it stopped", "at 2025-01-01T00:00:00.123+01:00 it stopped"),
        ("mail to ann@example.com bounced", "mail to bob.b@other.example bounced"),
        ("connect to 10.0.0.1:5432 refused", "connect to 192.168.7.7:80 refused"),
        ("object at 0x7f31aa2b", "object at 0xdeadbeef01"),
        ("line.read/3/10482/0 is late", "line.read/0/1/22 is late"),
        ("values 1, 2, 3 do not fit", "values 4, 5, 6, 7, 8 do not fit"),
    ],
)
def test_variable_parts_are_not_in_a_title(one: str, other: str) -> None:
    assert failure_title(one) == failure_title(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nothing was paid", "nothing was sold"),
        ("field quantity: too small", "field price: too small"),
        ("it isn't here and it doesn't come", "it isn't there and it doesn't come"),
    ],
)
def test_constant_parts_are_in_a_title(one: str, other: str) -> None:
    assert failure_title(one) != failure_title(other)


@pytest.mark.parametrize(
    ("error", "one", "other", "same"),
    [
        ("KeyError", "'seats'", "'built'", False),
        ("KeyError", "'seat_count'", "'seatCount'", False),
        ("KeyError", "'UA'", "'DL'", True),
        ("KeyError", "'N725MQ'", "'n535mq'", True),
        ("KeyError", "'Ann Smith'", "'Bob'", True),
        ("KeyError", "17", "18", True),
        ("AttributeError", "'Flight' object has no attribute 'seats'",
         "'Flight' object has no attribute 'built'", False),
        ("NameError", "name 'seats' is not defined", "name 'built' is not defined", False),
        ("TypeError", "unsupported operand type(s) for +: 'int' and 'str'",
         "unsupported operand type(s) for +: 'int' and 'NoneType'", False),
        ("ModuleNotFoundError", "No module named 'polars'", "No module named 'pandas'", False),
        ("ValueError", "could not convert string to float: 'abc'",
         "could not convert string to float: 'def'", True),
        ("Reject", "no such customer: 'ann'", "no such customer: 'bob'", True),
    ],
)  # fmt: skip
def test_names_of_the_code_are_in_a_title_and_values_are_not(
    error: str, one: str, other: str, same: bool
) -> None:
    assert (failure_title(one, error) == failure_title(other, error)) is same


def test_stages_and_errors_have_different_fingerprints() -> None:
    assert len({failure_fingerprint(s, e, "t") for s in ("a", "ab") for e in ("bc", "c")}) == 4


@given(st.text(), st.sampled_from(["KeyError", "TypeError", "Reject"]))
def test_any_message_has_a_title_of_one_harmless_bounded_line(message: str, error: str) -> None:
    title = failure_title(message, error)
    assert len(title) <= MAX_TITLE_LENGTH
    assert title.isprintable() or not message.isprintable()
    assert not any(ord(c) < 32 or c in "\u202e\u2066\u200f\x9b" for c in title)


def test_only_the_start_of_a_long_message_is_read() -> None:
    assert failure_title("x" * 10_000_000) == failure_title("x" * 2_000)
