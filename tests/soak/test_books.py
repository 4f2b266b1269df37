"""Do the books see what a soak could get wrong?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak.books import Books, Events, Letters
from tests.worker.made import version

GIVEN = {(0, 1), (0, 2), (0, 3)}


def balanced() -> Books:
    """Three given, two of them answered, one dead."""
    of = version()
    answered = Events(
        places={(0, 5), (0, 6)},
        ids={(b"s", b"asked/0/1/0"), (b"s", b"asked/0/2/0")},
        causes={"before": {(0, 1), (0, 2)}},
    )
    events = {name: Events() for name in of.events} | {"asked": Events(GIVEN), "in": answered}
    return Books(of, events, {"before": Letters({"p.asked": {(0, 3)}}, count=1)})


def doubled(books: Books) -> None:
    books.events["in"].places.add((0, 7))


def disordered(books: Books) -> None:
    books.events["in"].disorder = 1


def lost(books: Books) -> None:
    books.letters["before"].places["p.asked"].clear()
    books.letters["before"].count = 0


def invented(books: Books) -> None:
    books.events["in"].causes["before"].add((1, 1))


def dead_and_answered(books: Books) -> None:
    books.letters["before"].places["p.asked"].add((0, 1))
    books.letters["before"].count = 2


def dead_twice(books: Books) -> None:
    books.letters["before"].count = 2


def test_books_that_balance_have_no_faults() -> None:
    assert balanced().faults() == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (doubled, "in: 3 events, 2 ids"),
        (disordered, "in: 1 out of order"),
        (lost, "asked -> before: 1 neither answered nor dead"),
        (invented, "asked -> before: 1 answered and never given"),
        (dead_and_answered, "asked -> before: 1 answered and dead"),
        (dead_twice, "before: two dead letters of one event"),
    ],
)
def test_each_fault_is_seen(spoil: Callable[[Books], None], said: str) -> None:
    books = balanced()
    spoil(books)
    assert books.faults() == [said]
