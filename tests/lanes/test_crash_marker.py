"""Is the event that kills its process found soon, with little delay for its neighbours?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.lanes.crash_marker import CrashMarker, lane_trouble


class Outcome:
    """The result of `count` events in one lane; the event `poison` kills its process."""

    def __init__(self, count: int, poison: int | None, mark: CrashMarker) -> None:
        self.deaths = self.steps = 0
        self.given_up: list[int] = []
        offset = 0
        while offset < count:
            if mark.is_hopeless:
                self.given_up.append(offset)
                offset += 1
                mark = mark.after_settling(offset)
                continue
            last = min(mark.last_in_trial(offset) if mark.is_suspect else count, count - 1)
            self.steps += 1
            if poison is not None and offset <= poison <= last:
                self.deaths += 1
                mark = mark.started(last)
            else:
                offset = last + 1
                mark = mark.after_settling(offset)


@given(st.integers(1, 5000), st.data())
def test_the_event_that_kills_is_given_up_and_no_other(count: int, data: st.DataObject) -> None:
    poison = data.draw(st.integers(0, count - 1))
    outcome = Outcome(count, poison, CrashMarker())
    assert outcome.given_up == [poison]
    assert outcome.deaths <= 9
    assert outcome.steps <= 400


@given(st.integers(1, 5000))
def test_a_process_killed_from_outside_soon_handles_whole_batches_again(count: int) -> None:
    """Twice at the same place, as when another stage of the process eats its memory."""
    outcome = Outcome(count, None, CrashMarker(2, count - 1))
    assert outcome.given_up == []
    assert outcome.steps <= 170


def test_a_first_death_makes_no_event_suspect() -> None:
    assert not CrashMarker(1, 100).is_suspect


@given(st.integers(0, 9), st.integers(-1, 2**40), st.text(max_size=900))
def test_a_marker_is_read_whatever_trouble_stands_beside_it(
    deaths: int, until: int, trouble: str
) -> None:
    text = CrashMarker(deaths, until).with_trouble(trouble)
    assert CrashMarker.parse(text).deaths == deaths
    assert (lane_trouble(text) or "") == trouble[:500]
    assert lane_trouble(str(CrashMarker(deaths, until))) is None
    assert len(text.encode()) < 4096


@pytest.mark.parametrize("metadata", ["", "[]", "null", "7", '{"why":7}', '{"why":""}', "\udcff"])
def test_foreign_metadata_tell_no_trouble(metadata: str) -> None:
    assert lane_trouble(metadata) is None
