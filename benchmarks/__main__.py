"""How fast is Farandole, measured on an embedded Kafka?"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from benchmarks import (
    books,
    flag_reads,
    hop,
    idle,
    in_memory,
    latency,
    pipeline,
    profiled_hop,
    profiled_lane,
    profiles,
    read_model,
    retries,
    rewiring,
    schedules,
    shadows,
    startup,
)
from benchmarks.anomalies import plan, simulated_years
from benchmarks.peers import race, verdict
from farandole.broker import embedded_kafka, java_runtime
from farandole.broker.settings import Settings

PARTS = (
    "memory", "flags", "profiles", "anomalies", "hop", "profiled-hop", "latency", "pipeline",
    "rewiring", "books", "retries", "shadows", "schedules", "console", "startup", "idle", "peers",
)  # fmt: skip
# The defaults of --lines and --rounds. There are few for the peers, since nine of them take long.
LINES = {
    "memory": 5_000,
    "flags": 200_000,
    "profiles": 5_000,
    "hop": 3_000_000,
    "profiled-hop": 500_000,
    "books": 1_000_000,
    "retries": 200_000,
    "shadows": 500_000,
    "peers": 1_000_000,
}
ROUNDS = {
    "memory": 5,
    "flags": 15,
    "profiles": 30,
    "anomalies": 2,
    "hop": 3,
    "profiled-hop": 4,
    "books": 4,
    "retries": 3,
    "shadows": 5,
    "peers": 2,
}


async def measure_all(arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = arguments.only or PARTS
    results: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "kafka": java_runtime.KAFKA_VERSION,
    }
    if "memory" in wanted:
        lines, rounds = _size(arguments, "memory")
        print(f"a pipeline in memory, {lines:,} lines a round")
        results["memory"] = await asyncio.to_thread(in_memory.measure, lines, rounds)
    if "flags" in wanted:
        reads, rounds = _size(arguments, "flags")
        print(f"flags, {reads:,} reads a round")
        results["flags"] = flag_reads.measure(reads, rounds)
    if "profiles" in wanted:
        rows, rounds = _size(arguments, "profiles")
        print(f"profiles of {rows:,} rows")
        results["profiles"] = profiles.measure(rows, rounds)
        results["profiles"] |= profiled_lane.measure(rows, rounds)
    if "anomalies" in wanted:
        years = arguments.rounds or ROUNDS["anomalies"]
        seeds = (plan.REPORTED if arguments.reported else plan.TUNING)[:years]
        print(f"simulated years of two feeds, {len(seeds)} with faults and {len(seeds)} without")
        results["anomalies"] = simulated_years.measure(seeds)
    if not set(wanted) - {"memory", "flags", "profiles", "anomalies"}:
        return results
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        running = await embedded_kafka.start_embedded(
            Path(folder), progress=lambda _: None, port=9192
        )
        try:

            def settings() -> Settings:
                return Settings(
                    bootstrap=running.address,
                    replication_factor=1,
                    namespace=f"b{secrets.token_hex(3)}",
                )

            if "hop" in wanted:
                lines, rounds = _size(arguments, "hop")
                print(f"one hop, {lines:,} lines a round")
                results["hop"] = await hop.measure(settings(), lines, rounds)
            if "profiled-hop" in wanted:
                lines, rounds = _size(arguments, "profiled-hop")
                print(f"one hop with and without a profile, {lines:,} lines a round")
                results["profiled-hop"] = await profiled_hop.measure(settings(), lines, rounds)
            if "latency" in wanted:
                print(f"five hops, {arguments.triggers} triggers")
                results["latency"] = await latency.measure(settings(), arguments.triggers)
            if "pipeline" in wanted:
                print("the shipped pipeline")
                results["pipeline"] = await pipeline.measure(settings(), arguments.weeks)
            if "rewiring" in wanted:
                print("twenty edits under load")
                results["rewiring"] = await rewiring.measure(settings())
            if "books" in wanted:
                lines, rounds = _size(arguments, "books")
                print(f"one hop with and without the books, {lines:,} lines a round")
                results["books"] = await books.measure(settings(), lines, rounds)
            if "retries" in wanted:
                lines, rounds = _size(arguments, "retries")
                print(f"one key, then all of them failing, {lines:,} lines each time")
                results["retries"] = await retries.measure(
                    settings(), lines, rounds, arguments.limit, arguments.down,
                    arguments.flood or (),
                )  # fmt: skip
            if "shadows" in wanted:
                lines, rounds = _size(arguments, "shadows")
                print(f"one hop without and with a shadow, {lines:,} lines a round")
                results["shadows"] = await shadows.measure(settings(), lines, rounds)
            if "schedules" in wanted:
                print(f"{arguments.schedules:,} schedules")
                results["schedules"] = await schedules.measure(settings(), arguments.schedules)
            if "console" in wanted:
                print(f"a console that knows {arguments.runs:,} runs")
                results["console"] = await read_model.measure(settings(), arguments.runs)
            if "startup" in wanted:
                print("starts of a Kafka after a light load")
                results["startup"] = await startup.measure(arguments.hours or startup.HOURS)
            if "idle" in wanted:
                print("the shipped pipeline at rest")
                results["idle"] = await idle.measure(settings())
            if "peers" in wanted:
                lines, rounds = _size(arguments, "peers")
                print(f"one hop beside the peers, {lines:,} lines a round")
                results["peers"] = await race.measure(
                    settings(), lines, rounds, arguments.limit, arguments.peer or ()
                )
        finally:
            await embedded_kafka.stop_embedded(Path(folder))
    return results


def _size(arguments: argparse.Namespace, part: str) -> tuple[int, int]:
    return arguments.lines or LINES[part], arguments.rounds or ROUNDS[part]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--lines", type=int, help=f"of each round; by default {LINES}")
    parser.add_argument(
        "--rounds", type=int, help=f"of anomalies: years, at most 10; by default {ROUNDS}"
    )
    parser.add_argument(
        "--reported", action="store_true", help="of anomalies: years that nothing was tuned with"
    )
    parser.add_argument(
        "--peer", action="append", type=str.lower, metavar="NAME", help="a part of its name"
    )
    parser.add_argument(
        "--limit", type=float, default=120, help="seconds for one run of a peer, or of retries"
    )
    parser.add_argument(
        "--down", type=float, default=15, help="seconds that a dependency is away; 0: no flood"
    )
    parser.add_argument(
        "--flood", action="append", choices=retries.FLOODS, metavar="NAME",
        help=f"of retries this alone: {', '.join(map(repr, retries.FLOODS))}",
    )  # fmt: skip
    parser.add_argument(
        "--hours", action="append", type=float, help=f"of load; by default {startup.HOURS}"
    )
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100_000, help="that a console knows")
    parser.add_argument("--triggers", type=int, default=400)
    parser.add_argument("--weeks", type=int, default=10, help="the first N weeks of the data")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results.json"))
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    results = asyncio.run(measure_all(arguments))
    arguments.out.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    for name in PARTS:
        for key, value in results.get(name, {}).items():
            if isinstance(value, int | float | str):
                print(
                    f"{name:9} {key}: {value:,.2f}"
                    if isinstance(value, float)
                    else f"{name:9} {key}: {value}"
                )
    if "peers" in results:
        print(verdict.table(results["peers"]["rows"]))
    print(f"all figures: {arguments.out}")


if __name__ == "__main__":
    main()
