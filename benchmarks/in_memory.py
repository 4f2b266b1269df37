"""How many events a second does a pipeline in memory take through three stages, and how long does
it take to start?"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks import pipelines
from farandole.testing import Pipeline

_TOPOLOGY = """\
pipeline: bench
events:
  feed: {}
  line.0: {key: household_id}
stages:
  read: {run: "benchmarks.in_memory:read_feed", subscribes: feed, emits: line.0}
  hop0: {run: "benchmarks.pipelines:price", subscribes: line.0, emits: line.1}
  hop1: {run: "benchmarks.pipelines:price", subscribes: line.1, emits: line.2}
  hop2: {run: "benchmarks.pipelines:price", subscribes: line.2, emits: line.3}
"""
KINDS = ("one run", "a run for each event")


class Feed(BaseModel):
    lines: int


def read_feed(feed: Feed) -> Iterator[pipelines.Line]:
    for number in range(feed.lines):
        yield pipelines.Line.model_validate_json(pipelines.line(number))


def measure(lines: int, rounds: int) -> dict[str, Any]:
    """Return the events a second of CPU by kind, from the first `send` to the balanced books and
    the results, and the CPU seconds until a pipeline is there once everything is imported. It works
    in one thread: on a machine that has nothing else to do, these are seconds."""
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    starts: list[float] = []
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as folder:
        file = Path(folder) / "topology.yaml"
        file.write_text(_TOPOLOGY)
        Pipeline(file, folder=Path.cwd()).close()  # imports everything
        for turn in range(rounds):
            for kind in KINDS:
                began = time.process_time()
                with Pipeline(file, folder=Path.cwd()) as pipeline:
                    starts.append(time.process_time() - began)
                    rates[kind].append(_rate(pipeline, kind, lines))
                print(
                    f"  round {turn + 1}: {kind:20} {rates[kind][-1]:10,.0f} events a second of CPU"
                )
    return {
        "what": "three stages of 4 lanes in memory, with books and results read back",
        "lines": lines,
        "rates": rates,
        **{f"events a second of CPU, {kind}": statistics.median(rates[kind]) for kind in KINDS},
        "seconds of CPU until it is there": statistics.median(starts),
    }


def _rate(pipeline: Pipeline, kind: str, lines: int) -> float:
    began = time.process_time()
    if kind == "one run":
        pipeline.send("feed", {"lines": lines})
    else:
        for number in range(lines):
            pipeline.send("line.0", pipelines.line(number))
    balanced = pipeline.run().is_balanced
    results = len(pipeline.emitted("line.3"))
    took = time.process_time() - began
    if not balanced or results != lines:
        raise RuntimeError(f"{results} of {lines} results, balanced: {balanced}")
    return lines / took
