"""What do the benchmarks say, on an embedded Kafka of their own?"""

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

from benchmarks import hop, latency, pipeline, rewiring
from broker import embedded
from broker.settings import Settings

PARTS = ("hop", "latency", "pipeline", "rewiring")


async def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = arguments.only or PARTS
    results: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "kafka": embedded.KAFKA,
    }
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        running = await embedded.start(Path(folder), progress=lambda _: None, port=9192)
        try:

            def settings() -> Settings:
                return Settings(
                    bootstrap=running.address,
                    replication_factor=1,
                    namespace=f"b{secrets.token_hex(3)}",
                )

            if "hop" in wanted:
                print(f"one hop, {arguments.lines:,} lines a round")
                results["hop"] = await hop.measure(settings(), arguments.lines, arguments.rounds)
            if "latency" in wanted:
                print(f"five hops, {arguments.triggers} triggers")
                results["latency"] = await latency.measure(settings(), arguments.triggers)
            if "pipeline" in wanted:
                print("the shipped pipeline")
                results["pipeline"] = await pipeline.measure(settings(), arguments.weeks)
            if "rewiring" in wanted:
                print("twenty edits under load")
                results["rewiring"] = await rewiring.measure(settings())
        finally:
            await embedded.stop(Path(folder))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=["hop", "latency", "pipeline", "rewiring"]
    )
    parser.add_argument("--lines", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--triggers", type=int, default=400)
    parser.add_argument("--weeks", type=int, default=10, help="the first N weeks of the data")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results.json"))
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    results = asyncio.run(measured(arguments))
    arguments.out.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    for name in PARTS:
        for key, value in results.get(name, {}).items():
            if isinstance(value, int | float | str):
                print(
                    f"{name:9} {key}: {value:,.2f}"
                    if isinstance(value, float)
                    else f"{name:9} {key}: {value}"
                )
    print(f"all figures: {arguments.out}")


if __name__ == "__main__":
    main()
