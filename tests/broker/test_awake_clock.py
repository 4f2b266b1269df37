"""Does a clock stand still while nobody could have read it?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.awake_clock import AwakeClock


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(2, 10**6))
def test_a_long_round_counts_as_one_round(rounds: list[float], frozen: float) -> None:
    at = 0.0
    clock = AwakeClock(1.0, lambda: at)
    began = clock.now()
    for seconds in rounds:
        at += seconds
        clock.now()
    assert abs(clock.now() - began - sum(rounds)) < 1e-6
    before = clock.now()
    at += frozen
    assert clock.now() == before + 1.0
