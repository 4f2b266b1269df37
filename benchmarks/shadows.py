"""What does a shadow cost the stage that has it, by the share of its events?

The same stage works the same lines without a shadow and with one at each share in turn, each time
in a process of its own. The candidate has a process of its own, too: what it costs is not counted
as the stage's, but on a machine with few cores it takes from the elapsed time.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks import alone, pipelines
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.control_documents import serialize_control
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.switch_document import SwitchDocument
from farandole.events.topology_version import StageTopic

SHARES = {"without": 0.0, "at 1 %": 0.01, "at 10 %": 0.1, "at 100 %": 1.0}
STAGE = "hop0"


async def measure(settings: Settings, lines: int, rounds: int) -> dict[str, Any]:
    """Return CPU and time a line of the worker's process, by share, and the ratios of medians."""
    await _prepare(settings, lines)
    costs: dict[str, list[float]] = {name: [] for name in SHARES}
    rates: dict[str, list[float]] = {name: [] for name in SHARES}
    names = [*SHARES]
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            await _switch(settings, SHARES[name])
            seconds, cpu = alone.run_contestant("benchmarks.shadows", settings, name, lines)
            costs[name].append(cpu / lines * 1e6)
            rates[name].append(lines / seconds)
            print(f"  round {turn + 1}: {name:10} {rates[name][-1]:10,.0f} lines/s "
                  f"{costs[name][-1]:6.2f} us of CPU")  # fmt: skip
    results: dict[str, Any] = {
        "what": "one exactly-once hop with a shadow of its function, 4 partitions, one process",
        "lines": lines,
        "us of CPU a line": costs,
        "rates": rates,
    }
    own = statistics.median(costs["without"])
    least = min(costs["without"])
    for name in names[1:]:
        results[f"CPU {name} / without"] = statistics.median(costs[name]) / own
        results[f"least CPU {name} / without"] = min(costs[name]) / least
    return results


async def _prepare(settings: Settings, lines: int) -> None:
    version, names = pipelines.chain(settings, 1), settings.names
    state = StageTopic(topic=names.state_topic("bench", STAGE), partitions=pipelines.PARTITIONS)
    stage = version.stages[STAGE].model_copy(update={"state": state})
    version = version.model_copy(
        update={"ledger": DEFAULT_LEDGER_PARTITIONS, "stages": {STAGE: stage}}
    )
    extra = {
        names.ledger_topic: DEFAULT_LEDGER_PARTITIONS,
        names.control_topic: 1,
        state.topic: state.partitions,
    }
    await pipelines.publish(settings, version, extra)
    await pipelines.fill(settings, version.events["line.0"].topic, lines)


async def _switch(settings: Settings, share: float) -> None:
    run = "benchmarks.pipelines:price"
    switch = SwitchDocument(pipeline="bench", stage=STAGE, mode="on")
    if share:
        switch = switch.model_copy(update={"mode": "shadow", "run": run, "share": share})
    async with open_client(make_producer(settings), settings) as client:
        await client.send_and_wait(
            settings.names.control_topic, serialize_control(switch), key=switch.key
        )


async def _contest(settings: Settings, name: str, lines: int) -> float:
    source = settings.names.event_topic("bench", "line.0")
    return await alone.time_worker(settings, STAGE, source, lines)


if __name__ == "__main__":
    alone.main(_contest)
