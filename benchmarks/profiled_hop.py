"""What does the profile of ten fields add to a typed exactly-once hop?

The same stage runs with and without it in turn, over the same lines of one run, each time in a
process of its own.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks import alone, pipelines
from benchmarks.profiled_lane import SCHEMA
from benchmarks.profiles import line
from farandole.broker.settings import Settings
from farandole.events.check_spec import ProfileSpec
from farandole.events.envelope import RUN_ID, TOPOLOGY_VERSION, attribute_header, constant_headers
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.record import Header
from farandole.events.topology_version import QUALITY_FORMAT, Version

CONTESTANTS = {"without": None, "profiled": ProfileSpec()}
_STAGE, _SOURCE = "hop1", "line.1"


async def measure(settings: Settings, lines: int, rounds: int) -> dict[str, Any]:
    """Return CPU and time a line, without and with the profile, and its share of the hop."""
    for name in CONTESTANTS:
        await _prepare(_settings_for(settings, name), name, lines)
    costs: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for turn in range(rounds):
        for name in [*CONTESTANTS][:: 1 if turn % 2 else -1]:
            seconds, cpu = alone.run_contestant(
                "benchmarks.profiled_hop", _settings_for(settings, name), name, lines
            )
            costs[name].append(cpu / lines * 1e6)
            rates[name].append(lines / seconds)
            print(f"  round {turn + 1}: {name:9} {rates[name][-1]:10,.0f} lines/s "
                  f"{costs[name][-1]:6.2f} us of CPU")  # fmt: skip
    results: dict[str, Any] = {
        "what": "one typed exactly-once hop, ten fields, one run, 4 partitions, one process",
        "lines": lines,
        "us of CPU a line": costs,
        "rates": rates,
    }
    for label, chosen in (("medians", statistics.median), ("least", min)):
        with_it, without = (chosen(costs[name]) for name in ("profiled", "without"))
        results[f"CPU with / without, {label}"] = with_it / without
        results[f"share of the hop, {label}"] = (with_it - without) / with_it
    return results


def _settings_for(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"namespace": f"{settings.namespace}{name[0]}"})


async def _prepare(settings: Settings, name: str, lines: int) -> None:
    version = _version(settings, name)
    await pipelines.publish(
        settings, version, {settings.names.ledger_topic: DEFAULT_LEDGER_PARTITIONS}
    )
    named = [
        *constant_headers(version.source("hop0"), _SOURCE, version.published),
        attribute_header(TOPOLOGY_VERSION, version.name),
    ]
    run = attribute_header(RUN_ID, "aaaaaaaaaaaaa")

    def headers(partition: int, number: int) -> list[Header]:
        return [*named, ("ce_id", b"line.0/%d/%d/0" % (partition, number)), run]

    await pipelines.fill(settings, version.events[_SOURCE].topic, lines, headers, line)


def _version(settings: Settings, name: str) -> Version:
    version = pipelines.chain(settings, 2)
    source = version.events[_SOURCE].model_copy(
        update={"data_schema": SCHEMA, "profile": CONTESTANTS[name]}
    )
    stage = version.stages[_STAGE].model_copy(update={"run": "benchmarks.profiled_lane:price"})
    return version.model_copy(
        update={
            "format": QUALITY_FORMAT,
            "ledger": DEFAULT_LEDGER_PARTITIONS,
            "events": {**version.events, _SOURCE: source},
            "stages": {**version.stages, _STAGE: stage},
        }
    )


async def _contest(settings: Settings, _: str, lines: int) -> float:
    source = settings.names.event_topic("bench", _SOURCE)
    return await alone.time_worker(settings, _STAGE, source, lines)


if __name__ == "__main__":
    alone.main(_contest)
