"""How soon does a console know 100,000 runs, and what do ten browsers cost it?

The console's read model runs in a process of its own. The rows of runs are as a bookkeeper writes
them, twenty for each run, 500 runs at a time, and nothing is compacted.
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
import structlog

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS, ledger_partition
from farandole.events.run_row import RunRow, new_edge, new_run_row
from farandole.operations.installation import Installation
from farandole.operations.read_model.read_model import ReadModel, open_read_model
from farandole.operations.read_model.runs_query import RunsQuery
from farandole.operations.setup.web_settings import WebSettings
from farandole.operations.topology_source import TopologySource
from farandole.router.system_topics import system_topic_specs
from farandole.services.process_memory import collect_seldom, keep_freed_memory
from farandole.web.service import run_console

UPDATES = 20  # rows of a run
NEWEST = 10_000
STREAMS = 10
_AT_ONCE = 500  # runs that are open at the same time
_GAP_MS = 100  # between two runs
_STAGES = ("ingest", "validate", "enrich", "price", "load")
_RUN = "RUN"  # in templates
_WATCHED = 20.0  # seconds
_CHANGES = 20  # rows of runs a second meanwhile


async def measure(settings: Settings, runs: int) -> dict[str, Any]:
    """Return seconds, MB, and the share of a core."""
    began = time.monotonic()
    size = await _write(settings, runs)
    print(f"  written: {size / 2**30:.1f} GiB in {time.monotonic() - began:.0f} s", flush=True)
    loaded = await _load(settings, runs)
    watched = await _watch(settings, runs)
    return {
        "what": f"{runs:,} runs of {UPDATES} rows, {size / runs / UPDATES:,.0f} bytes each",
        **loaded,
        **watched,
    }


def _templates(began: int) -> list[bytes]:
    """Return the JSON of each row of a run, without what differs from run to run; the last one
    closes it."""
    return [orjson.dumps(_row(update, began)) for update in range(UPDATES)]


def _row(update: int, opened: int) -> RunRow:
    row = new_run_row(_RUN, "order-lines", 7, opened)
    last = update == UPDATES - 1
    share = (update + 1) / UPDATES
    for stage in _STAGES:
        edge = new_edge()
        edge["emitted"] = 1_000
        edge["consumed"] = round(1_000 * share)
        edge["differs"] = 0 if last else 2**60 + update
        edge["age"], edge["seconds"], edge["lines"] = 0.123, 4.567, edge["consumed"]
        edge["first"], edge["last"] = opened, opened
        row["edges"][f"line.{stage}ed>{stage}"] = edge
    row["root"] = {
        "type": "feed.requested", "topic": "order-lines.feed.requested", "partition": 0,
        "offset": 0, "at": opened, "to": ["plan"], "within": 120.0,
    }  # fmt: skip
    row["status"] = "completed" if last else "running"
    row["closed"] = opened if last else None
    return row


def _rows(runs: int, began: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield key, value and time of all rows in the order in which they are written."""
    span = _AT_ONCE // UPDATES
    templates = _templates(began)
    at = str(began).encode()
    for step in range(runs + _AT_ONCE):
        for update, template in enumerate(templates):
            number = step - update * span
            if 0 <= number < runs:
                key = b"r%012d" % number
                opened = began + number * _GAP_MS
                value = template.replace(_RUN.encode(), key).replace(at, b"%d" % opened)
                yield key, value, opened + update * span * _GAP_MS


