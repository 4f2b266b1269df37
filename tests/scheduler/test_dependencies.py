"""Does each arrival count for one firing, and does nothing wait beyond its deadline?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DeadlinePolicy, DependencySpec, ScheduleSpec
from farandole.scheduler.dependencies import (
    MAX_ARRIVALS,
    DataFiring,
    add_arrivals,
    carried_arrivals,
    complete_firings,
    complete_planned,
    missing_text,
    next_deadline,
)

MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)
ORDERS = DependencySpec(pipeline="orders", status=("completed", "settled"))
STOCK = DependencySpec(pipeline="stock", event="count.requested", status=("failed",))
FILES = DependencySpec(file="s3://bucket/in/*.csv")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def arrival(cause: str, hours: float) -> Arrival:
    return Arrival(at=at(hours), cause=cause)


def untimed(
    *after: DependencySpec, within: float = 6, otherwise: DeadlinePolicy = "miss"
) -> ScheduleSpec:
    return ScheduleSpec(
        triggers="report.requested", after=after, within=within * 3600, otherwise=otherwise
    )


def timed(*after: DependencySpec, otherwise: DeadlinePolicy = "miss") -> ScheduleSpec:
    return untimed(*after, otherwise=otherwise).model_copy(update={"cron": "0 0 * * *"})


def causes(firing: DataFiring) -> dict[str, str]:
    return {index: each.cause for index, each in firing.arrivals.items()}


def test_each_arrival_of_the_only_dependency_is_a_firing_at_its_time() -> None:
    firings, left = complete_firings(
        untimed(ORDERS), {"0": [arrival("a", 1), arrival("b", 2)]}, None
    )
    assert [(each.planned, each.suffix) for each in firings] == [(at(1), "a"), (at(2), "b")]
    assert left == {"0": ()}


def test_a_file_is_named_in_the_id_by_a_short_hash() -> None:
    url = "s3://bucket/in/a very long name.csv"
    (firing,), _ = complete_firings(untimed(FILES), {"0": [arrival(url, 1)]}, None)
    assert len(firing.suffix) == 13
    assert firing.suffix.isalnum()


def test_no_more_firings_are_made_than_there_is_room_for() -> None:
    waiting = {"0": [arrival("a", 1), arrival("b", 2)]}
    firings, left = complete_firings(untimed(ORDERS), waiting, None, room=1)
    assert [each.suffix for each in firings] == ["a"]
    assert [each.cause for each in left["0"]] == ["b"]


def test_an_arrival_without_room_is_refused_where_each_fires() -> None:
    new = [arrival(f"{number:04}", number) for number in range(MAX_ARRIVALS + 2)]
    added = add_arrivals(untimed(ORDERS), {}, {"0": new})
    assert len(added.arrivals["0"]) == MAX_ARRIVALS
    assert [each.cause for _, each in added.refused] == ["0500", "0501"]


def test_the_newest_stands_for_those_without_room_where_they_count_together() -> None:
    new = [arrival(f"{number:04}", number) for number in range(MAX_ARRIVALS + 2)]
    added = add_arrivals(untimed(ORDERS, STOCK), {}, {"0": new})
    assert len(added.arrivals["0"]) == MAX_ARRIVALS
    assert added.arrivals["0"][-1].cause == "0501"
    assert not added.refused


def test_several_dependencies_fire_when_the_last_of_them_has_come() -> None:
    waiting = {"0": [arrival("a", 1), arrival("b", 2)], "1": [arrival("c", 3)]}
    (firing,), left = complete_firings(untimed(ORDERS, STOCK), waiting, None)
    assert firing.planned == at(3)
    assert causes(firing) == {"0": "b", "1": "c"}
    assert not left


def test_what_comes_after_the_last_of_them_counts_for_the_next_firing() -> None:
    waiting = {"0": [arrival("a", 1), arrival("b", 4)], "1": [arrival("c", 3)]}
    (firing,), left = complete_firings(untimed(ORDERS, STOCK), waiting, None)
    assert causes(firing) == {"0": "a", "1": "c"}
    assert [each.cause for each in left["0"]] == ["b"]


def test_a_window_is_open_until_its_deadline() -> None:
    waiting = {"0": [arrival("a", 1)]}
    assert next_deadline(untimed(ORDERS, STOCK), waiting) == at(7)
    assert not complete_firings(untimed(ORDERS, STOCK), waiting, at(7)).firings


def test_a_deadline_is_not_over_as_long_as_what_came_before_it_is_not_known() -> None:
    assert not complete_firings(untimed(ORDERS, STOCK), {"0": [arrival("a", 1)]}, None).firings


def test_a_window_that_is_over_says_what_is_missing() -> None:
    spec = untimed(ORDERS, STOCK, FILES)
    (firing,), _ = complete_firings(spec, {"0": [arrival("a", 1)]}, at(8))
    assert firing.planned == at(7)
    assert missing_text(spec, firing.missing) == (
        "no run of stock by count.requested had ended with the status failed and no new file had"
        " come at s3://bucket/in/*.csv"
    )


def test_what_comes_after_the_deadline_does_not_make_a_window_complete() -> None:
    waiting = {"0": [arrival("a", 1)], "1": [arrival("b", 8)]}
    (firing,), left = complete_firings(untimed(ORDERS, STOCK), waiting, at(8))
    assert firing.missing == [1]
    assert [each.cause for each in left["1"]] == ["b"]


def test_a_missed_window_leaves_what_may_belong_to_the_next() -> None:
    waiting = {"0": [arrival("a", 1), arrival("b", 6)], "1": [arrival("c", 8)]}
    missed, complete = complete_firings(untimed(ORDERS, STOCK), waiting, at(9)).firings
    assert missed.missing == [1]
    assert causes(complete) == {"0": "b", "1": "c"}


def test_a_window_that_fires_without_the_rest_uses_up_what_has_come() -> None:
    waiting = {"0": [arrival("a", 1), arrival("b", 6)]}
    (firing,), left = complete_firings(untimed(ORDERS, STOCK, otherwise="fire"), waiting, at(9))
    assert causes(firing) == {"0": "b"}
    assert not left


def test_a_planned_time_waits_for_its_data() -> None:
    assert not complete_planned(timed(ORDERS), {}, at(24), at(0), at(24)).firings


def test_a_planned_time_uses_the_newest_of_its_interval_and_leaves_what_came_later() -> None:
    waiting = {"0": [arrival("a", 1), arrival("b", 23), arrival("c", 25)]}
    (firing,), left = complete_planned(timed(ORDERS), waiting, at(24), at(0), at(26))
    assert causes(firing) == {"0": "b"}
    assert [each.cause for each in left["0"]] == ["c"]


def test_a_planned_time_uses_the_first_that_comes_late() -> None:
    waiting = {"0": [arrival("a", 25), arrival("b", 26)]}
    (firing,), left = complete_planned(timed(ORDERS), waiting, at(24), at(0), at(26))
    assert causes(firing) == {"0": "a"}
    assert [each.cause for each in left["0"]] == ["b"]


def test_what_came_before_the_planned_time_before_does_not_count() -> None:
    waiting = {"0": [arrival("a", -1)]}
    assert complete_planned(timed(ORDERS), waiting, at(24), at(0), at(26)) == ((), {})


def test_a_planned_time_is_over_at_its_deadline() -> None:
    waiting = {"0": [arrival("a", 25), arrival("b", 31)]}
    (firing,), left = complete_planned(timed(ORDERS, STOCK), waiting, at(24), at(0), at(31))
    assert firing.missing == [1]
    assert [each.cause for each in left["0"]] == ["a", "b"]


def test_arrivals_stay_with_their_dependency_when_the_list_is_edited() -> None:
    waiting = {"0": (arrival("a", 1),), "1": (arrival("b", 2),)}
    edited = [FILES, STOCK.model_copy(), ORDERS.model_copy(update={"status": ("failed",)})]
    assert carried_arrivals([ORDERS, STOCK], edited, waiting) == {"1": (arrival("b", 2),)}


Batches = Sequence[tuple[int, int]]
"""Pairs of a dependency and after how many minutes an arrival comes."""
batches = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 600)), max_size=40)


def fire_all(
    spec: ScheduleSpec, written: Mapping[str, Sequence[Arrival]], known: datetime
) -> list[DataFiring]:
    added = add_arrivals(spec, {}, written)
    return list(complete_firings(spec, added.arrivals, known).firings)


@given(batches, st.sampled_from(["fire", "miss"]), st.lists(st.integers(0, 700), max_size=5))
def test_windows_do_not_depend_on_when_somebody_looks(
    comes: Batches, otherwise: DeadlinePolicy, looks: list[int]
) -> None:
    spec = untimed(ORDERS, STOCK, FILES, within=1, otherwise=otherwise)
    all_ = [
        (minute, str(index), arrival(f"{number:02}", minute / 60))
        for number, (index, minute) in enumerate(comes)
    ]
    at_once: dict[str, list[Arrival]] = {}
    for _, index, each in all_:
        at_once.setdefault(index, []).append(each)
    expected = fire_all(spec, at_once, at(100))
    waiting: Mapping[str, Sequence[Arrival]] = {}
    firings: list[DataFiring] = []
    begin = -1
    for until in [*sorted(looks), 6000]:
        new: dict[str, list[Arrival]] = {}
        for minute, index, each in all_:
            if begin < minute <= until:
                new.setdefault(index, []).append(each)
        added = add_arrivals(spec, waiting, new)
        done = complete_firings(spec, added.arrivals, at(until / 60))
        waiting, begin = done.arrivals, max(begin, until)
        firings += done.firings
    assert firings == expected


@given(batches)
def test_no_arrival_completes_two_windows(comes: Batches) -> None:
    spec = untimed(ORDERS, STOCK, FILES, within=1)
    at_once: dict[str, list[Arrival]] = {}
    for number, (index, minute) in enumerate(comes):
        at_once.setdefault(str(index), []).append(arrival(f"{number:02}", minute / 60))
    used = [
        cause
        for firing in fire_all(spec, at_once, at(100))
        if not firing.missing
        for cause in causes(firing).values()
    ]
    assert len(used) == len(set(used))
