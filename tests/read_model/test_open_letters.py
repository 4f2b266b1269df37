"""How many letters of a stage are open, when some are settled, too many or deleted?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.events.header_codec import decode_headers
from farandole.events.settlement_record import make_settlements
from farandole.operations.read_model.open_letters import OpenLetterHead, OpenLetters
from tests.read_model.fed import Written


def letter(offset: int) -> Written:
    return Written("p.b.dead", 0, offset, None, b"{}", timestamp=1_000 + offset)


def settlement(at: int, *letters: int) -> Written:
    (out,) = make_settlements(
        [*letters], "discarded", by="ann", at=datetime.now(UTC), reason="", order="o"
    )
    headers = tuple(decode_headers(out.headers))
    return Written("p.b.dead", 0, at, out.key, out.value, headers=headers)


def letters(*offsets: int, left_out: int = 0, most: int = 100) -> OpenLetters:
    found = OpenLetters("p", "b", left_out=left_out, most=most)
    for offset in offsets:
        found.take(letter(offset))
    return found


def known(of: OpenLetters) -> tuple[int, bool]:
    head: OpenLetterHead = of.head()
    return head.count, head.more


def test_a_settled_letter_is_open_no_more() -> None:
    found = letters(0, 1, 2)
    found.take(settlement(3, 0, 2))
    assert known(found) == (1, False)
    assert (found.head().oldest, found.head().newest) == (1_001, 1_001)


def test_a_letter_that_was_settled_as_it_was_written_is_not_open() -> None:
    found = letters(0)
    discarded = (("dead_discarded_at", b"2026-11-27T12:00:00+00:00"),)
    found.take(Written("p.b.dead", 0, 1, None, b"{}", headers=discarded))
    assert known(found) == (1, False)


def test_of_too_many_letters_the_newest_are_counted() -> None:
    assert known(letters(0, 1, 2, most=2)) == (2, True)


def test_letters_that_retention_has_deleted_are_open_no_more() -> None:
    found = letters(0, 1, 2)
    assert found.drop_before(2)
    assert known(found) == (1, False)
    assert not found.drop_before(2)


def test_nothing_is_left_out_once_retention_has_deleted_it() -> None:
    found = letters(5, 6, left_out=5)
    assert known(found) == (2, True)
    assert not found.drop_before(4)
    assert found.drop_before(5)
    assert known(found) == (2, False)
    many = letters(0, 1, 2, most=2)
    assert many.drop_before(1)
    assert known(many) == (2, False)
