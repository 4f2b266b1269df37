"""Does a settlement name the letters that it settles, and is it never read as a letter?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.header_codec import decode_headers
from farandole.events.parked_order import Discard
from farandole.events.record import OutgoingRecord
from farandole.events.settlement_record import (
    MAX_SETTLED_LETTERS,
    SETTLEMENT_HEADER,
    Settlement,
    SettlementKind,
    is_open_letter,
    is_settlement,
    make_settlements,
    own_settlement,
    parse_settlement,
)
from tests.events.made import Made, headers

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@given(
    st.lists(st.integers(0, 2**40), max_size=2_500),
    st.sampled_from(["replayed", "discarded"]),
    st.text(),
)
def test_all_letters_and_the_reason_are_read_as_they_were_written(
    letters: list[int], how: SettlementKind, reason: str
) -> None:
    records = make_settlements(letters, how, by="ann", at=NOW, reason=reason, order="o")
    parsed = [parse_settlement(out.value, decode_headers(out.headers)) for out in records]
    assert [offset for s in parsed if s for offset in s.settles] == letters
    for out, each in zip(records, parsed, strict=True):
        assert out.key is None
        assert each is not None
        assert len(each.settles) <= MAX_SETTLED_LETTERS
        assert (each.how, each.by, each.at, each.order) == (how, "ann", NOW, "o")
        assert reason.startswith(each.reason)


def test_a_reason_that_no_text_can_hold_is_written_all_the_same() -> None:
    (out,) = make_settlements([1], "discarded", by="\ud800", at=NOW, reason="\udfff")
    assert parse_settlement(out.value, decode_headers(out.headers)) is not None


@given(headers)
def test_no_event_dies_as_a_settlement(its: list[Any]) -> None:
    death = FailureAccount("validate", "p@1", "run", "Reject", "no")
    event = Made(b'{"settles": [1], "how": "replayed"}', [*its, (SETTLEMENT_HEADER, b"replayed")])
    assert not is_settlement(
        decode_headers(build_dead_letter(event, death, largest=1_000_000).headers)
    )


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"no json", b"[]", b'{"settles": "1"}',
        b'{"settles": [true], "how": "replayed", "by": "x", "at": "2026-11-27T12:00:00Z"}',
        b'{"settles": [-1], "how": "replayed", "by": "x", "at": "2026-11-27T12:00:00Z"}',
        b'{"settles": [1], "how": "eaten", "by": "x", "at": "2026-11-27T12:00:00Z"}',
        b'{"settles": [%b], "how": "replayed", "by": "x", "at": "2026-11-27T12:00:00Z"}'
        % b",".join([b"1"] * (MAX_SETTLED_LETTERS + 1)),
    ],
)  # fmt: skip
def test_a_record_that_only_looks_like_a_settlement_settles_nothing(value: bytes | None) -> None:
    assert parse_settlement(value, [(SETTLEMENT_HEADER, b"replayed")]) is None
    assert is_settlement([(SETTLEMENT_HEADER, b"replayed")])


DISCARDED = Discard("ann", "2026-11-27T12:00:00+00:00", "a test")


def discarded(how: Discard) -> OutgoingRecord:
    """The letter of an event that was discarded while it waited."""
    death = FailureAccount("load", "p@1", "run", "RowDiscarded", "price", discarded=how)
    return build_dead_letter(Made(b"{}"), death, largest=1_000_000)


def test_a_letter_of_what_was_discarded_while_it_waited_is_settled_already() -> None:
    found = decode_headers(discarded(DISCARDED).headers)
    assert own_settlement(7, found) == Settlement(
        settles=(7,), how="discarded", by="ann", at=NOW, reason="a test"
    )
    assert not is_settlement(found)
    assert not is_open_letter(7, found)


def test_any_other_letter_is_open() -> None:
    death = FailureAccount("load", "p@1", "run", "Reject", "no")
    forged = Made(b"{}", headers=decode_headers(discarded(DISCARDED).headers))
    letter = build_dead_letter(forged, death, largest=1_000_000)
    assert is_open_letter(7, decode_headers(letter.headers))


@given(st.text(), st.text(), st.text())
def test_whatever_stands_in_a_letter_somebody_has_settled_it(by: str, at: str, why: str) -> None:
    assert own_settlement(7, decode_headers(discarded(Discard(by, at, why)).headers)) is not None