async def _write(settings: Settings, runs: int) -> int:
    """Write all rows, and return their bytes."""
    specs = system_topic_specs(settings.names)
    topic = settings.names.runs_topic
    uncompacted = {"min.compaction.lag.ms": str(86_400_000)}
    specs[topic] = replace(specs[topic], configs={**specs[topic].configs, **uncompacted})
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics(specs)
    size = 0
    began = int(time.time() * 1000) - runs * _GAP_MS
    producer = make_producer(settings, max_batch_size=2**19)
    async with open_client(producer, settings) as client:
        batches = {p: client.create_batch() for p in range(DEFAULT_LEDGER_PARTITIONS)}
        sent: list[Any] = []
        for key, value, at in _rows(runs, began):
            size += len(value)
            partition = ledger_partition(key, DEFAULT_LEDGER_PARTITIONS)
            given = {"key": key, "value": value, "timestamp": at}
            if batches[partition].append(**given) is None:
                sent.append(await client.send_batch(batches[partition], topic, partition=partition))
                batches[partition] = client.create_batch()
                batches[partition].append(**given)
                if len(sent) > 64:
                    await asyncio.gather(*sent)
                    sent.clear()
        for partition, batch in batches.items():
            if batch.record_count():
                sent.append(await client.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
    return size


async def _load(settings: Settings, runs: int) -> dict[str, Any]:
    lines: dict[str, Any] = {}
    async with asyncio.timeout(300):
        child = await _child(settings, "load", str(runs))
        assert child.stdout is not None
        async for line in child.stdout:
            lines |= orjson.loads(line)
        await child.wait()
    if not lines:
        raise RuntimeError("the read model has ended without a result")
    return lines


async def _watch(settings: Settings, runs: int) -> dict[str, Any]:
    """Return what ten streams cost while rows come, and how long one takes to a browser."""
    child = await _child(settings, "serve")
    assert child.stdout is not None
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            url = (await child.stdout.readline()).decode().strip()
            status = f"{url}api/v1/stream?topics=status"
            async with client.get(status) as response:
                while '"loading":null' not in (await response.content.readline()).decode():
                    pass
            delays: list[float] = []
            views = "status,attention,run-counts,runs,letters"
            readers = [
                asyncio.create_task(_read(client, f"{url}api/v1/stream?topics={views}", delays))
                for _ in range(STREAMS)
            ]
            await asyncio.sleep(3)
            process = psutil.Process(child.pid)
            before = sum(process.cpu_times()[:2])
            idle_began = time.monotonic()
            await asyncio.sleep(_WATCHED / 2)
            idle = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - idle_began)
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            await _change(settings, runs)
            busy = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)
            delays.sort()
            return {
                f"share of a core, {STREAMS} streams, nothing happens": round(idle, 3),
                f"share of a core, {STREAMS} streams, {_CHANGES} rows/s": round(busy, 3),
                "ms from a row to a browser, median": round(delays[len(delays) // 2] * 1000),
                "ms from a row to a browser, p99": round(delays[len(delays) * 99 // 100] * 1000),
                "MB while served": process.memory_info().rss // 2**20,
            }
    finally:
        child.terminate()
        await child.wait()


async def _change(settings: Settings, runs: int) -> None:
    async with open_client(make_producer(settings), settings) as client:
        for number in range(round(_CHANGES * _WATCHED)):
            run = f"n{number:012}"
            row = new_run_row(run, "order-lines", 7, int(time.time() * 1000))
            row["last"] = time.time_ns() // 1_000_000
            key = run.encode()
            await client.send_and_wait(
                settings.names.runs_topic, orjson.dumps(row), key=key,
                partition=ledger_partition(key, DEFAULT_LEDGER_PARTITIONS),
            )  # fmt: skip
            await asyncio.sleep(1 / _CHANGES)


async def _read(client: aiohttp.ClientSession, url: str, delays: list[float]) -> None:
    async with client.get(url) as response:
        while line := await response.content.readline():
            if not line.startswith(b"data: "):
                continue
            runs = orjson.loads(line[6:])["views"].get("runs")
            if runs and not runs["whole"]:
                now = time.time()
                delays += [now - row["last"] / 1000 for row in runs["rows"].values()]


async def _child(settings: Settings, *words: str) -> asyncio.subprocess.Process:
    given = [settings.bootstrap or "", settings.namespace]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.read_model", *given, *words, stdout=PIPE
    )


async def _load_here(installation: Installation, runs: int) -> None:
    began, spent = time.monotonic(), time.process_time()
    newest = None
    complete_since: int | None = None
    async with open_read_model(installation) as model:
        while True:
            status = model.status()
            since = status.loading.complete_since if status.loading else None
            if newest is None and (status.loading is None or since != complete_since):
                complete_since = since
                if status.loading is None or await _are_known(model, since):
                    newest = time.monotonic() - began, time.process_time() - spent
            if status.current is not None and status.loading is None:
                break
            await asyncio.sleep(0.02)
        assert status.runs == runs, status
        assert newest is not None
        found = {
            f"s to the newest {NEWEST:,}": round(newest[0], 1),
            f"CPU s to the newest {NEWEST:,}": round(newest[1], 1),
            "s to all": round(time.monotonic() - began, 1),
            "CPU s to all": round(time.process_time() - spent, 1),
            "MB": psutil.Process().memory_info().rss // 2**20,
        }
    print(orjson.dumps(found).decode(), flush=True)


async def _are_known(model: ReadModel, since: int | None) -> bool:
    """Return True if the newest runs were opened since then, and so none of them can be missing."""
    return since is not None and (
        (await model.runs(RunsQuery(since=since, limit=1))).total >= NEWEST
    )


async def _serve_here(installation: Installation) -> None:
    web = WebSettings(web_port=0, web_auth="none")
    await run_console(installation, web, asyncio.Event(), lambda url: print(url, flush=True))


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    address, namespace, what, *rest = sys.argv[1:]
    collect_seldom()
    keep_freed_memory()
    here = Installation(
        Settings(bootstrap=address, namespace=namespace), Path(),
        TopologySource(Path("topology.yaml"), None), "order-lines",
    )  # fmt: skip
    asyncio.run(_load_here(here, int(rest[0])) if what == "load" else _serve_here(here))
