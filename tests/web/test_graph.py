"""What does the API say of the graph of a pipeline?"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.worker import isolated_condition
from tests.external.orders import EXAMPLE, ORDERS, place_orders
from tests.rewiring.test_live import put
from tests.web.api import Api, running_console

pytestmark = pytest.mark.kafka


async def test_the_graph_and_its_figures_say_where_events_wait(
    settings: Settings, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    written = (tmp_path / "topology.yaml").read_text()
    await put(settings, tmp_path, written)
    await place_orders(settings, settings.names.event_topic("orders", "order.placed"), 0)
    async with running_console(settings, tmp_path) as api:
        graph = (await api.get("/pipelines/orders/graph")).data
        figures = (await api.get("/pipelines/orders/figures")).data
        lanes = (await api.get("/pipelines/orders/stages/accept/lanes")).data
        detail = (await api.get("/pipelines/orders/stages/accept")).data
    assert [stage["name"] for stage in graph["picture"]["stages"]] == ["accept", "score", "report"]
    assert graph["versions"][0]["state"] == "in force"
    assert figures["stages"]["accept"]["condition"]["code"] == "unworked"
    assert figures["stages"]["report"]["condition"]["code"] == "no worker"
    edge = figures["edges"]["order.placed>accept"]
    assert edge["in_flight"] == ORDERS
    assert 0 <= edge["oldest_seconds"] < 60
    assert [lane["unread"] for lane in lanes] == [ORDERS]
    assert detail["location"]["file"] == "stages/orders/accept.py"


async def test_a_stage_that_was_removed_is_draining(settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    written = (tmp_path / "topology.yaml").read_text()
    await put(settings, tmp_path, written)
    await put(settings, tmp_path, written.replace("  report: {subscribes: order.scored}\n", ""))
    async with running_console(settings, tmp_path) as api:
        graph = (await api.get("/pipelines/orders/graph?compare=1")).data
        older = (await api.get("/pipelines/orders/graph?version=1")).data
        figures = (await api.get("/pipelines/orders/figures")).data
        unknown = await api.get("/pipelines/orders/graph?version=9")
    assert {s["name"]: s["mark"] for s in graph["picture"]["stages"]}["report"] == "-"
    assert older["version"] == 1
    assert figures["stages"]["report"]["condition"]["code"] == "draining"
    assert (unknown.status, unknown.data["code"]) == (404, "unknown_version")


async def test_a_pipeline_that_was_never_applied_is_not_found(
    settings: Settings, tmp_path: Path
) -> None:
    async with running_console(settings, tmp_path) as api:
        answers = [await api.get(f"/pipelines/no/{each}") for each in ("graph", "figures")]
    assert [(each.status, each.data["code"]) for each in answers] == [(404, "nothing_applied")] * 2


async def test_a_tail_tells_what_arrives_and_counts_what_nobody_could_follow(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    await put(settings, tmp_path, (tmp_path / "topology.yaml").read_text())
    topic = settings.names.event_topic("orders", "order.placed")
    await place_orders(settings, topic, 0)
    path = "/pipelines/orders/event-types/order.placed/tail"
    async with running_console(settings, tmp_path) as api:
        async with following(api, f"{path}?where=data.cents[0] >= 10") as batches:
            first = await anext(batches)
            assert [event["offset"] for event in first["events"]] == [10, 11]
            await flood(settings, topic, 20_000)
            skipped, newest = 0, 0
            while newest < ORDERS + 20_000 - 1:
                batch = await anext(batches)
                skipped += batch["skipped"]
                newest = max([newest, *(event["offset"] for event in batch["events"])])
            assert skipped > 0
        wrong = await api.get(f"{path}?where=dta.n > 1")
        loop = "data.cents.map(c, data.customer.matches('(a|b)*z'))"
        monkeypatch.setattr(isolated_condition, "_FIRST_SECONDS", 0.0)
        async with following(api, f"{path}?where=size({loop}) > 9") as batches:
            assert "too long" in (await anext(batches))["detail"]
    assert (wrong.status, wrong.data["code"]) == (400, "invalid_request")
    assert "'dta'" in wrong.data["detail"]


@asynccontextmanager
async def following(api: Api, path: str) -> AsyncIterator[AsyncGenerator[Any]]:
    """Yield the batches of a tail."""
    async with api.client.get(f"{api.url}api/v1{path}") as response:
        assert response.status == 200

        async def batches() -> AsyncGenerator[Any]:
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield orjson.loads(line.removeprefix(b"data: "))

        async with asyncio.timeout(180), aclosing(batches()) as found:
            yield found


async def flood(settings: Settings, topic: str, events: int) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        sent = [
            await writer.send(topic, b'{"customer": "c1", "cents": [11]}', partition=0)
            for _ in range(events)
        ]
        await asyncio.gather(*sent)
