"""What do the books cost, for many events of one run and for events that each open a run?

The same stage runs with and without ledger entries in turn, over the same lines, each time in a
process of its own.
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from typing import Any

from benchmarks import alone, pipelines
from farandole.broker.settings import Settings
from farandole.events.envelope import RUN_ID, TOPOLOGY_VERSION, attribute_header, constant_headers
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.record import Header
from farandole.events.topology_version import Version

KINDS = {"one run": "hop2", "a run for each event": "hop0"}
"""The stage that is measured, by kind: hop0 reads records without headers, hop2 events of one run.
No measured stage writes to the input of the other."""


async def measure(settings: Settings, lines: int, rounds: int) -> dict[str, Any]:
    """Return CPU and time a line, with and without the books, and the ratios, by kind."""
    for booked in (False, True):
        await _prepare(_settings_for(settings, booked), lines, booked)
    costs: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for turn in range(rounds):
        contestants = [(kind, booked) for kind in KINDS for booked in (turn % 2 == 0, turn % 2 > 0)]
        for kind, booked in contestants:
            seconds, cpu = alone.run_contestant(
                "benchmarks.books", _settings_for(settings, booked), KINDS[kind], lines
            )
            name = f"{kind}, {'with' if booked else 'without'} books"
            costs.setdefault(name, []).append(cpu / lines * 1e6)
            rates.setdefault(name, []).append(lines / seconds)
            print(f"  round {turn + 1}: {name:36} {rates[name][-1]:10,.0f} lines/s "
                  f"{costs[name][-1]:6.2f} us of CPU")  # fmt: skip
    results: dict[str, Any] = {
        "what": "one exactly-once hop with and without entries, 4 partitions, one process",
        "lines": lines,
        "us of CPU a line": costs,
        "rates": rates,
    }
    for kind in KINDS:
        cost = {b: statistics.median(costs[f"{kind}, {b} books"]) for b in ("with", "without")}
        results[f"CPU with / without, {kind}"] = cost["with"] / cost["without"]
    return results


def _settings_for(settings: Settings, booked: bool) -> Settings:
    return settings.model_copy(
        update={"namespace": f"{settings.namespace}{'y' if booked else 'n'}"}
    )


async def _prepare(settings: Settings, lines: int, booked: bool) -> None:
    version = pipelines.chain(settings, 3)
    if booked:
        version = version.model_copy(update={"ledger": DEFAULT_LEDGER_PARTITIONS})
    await pipelines.publish(
        settings, version, {settings.names.ledger_topic: DEFAULT_LEDGER_PARTITIONS}
    )
    await pipelines.fill(settings, version.events["line.0"].topic, lines)
    await _fill_one_run(settings, version, lines)


async def _fill_one_run(settings: Settings, version: Version, lines: int) -> None:
    """Write events as the second stage would emit them, all of one run."""
    named = [
        *constant_headers(version.source("hop1"), "line.2", datetime.now(UTC)),
        attribute_header(TOPOLOGY_VERSION, version.name),
    ]
    run = attribute_header(RUN_ID, "aaaaaaaaaaaaa")

    def headers(partition: int, number: int) -> list[Header]:
        return [*named, ("ce_id", b"line.1/%d/%d/0" % (partition, number)), run]

    await pipelines.fill(settings, version.events["line.2"].topic, lines, headers)


async def _contest(settings: Settings, stage: str, lines: int) -> float:
    source = settings.names.event_topic("bench", f"line.{stage[-1]}")
    return await alone.time_worker(settings, stage, source, lines)


if __name__ == "__main__":
    alone.main(_contest)
