"""Is a worse candidate found soon, and one that is no worse nearly never, however often one looks?

Each test simulates whole switches: their observations, a look after each few of them, and the
first look at which the evidence is enough."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from math import log, log1p, sqrt
from typing import NamedTuple

import pytest

from farandole.events.canary_counts import (
    LAST_BUCKET,
    VariantCounts,
    add_counts,
    bucket_bound,
    count_observation,
    no_counts,
    time_bucket,
)
from farandole.ledger.sequential_test import ALPHA, Evidence, weigh

Decide = Callable[[VariantCounts, VariantCounts], bool]


class Switch(NamedTuple):
    """The switch of a simulation."""

    candidate_rate: float
    stable_rate: float
    share: float
    lasts: int
    """Observations of the candidate."""
    slower: float | None = None
    """The factor by which the candidate's times are longer; None if no times are measured."""
    spread: float = 1.0
    """The spread of the logarithms of the times."""
    copies: int = 1
    """How many observations are counted for each that is independent of the others."""


def ends_after(switch: Switch, rng: random.Random, decide: Decide) -> int | None:
    """Return after how many observations of the candidate the switch ends; None if never."""
    candidate, stable = no_counts(), no_counts()
    seen = 0
    while seen < switch.lasts:
        more = max(20, seen // 20)
        seen += more
        _observe(candidate, more, switch.candidate_rate, switch.slower, switch, rng)
        wanted = round(seen * (1 - switch.share) / switch.share)
        _observe(stable, wanted - stable["n"] // switch.copies, switch.stable_rate, 1, switch, rng)
        if decide(candidate, stable):
            return seen
    return None


def _observe(
    counts: VariantCounts,
    number: int,
    rate: float,
    slower: float | None,
    switch: Switch,
    rng: random.Random,
) -> None:
    counts["n"] += number * switch.copies
    counts["failed"] += sum(1 for _ in _failures(rng, number, rate)) * switch.copies
    if switch.slower is not None and slower is not None:
        for _ in range(number):
            seconds = slower * rng.lognormvariate(log(0.1), switch.spread)
            bucket = str(time_bucket(seconds))
            counts["times"][bucket] = counts["times"].get(bucket, 0) + switch.copies


def _failures(rng: random.Random, number: int, rate: float) -> Iterator[int]:
    """Yield the positions of the failures among so many observations, from gap to gap."""
    at = -1
    while True:
        at += 1 if rate >= 1 else int(log(1 - rng.random()) / log1p(-rate)) + 1
        if at >= number:
            return
        yield at


def is_worse(candidate: VariantCounts, stable: VariantCounts) -> bool:
    return weigh(candidate, stable).is_enough


def peek(candidate: VariantCounts, stable: VariantCounts) -> bool:
    """A test of two rates for one look, at the level ALPHA."""
    rate = (candidate["failed"] + stable["failed"]) / (candidate["n"] + stable["n"])
    error = sqrt(rate * (1 - rate) * (1 / candidate["n"] + 1 / stable["n"]))
    higher = candidate["failed"] / candidate["n"] - stable["failed"] / stable["n"]
    return error > 0 and higher / error > 2.326


def share_ended(switches: list[Switch], number: int, decide: Decide = is_worse) -> float:
    """Return the share of so many switches that are ended."""
    rng = random.Random(20240611)
    ended = [ends_after(switches[n % len(switches)], rng, decide) for n in range(number)]
    return sum(each is not None for each in ended) / number


FIVE_TIMES = [
    Switch(5 * rate, rate, share, 2_000)
    for rate in (0.01, 0.02, 0.05, 0.2)
    for share in (0.02, 0.1, 0.5)
]
NO_WORSE = [
    Switch(rate, rate, share, 10_000)
    for rate in (0.001, 0.01, 0.1, 0.5)
    for share in (0.1, 0.5, 0.9)
]
AS_SLOW_AS_ALLOWED = [
    Switch(0.01, 0.01, share, 1_500, slower=slower, spread=spread)
    for share in (0.3, 0.5)
    for slower in (1.0, 1.5)
    for spread in (0.1, 0.5, 1.5)
]


def test_a_candidate_that_fails_five_times_as_often_is_found() -> None:
    assert share_ended(FIVE_TIMES, 240) >= 0.99


def test_a_candidate_that_is_no_worse_goes_on() -> None:
    assert share_ended(NO_WORSE[:9], 108) <= ALPHA


def test_a_candidate_that_is_as_slow_as_allowed_goes_on() -> None:
    assert share_ended(AS_SLOW_AS_ALLOWED, 36) <= ALPHA


def test_a_candidate_that_is_twice_as_slow_is_found() -> None:
    switches = [Switch(0.01, 0.01, 0.5, 2_000, 2.0, spread) for spread in (0.1, 0.5, 0.8)]
    assert share_ended(switches, 30) >= 0.99


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("switches", [FIVE_TIMES, FIVE_TIMES[2:3]], ids=["all", "hardest"])
def test_of_10000_worse_candidates_99_in_100_are_found(switches: list[Switch]) -> None:
    assert share_ended(switches, 10_000) >= 0.99


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("switches", [NO_WORSE, AS_SLOW_AS_ALLOWED], ids=["rates", "times"])
def test_of_10000_candidates_that_are_no_worse_1_in_100_is_ended(switches: list[Switch]) -> None:
    assert share_ended(switches, 10_000) <= ALPHA


def test_the_simulation_finds_a_test_that_looks_without_correction() -> None:
    assert share_ended(NO_WORSE, 240, peek) > 3 * ALPHA


def test_the_simulation_finds_retries_and_events_that_are_counted_like_new_ones() -> None:
    """An event that fails is tried again, and events of one key and run fail together."""
    repeated = [each._replace(copies=20, lasts=2_000) for each in NO_WORSE]
    assert share_ended(repeated, 240) > 5 * ALPHA


def test_a_dependency_that_is_down_for_both_ends_no_canary() -> None:
    rng = random.Random(7)
    for share in (0.1, 0.5):
        for _ in range(20):
            candidate, stable = no_counts(), no_counts()
            for rate in (0.01, 0.9, 0.01, 0.5, 0.01):
                for _ in range(10):
                    switch = Switch(rate, rate, share, 0)
                    _observe(candidate, round(200 * share), rate, None, switch, rng)
                    _observe(stable, round(200 * (1 - share)), rate, None, switch, rng)
                    assert not is_worse(candidate, stable)


def test_nothing_is_decided_without_observations_of_both() -> None:
    failing: VariantCounts = {"n": 5_000, "failed": 5_000, "times": {"90": 5_000}}
    assert not is_worse(failing, no_counts())
    assert not is_worse(no_counts(), failing)
    assert not is_worse(no_counts(), no_counts())


def test_one_of_both_measures_is_enough() -> None:
    assert Evidence(failures=20.0, times=-9.0).is_enough
    assert Evidence(failures=-9.0, times=20.0).is_enough
    assert not Evidence(failures=log(100), times=-9.0).is_enough  # half of ALPHA for each


def test_a_candidate_that_is_faster_and_fails_less_is_no_worse() -> None:
    rng = random.Random(3)
    candidate, stable = no_counts(), no_counts()
    for _ in range(3_000):
        count_observation(candidate, rng.random() < 0.01, 0.05)
        count_observation(stable, rng.random() < 0.05, 0.2)
    assert weigh(candidate, stable).total < 0


def test_observations_add_up_to_the_same_however_they_come() -> None:
    rng = random.Random(5)
    whole, parts = no_counts(), [no_counts() for _ in range(3)]
    for n in range(500):
        failed, seconds = rng.random() < 0.1, rng.expovariate(1) if n % 3 else None
        count_observation(whole, failed, seconds)
        count_observation(rng.choice(parts), failed, seconds)
    summed = no_counts()
    for each in parts:
        add_counts(summed, each)
    assert summed == whole
    assert sum(whole["times"].values()) < whole["n"]


def test_a_bucket_has_the_times_up_to_its_bound() -> None:
    assert time_bucket(0) == time_bucket(0.0019) == 0
    assert time_bucket(1e9) == LAST_BUCKET
    for seconds in (0.0021, 0.01, 0.3, 7, 300):
        bucket = time_bucket(seconds)
        assert bucket_bound(bucket - 1) <= seconds <= bucket_bound(bucket)
    # What is longer by the margin is as many buckets higher as make the margin.
    assert time_bucket(0.15) == time_bucket(0.1) + 4
