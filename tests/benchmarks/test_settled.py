"""Is each line counted that is lost, doubled, or before one of its key that came earlier?"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from benchmarks import pipelines
from benchmarks.settled import Settled

LINES = 40


def of_three(number: int) -> bytes:
    return pipelines.line(number, number % 3)


def seen(numbers: list[int]) -> Settled:
    found = Settled(LINES)
    found.see(map(of_three, numbers))
    return found


@given(st.permutations(range(LINES)))
def test_only_the_order_of_each_key_counts(numbers: list[int]) -> None:
    numbers.sort(key=lambda number: number % 3)  # stable: the order within a key stays chance
    out_of_order = sum(
        after < before for before, after in pairwise(numbers) if before % 3 == after % 3
    )
    expected = [f"{out_of_order} lines out of order"] if out_of_order else []
    assert seen(numbers).find_faults(LINES) == expected


def test_another_key_may_be_ahead() -> None:
    ahead = [n for n in range(LINES) if n % 3 == 2] + [n for n in range(LINES) if n % 3 != 2]
    assert seen(ahead).find_faults(LINES) == []


@given(st.lists(st.integers(0, LINES - 1)))
def test_each_line_that_is_missing_or_doubled_is_counted(numbers: list[int]) -> None:
    numbers = sorted(numbers)
    distinct = len(set(numbers))
    expected = [f"{LINES - distinct} lines lost"] if distinct < LINES else []
    if len(numbers) > distinct:
        expected.append(f"{len(numbers) - distinct} lines doubled")
    assert seen(numbers).find_faults(LINES) == expected


def test_a_line_that_was_to_die_is_one_too_many() -> None:
    assert seen([1, 2, 3]).find_faults(2) == ["1 lines too many"]


def test_of_a_run_that_was_cut_nothing_is_lost() -> None:
    assert seen([1, 2, 2]).find_faults(None) == ["1 lines doubled"]
