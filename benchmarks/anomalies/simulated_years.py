"""What is found in simulated years of the shipped pipeline, by the week and by the day?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.anomalies.plan import DAILY, WEEKLY, FeedPlan
from benchmarks.anomalies.simulated_runs import simulated_runs
from benchmarks.anomalies.simulated_score import SimulatedScore


def measure(seeds: Sequence[int]) -> dict[str, Any]:
    """Return what is found in a year without and in one with faults of each feed and seed. A seed
    takes about a minute."""
    results: dict[str, Any] = {}
    for plan in (WEEKLY, DAILY):
        for name, figure in _of_feed(plan, seeds).items():
            results[f"{plan.name}, {name}"] = figure
    return results


def _of_feed(plan: FeedPlan, seeds: Sequence[int]) -> dict[str, Any]:
    clean, faulty, seconds = SimulatedScore(), SimulatedScore(), 0.0
    for seed in seeds:
        for score in (clean, faulty):
            runs = [*simulated_runs(plan, seed, faulty=score is faulty)]
            began = time.process_time()
            score.add(runs)
            seconds += time.process_time() - began
        print(
            f"  {plan.name}, seed {seed}: {clean.false_a_month:.2f} false alarms a month,"
            f" {faulty.recall:.1%} found, {faulty.precision:.1%} right"
        )
    return {
        "false alarms a month, without faults": round(clean.false_a_month, 3),
        "faults found": f"{faulty.found.total()}/{faulty.planted.total()} = {faulty.recall:.1%}",
        "incidents that are right": f"{faulty.precision:.1%}",
        "metrics": faulty.metrics,
        "ms of CPU to judge a run": round(1000 * seconds / (clean.runs + faulty.runs), 1),
        "found by fault": faulty.by_fault(),
    }
