"""Are failing events measured by what happens to the others, and to all once they may succeed?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from benchmarks import retries
from benchmarks.retries import Passed, flood_figures, measure_passed
from benchmarks.watched import WorkerSample
from farandole.broker.settings import Settings

MIB = 2**20


def sample(seconds: float, cpu: float = 0.0, *, emitted: int = 0, **more: int) -> WorkerSample:
    counts: dict[str, Any] = {
        "memory": MIB,
        "parked": 0,
        "dead": 0,
        "waiting": 0,
        "lanes": 4,
        **more,
    }
    return WorkerSample(seconds=seconds, cpu=cpu, emitted=emitted, **{"down": False, **counts})


def test_the_others_are_measured_from_the_coming_of_the_lanes_to_the_last_of_them() -> None:
    samples = [
        sample(0, 0, lanes=0),
        sample(3, 1),
        sample(4, 2, emitted=500),
        sample(5, 4, emitted=990, dead=2),
        sample(9, 8, emitted=990, dead=10),
    ]
    assert measure_passed(samples, 990) == Passed(990, 2, 3)


def test_a_run_in_which_some_of_the_others_are_missing_gives_no_rate() -> None:
    assert measure_passed([sample(3, 1), sample(9, 8, emitted=989)], 990) is None


def test_a_flood_is_told_apart_into_what_was_before_and_after_the_switch() -> None:
    samples = [
        sample(0, 0, lanes=0),
        sample(1, 1, down=True),
        sample(6, 4, down=True, parked=300, waiting=80, memory=7 * MIB),
        sample(11, 6, down=True, parked=300, waiting=90, memory=5 * MIB),
        sample(12, 6.5, waiting=90),
        sample(14, 7, emitted=50, waiting=60),
        sample(16, 8, emitted=1000),
    ]
    assert flood_figures(samples) == {
        "MiB at the start": 1,
        "MiB at most": 7,
        "most that waited in a lane": 90,
        "seconds down": 10,
        "made to wait while down": 300,
        "share of a core while down, second half": 2 / 5,
        "MiB in the middle of it": 7,
        "MiB at its end": 5,
        "seconds until the first result": 3,
        "seconds until all was through": 5,
        "us of CPU a line from then on": pytest.approx(2000),
        "us of CPU a line in all": pytest.approx(7000),
    }


def test_of_the_failing_keys_one_has_a_hundredth_of_the_lines_and_many_one_each() -> None:
    lines = [orjson.loads(retries.of_a_thousand(n))["household_id"] for n in range(100_000)]
    keys = Counter(lines)
    alone = [household for household in keys if household >= 1000]
    assert (len(keys), keys[0], len(alone)) == (2000, 1000, 1000)
    assert 90 <= keys[1] <= 100


@pytest.mark.kafka
async def test_the_others_are_all_emitted_and_the_failing_key_dies(settings: Settings) -> None:
    # Once the others are through, each event of the failing key gets all of its tries.
    found = await retries.one_key(settings, 300, 1, limit=240)
    assert found["marks"] == {}
    assert all(costs for costs in found["us of CPU a line"].values())


@pytest.mark.kafka
async def test_a_dependency_that_was_away_costs_no_event(settings: Settings) -> None:
    found = await retries.flood(settings, "1,000 keys, down, a breaker", 4_000, 1.0, limit=60)
    assert found["marks"] == []
    assert 0 < found["made to wait while down"] < 4_000
    assert found["most that waited in a lane"] > 0


@pytest.mark.kafka
async def test_what_is_cut_is_marked(settings: Settings) -> None:
    found = await retries.flood(settings, "1,000 keys, down, a breaker", 400, 60.0, limit=1.0)
    assert [mark.partition(":")[0] for mark in found["marks"]] == ["unfinished"]
