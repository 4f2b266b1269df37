"""Orders for the pipeline of `examples/external`, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.operations.runs.run_rows import read_run_records
from tests.books.clean import until

EXAMPLE = Path(__file__).parents[2] / "examples" / "external"
ORDERS = 12


async def place_orders(settings: Settings, topic: str, first: int) -> int:
    """Place orders of three lines each, and return how many there are now if `first` were there."""
    async with open_client(make_producer(settings), settings) as writer:
        for number in range(first, first + ORDERS):
            order = {"customer": f"c{number % 5}", "cents": [number, 1000, 999]}
            await writer.send_and_wait(topic, json.dumps(order).encode(), partition=0)
    return first + ORDERS


async def statuses(settings: Settings) -> dict[str, str]:
    rows: dict[str, str] = {}
    async for batch in read_run_records(settings):
        rows |= {each.run: each.row["status"] for each in batch if each.row is not None}
    return rows


async def scored(settings: Settings) -> list[str]:
    """The ids of what the stage has emitted, as a reader at `read_committed` sees them."""
    return await headers_in(settings, settings.names.event_topic("orders", "order.scored"), "ce_id")


async def headers_in(settings: Settings, topic: str, name: str) -> list[str]:
    return [
        value.decode()
        async for records in scan(settings, [topic])
        for record in records
        if (value := dict(record.headers).get(name)) is not None
    ]


async def all_have(settings: Settings, runs: int, status: str) -> None:
    async def have() -> bool:
        found = await statuses(settings)
        return len(found) == runs and set(found.values()) == {status}

    await until(have, f"{runs} runs are not {status}", 120)
