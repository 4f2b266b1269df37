"""Does the index of dead letters know what it has left out?"""

from __future__ import annotations

import pytest

from farandole.broker.settings import Settings
from farandole.operations.dead_letters import letter_index
from farandole.operations.dead_letters.letter_index import LetterEntry, LetterIndex, StageKey

KEY = StageKey("p", "b")


def entry(offset: int) -> LetterEntry:
    return LetterEntry("p", "b", offset, 1_000, "Reject", "no", "f", "r", "", ())


def test_letters_that_were_too_many_count_until_retention_deletes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(letter_index, "MAX_INDEXED_LETTERS", 10)
    letters = letter_index._StageLetters()
    for offset in range(11):
        letters.add(entry(offset))
    index = LetterIndex(Settings())
    index._stages[KEY] = letters
    assert index.left_out() == 1
    letters.expire(0)
    assert index.left_out() == 1
    letters.expire(1)
    assert index.left_out() == 0
