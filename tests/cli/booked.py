"""Rows as the ledger writes them, without a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.events.run_row import RunEdge, RunRow

AT = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def edge(n: int, **more: Any) -> RunEdge:
    """Of which n were emitted and settled, if nothing else is said."""
    settled: RunEdge = {
        "emitted": n,
        "consumed": n,
        "differs": 0,
        "bypassed": 0,
        "dropped": 0,
        "filtered": 0,
        "dead": 0,
        "cancelled": 0,
        "parked": 0,
        "age": 0.25,
        "seconds": n / 1000,
        "first": AT,
        "last": AT + 2000,
    }
    return settled | more  # type: ignore[return-value]


def row(run: str = "a" * 13, edges: Mapping[str, RunEdge] | None = None, **more: Any) -> RunRow:
    """Of a run that has completed in 12.5 s, if nothing else is said."""
    whole: RunRow = {
        "run": run,
        "pipeline": "order-lines",
        "version": 1,
        "status": "completed",
        "root": {
            "type": "feed.requested",
            "topic": "order-lines.feed.requested",
            "partition": 0,
            "offset": 0,
            "at": AT,
            "to": ["plan"],
        },
        "opened": AT,
        "last": AT + 12_500,
        "closed": AT + 12_500,
        "amended": 0,
        "late": False,
        "edges": dict(edges or {"feed.requested>plan": edge(1)}),
        "leaves": {},
    }
    return whole | more  # type: ignore[return-value]


def put(settings: Settings, *rows: RunRow | tuple[bytes, bytes | None]) -> None:
    """Write rows, or whatever, to `farandole.runs`, in their order."""

    async def written() -> None:
        topic = settings.names.runs_topic
        async with ClusterAdmin.open(settings) as admin:
            await admin.create_topics({topic: TopicSpec(4, {"cleanup.policy": "compact"})})
        async with open_client(make_producer(settings), settings) as client:
            for each in rows:
                key, value = (
                    each if isinstance(each, tuple) else (each["run"].encode(), orjson.dumps(each))
                )
                await client.send_and_wait(topic, value, key=key)

    asyncio.run(written())
