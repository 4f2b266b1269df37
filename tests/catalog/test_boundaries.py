"""Where does a version begin, and where does it end, in each partition?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.catalog.version_boundaries import (
    event_type_of,
    version_at,
    version_end,
    version_span,
    version_starts,
)
from farandole.events.topology_version import EventSpec, Version
from tests.catalog.made import histories, version


def numbered(number: int, *boundaries: int) -> Version:
    return version(number, {"a": EventSpec(topic="p.a", partitions=2, boundaries=boundaries)})


@given(histories(), st.integers(0, 5), st.integers(0, 25))
def test_one_version_owns_an_offset(versions: list[Version], partition: int, offset: int) -> None:
    starts = version_starts(versions, "p.a", partition)
    reached = [start for start in starts if start.offset <= offset]
    expected = reached[0] if reached else starts[-1]
    assert version_at(starts, offset) == expected
    assert [s.version.version for s in starts] == sorted(
        (v.version for v in versions if event_type_of(v, "p.a") is not None), reverse=True
    )


@given(histories(), st.integers(0, 5), st.integers(0, 25))
def test_a_span_ends_where_the_answer_may_change(
    versions: list[Version], partition: int, offset: int
) -> None:
    starts = version_starts(versions, "p.a", partition)
    start, end = version_span(starts, offset)
    assert end is None or end > offset
    for later in range(offset, 30 if end is None else end):
        assert version_at(starts, later) == start


def test_a_topic_that_no_version_has_has_no_start() -> None:
    assert version_starts([numbered(1, 0)], "p.other", 0) == ()


def test_a_version_ends_at_the_next_boundary_that_there_is() -> None:
    gone, grown = version(2), numbered(3, 7, 9)
    assert version_end([gone, grown, numbered(4, 20, 20)], "p.a", 1) == 9
    assert version_end([numbered(2, 3), grown], "p.a", 1) == 9
    assert version_end([gone], "p.a", 0) is None
    assert version_end([grown], "p.a", 2) is None
