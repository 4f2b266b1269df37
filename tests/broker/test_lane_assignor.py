"""Are all inputs of a lane assigned to one member?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.lane_assignor import LaneAssignor

Widths = dict[str, int]


def assigned(widths: Widths, members: dict[str, list[str]]) -> dict[str, dict[str, list[int]]]:
    cluster: Any = SimpleNamespace(
        partitions_for_topic=lambda topic: set(range(widths[topic])) if topic in widths else None
    )
    subscriptions = {
        member: ConsumerProtocolMemberMetadata(0, topics, b"") for member, topics in members.items()
    }
    return {
        member: dict(assignment.assignment)
        for member, assignment in LaneAssignor.assign(cluster, subscriptions).items()
    }


members_of_one_mind = st.builds(
    lambda widths, n: (widths, {f"m{i}": sorted(widths) for i in range(n)}),
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 12), min_size=1),
    st.integers(1, 9),
)


@given(members_of_one_mind)
def test_an_index_is_in_one_place(case: tuple[Widths, dict[str, list[str]]]) -> None:
    widths, members = case
    places: dict[int, set[str]] = {}
    for member, topics in assigned(widths, members).items():
        for indexes in topics.values():
            for index in indexes:
                places.setdefault(index, set()).add(member)
    assert all(len(where) == 1 for where in places.values())


@given(members_of_one_mind)
def test_every_partition_is_given_once(case: tuple[Widths, dict[str, list[str]]]) -> None:
    widths, members = case
    found = sorted(
        (topic, index)
        for topics in assigned(widths, members).values()
        for topic, indexes in topics.items()
        for index in indexes
    )
    assert found == sorted((topic, i) for topic, width in widths.items() for i in range(width))


@given(members_of_one_mind)
def test_no_member_has_two_lanes_more_than_another(
    case: tuple[Widths, dict[str, list[str]]],
) -> None:
    widths, members = case
    lanes = [
        len(set().union(*map(set, topics.values())))
        for topics in assigned(widths, members).values()
    ]
    assert max(lanes) - min(lanes) <= 1


def test_a_member_that_has_not_heard_of_a_topic_gets_nothing() -> None:
    given_ = assigned({"a": 4, "b": 4}, {"old": ["a"], "new": ["a", "b"]})
    assert given_ == {"old": {}, "new": {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}}


def test_a_topic_that_is_not_there_yet_is_passed_over() -> None:
    assert assigned({"a": 1}, {"m": ["a", "missing"]}) == {"m": {"a": [0]}}
