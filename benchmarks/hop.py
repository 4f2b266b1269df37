"""How many lines a second pass one exactly-once hop, written by hand and as a stage?

The contestants run in turn over the same topic, each in a process of its own. The ratio counts.
"""

from __future__ import annotations

import statistics
import uuid
from typing import Any

from benchmarks import alone, hand, pipelines
from farandole.broker.settings import Settings

CONTESTANTS = ("by hand", "by hand, with headers", "as a stage")


async def measure(settings: Settings, lines: int, rounds: int) -> dict[str, Any]:
    """Return the lines a second of each contestant in each round, and the ratios of the medians."""
    names = settings.names
    version = pipelines.chain(settings, 1)
    await pipelines.publish(settings, version, {})
    await pipelines.fill(settings, version.events["line.0"].topic, lines)
    rates: dict[str, list[float]] = {c: [] for c in CONTESTANTS}
    costs: dict[str, list[float]] = {c: [] for c in CONTESTANTS}
    for turn in range(rounds):
        # Each round starts with another contestant, so that a drift of the machine favours none.
        for contestant in CONTESTANTS[turn % 3 :] + CONTESTANTS[: turn % 3]:
            seconds, cpu = alone.run_contestant("benchmarks.hop", settings, contestant, lines)
            rate, cost = lines / seconds, cpu / lines * 1e6
            rates[contestant].append(rate)
            costs[contestant].append(cost)
            print(
                f"  round {turn + 1}: {contestant:24} {rate:10,.0f} lines/s {cost:6.2f} us of CPU"
            )
    medians = {c: statistics.median(r) for c, r in rates.items()}
    cpu_us = {c: statistics.median(r) for c, r in costs.items()}
    return {
        "what": "one exactly-once hop, JSON lines of 130 bytes, 4 partitions, one process",
        "namespace": names.namespace,
        "lines": lines,
        "rates": rates,
        "medians": medians,
        "us of CPU a line": costs,
        # CPU time does not contain what other virtual machines take away.
        "CPU by hand with headers / stage": cpu_us[CONTESTANTS[1]] / cpu_us[CONTESTANTS[2]],
        "stage / by hand with headers": medians[CONTESTANTS[2]] / medians[CONTESTANTS[1]],
        "stage / by hand": medians[CONTESTANTS[2]] / medians[CONTESTANTS[0]],
    }


async def _contest(settings: Settings, contestant: str, lines: int) -> float:
    source = settings.names.event_topic("bench", "line.0")
    if contestant != "as a stage":
        return await hand.hop(
            settings.bootstrap or "",
            source,
            settings.names.event_topic("bench", "line.1"),
            pipelines.PARTITIONS,
            f"hand-{uuid.uuid4().hex[:8]}",
            lines,
            headers=contestant.endswith("headers"),
        )
    return await alone.time_worker(settings, "hop0", source, lines)


if __name__ == "__main__":
    alone.main(_contest)
