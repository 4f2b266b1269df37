"""When is a process that has ended started again?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.services.restart_policy import (
    EXIT_TEMPORARY,
    MAX_RESTART_WAIT,
    QUARANTINE_AFTER,
    STABLE_SECONDS,
    RestartPolicy,
)


def test_waits_double_from_crash_to_crash_up_to_the_longest() -> None:
    restarts = RestartPolicy()
    waits = [restarts.restart_delay(1) for _ in range(QUARANTINE_AFTER - 1)]
    assert waits == [min(MAX_RESTART_WAIT, 0.1 * 2**n) for n in range(QUARANTINE_AFTER - 1)]


def test_the_last_crash_in_a_row_is_quarantine() -> None:
    restarts = RestartPolicy()
    ends = [restarts.restart_delay(-9) for _ in range(QUARANTINE_AFTER)]
    assert [end is None for end in ends] == [False] * (QUARANTINE_AFTER - 1) + [True]


def test_progress_resets_the_count_of_crashes() -> None:
    restarts = RestartPolicy()
    for _ in range(QUARANTINE_AFTER - 1):
        restarts.restart_delay(1)
    restarts.record_progress()
    assert restarts.restart_delay(1) == 0.1


def test_a_long_life_resets_the_count_of_crashes() -> None:
    restarts = RestartPolicy()
    for _ in range(3 * QUARANTINE_AFTER):
        assert restarts.restart_delay(1, STABLE_SECONDS) == 0.1
    assert restarts.restart_delay(1, STABLE_SECONDS - 1) == 0.2


@given(st.integers(1, 200))
def test_temporary_exits_are_restarted_without_end(times: int) -> None:
    restarts = RestartPolicy()
    waits = [restarts.restart_delay(EXIT_TEMPORARY) for _ in range(times)]
    assert all(wait is not None and 0 < wait <= MAX_RESTART_WAIT for wait in waits)


@given(st.lists(st.sampled_from([0, 1, -9, EXIT_TEMPORARY])))
def test_only_crashes_lead_to_quarantine(codes: list[int]) -> None:
    restarts = RestartPolicy()
    ends = [restarts.restart_delay(code) for code in codes]
    crashes = sum(code != EXIT_TEMPORARY for code in codes)
    assert (None in ends) == (crashes >= QUARANTINE_AFTER)
