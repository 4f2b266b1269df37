"""Is every event of a run in exactly one part of the picture?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.outcome import RECORDED
from farandole.operations.runs.balance_sheet import balance_sheet
from farandole.operations.runs.run_balance import RunBalance, run_balance
from tests.cli.booked import AT, edge, row


def balance(**more: object) -> RunBalance:
    return run_balance(balance_sheet(row(**more), AT + 20_000))  # type: ignore[arg-type]


@given(
    emitted=st.integers(0, 10**18),
    handled=st.integers(0, 10**6),
    outcomes=st.lists(st.integers(0, 10**6), min_size=len(RECORDED), max_size=len(RECORDED)),
    closed=st.booleans(),
)
def test_the_parts_of_an_edge_and_its_difference_are_what_was_emitted(
    emitted: int, handled: int, outcomes: list[int], closed: bool
) -> None:
    counts = dict(zip((o.value for o in RECORDED), outcomes, strict=True))
    edges = {"a>b": edge(emitted, consumed=handled + sum(outcomes), **counts)}
    (found,) = balance(edges=edges, closed=AT if closed else None).edges
    assert found.emitted == sum(found.parts.values()) + found.difference
    assert found.parts["handled"] == handled
    assert found.settled + found.in_flight + found.difference == found.emitted


def test_an_open_run_misses_nothing_and_a_closed_one_what_it_has_not_settled() -> None:
    edges = {"a>b": edge(10, consumed=7)}
    running = balance(edges=edges, closed=None, status="running")
    over = balance(edges=edges)
    assert (running.difference, running.in_flight) == (0, 3)
    assert (over.difference, over.in_flight) == (3, 0)


def test_more_settled_than_emitted_is_a_difference_below_zero() -> None:
    (found,) = balance(edges={"a>b": edge(10, consumed=12)}, closed=None).edges
    assert (found.difference, found.parts["unread"]) == (-2, 0)


def test_as_many_events_that_are_not_the_same_are_told() -> None:
    (found,) = balance(edges={"a>b": edge(10, differs=5)}).edges
    assert (found.difference, found.same_events) == (0, False)


def test_an_edge_of_another_version_says_so() -> None:
    (found,) = balance(edges={"a>b@order-lines@6": edge(1)}).edges
    assert (found.stage, found.foreign) == ("b", "order-lines@6")


def test_a_throttle_puts_off_when_the_run_is_expected() -> None:
    root = {**row()["root"], "within": 60}  # type: ignore[dict-item]
    assert balance(root=root).expected_until == AT + 60_000
    assert balance(root=root, throttled=AT + 5_000).expected_until == AT + 65_000
