"""Does the read model know what stands in Kafka, and learn what comes?"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from farandole.broker.kafka_clients import make_admin_client, make_producer, open_client
from farandole.broker.partition_reader import PartitionReader
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches
from farandole.events.incident_record import Incident
from farandole.operations.errors import NotFoundError
from farandole.operations.read_model import log_follower
from farandole.operations.read_model.read_model import ReadModel
from farandole.operations.read_model.run_loader import RunLoader
from farandole.operations.read_model.runs_query import RunsQuery
from tests.ledger.made import consumed, entry, part
from tests.notifier.stand import Stand
from tests.read_model.stand import (
    create_topics,
    delete_topic,
    edge,
    followed,
    run_row,
    until,
    write_rows,
    write_runs,
)
from tests.undecodable import undecodable

pytestmark = pytest.mark.kafka


def runs_of(model: ReadModel) -> dict[str, str]:
    return {run.run: run.status for run in model._tables.runs.page(RunsQuery()).runs}


def incident(stage: str) -> Incident:
    at = datetime.now(UTC)
    return Incident(
        id=f"id-{stage}", pipeline="p", stage=stage, fingerprint="f", error="Reject", title="no",
        version="p@1", opened=at, last=at, count=1, due=at, seen=0,
    )  # fmt: skip


def alert(state: str) -> bytes:
    return orjson.dumps(
        {
            "kind": "stage.held", "key": "p/stage/a/held/0", "pipeline": "p", "stage": "a",
            "lane": 0, "text": "20 of 20 tries failed", "since": "2026-11-30T12:00:00Z",
            "state": state,
        }
    )  # fmt: skip


async def test_rows_that_stand_there_are_known_and_later_ones_are_learned(
    settings: Settings,
) -> None:
    await create_topics(settings)
    await write_runs(settings, run_row("aaa"), run_row("bbb"), run_row("aaa", "completed"))
    await write_runs(settings, run_row("ccc"), deleted=("ccc",))
    async with followed(settings) as model, followed(settings) as other:
        assert runs_of(model) == {"aaa": "completed", "bbb": "running"}
        before = str(model.revision)
        await write_runs(settings, run_row("bbb", "failed"), run_row("ddd"), deleted=("aaa",))
        expected = {"bbb": "failed", "ddd": "running"}
        await until(lambda: runs_of(model) == expected == runs_of(other), "up to date")
        assert str(model.revision) == str(other.revision) != before
        assert (await model.run_row("ddd"))["status"] == "running"
        with pytest.raises(NotFoundError, match="the books know no run 'aaa'"):
            await model.run_row("aaa")
    async with followed(settings) as later:
        assert runs_of(later) == expected
        assert (await later.run_row("bbb"))["status"] == "failed"


async def test_an_installation_without_topics_is_empty_until_they_appear(
    settings: Settings,
) -> None:
    async with followed(settings) as model:
        assert (runs_of(model), model.incidents(), model.attention()) == ({}, [], [])
        await create_topics(settings)
        await write_runs(settings, run_row("aaa"))
        await until(lambda: runs_of(model) == {"aaa": "running"}, "seen")


async def test_a_topic_that_is_created_again_is_read_anew(settings: Settings) -> None:
    topic = settings.names.incidents_topic
    await create_topics(settings)
    old, new = incident("old"), incident("new")
    await write_rows(settings, topic, {old.key: old.model_dump(mode="json")})
    async with followed(settings) as model:
        assert [each.stage for each in model.incidents()] == ["old"]
        before = model.revision
        await delete_topic(settings, topic)
        await until(lambda: not model.incidents(), "forgotten")
        await create_topics(settings)
        await write_rows(settings, topic, {new.key: new.model_dump(mode="json")})
        await until(lambda: [each.stage for each in model.incidents()] == ["new"], "read anew")
        changes = model.changes(["incidents"], before)
        assert (await anext(changes)).views["incidents"].whole
        await changes.aclose()


async def test_a_record_that_cannot_be_read_costs_only_itself(settings: Settings) -> None:
    topic = settings.names.incidents_topic
    await create_topics(settings)
    good = incident("good")
    async with open_client(make_producer(settings, enable_idempotence=False), settings) as client:
        await (await client.send_batch(undecodable(client, b"{}", b"k"), topic, partition=0))
    await write_rows(
        settings,
        topic,
        {
            b"p/foreign/f": b"\xff",
            b"p/newer/f": {"format": 99},
            good.key: good.model_dump(mode="json"),
        },
    )
    await write_runs(settings, run_row("aaa"), {**run_row("zzz"), "format": 99})
    async with followed(settings) as model:
        assert [each.stage for each in model.incidents()] == ["good"]
        assert runs_of(model) == {"aaa": "running"}
        assert model.status().skipped == 4
        (first, *_) = [item for item in model.attention() if item.what == "unreadable"]
        assert topic in first.why or settings.names.runs_topic in first.why


async def test_dead_letters_alerts_and_rates_are_figures_of_the_stage(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stand = Stand(settings, tmp_path_factory.mktemp("stand"))
    await create_topics(settings)
    await stand.publish("a")
    async with followed(settings) as model:
        await stand.die("a", "one", "two")
        await write_rows(settings, settings.names.alerts_topic, {b"k": alert("firing")})
        row = run_row("aaa", edges={"asked>a": edge(5, 2, parked=1)})
        await write_runs(settings, row)
        now = int(time.time() * 1000)
        worked = entry("a", part("aaa", {"asked": consumed("1", "2", oldest=now)}), at=now - 5000)
        await write_rows(settings, settings.names.ledger_topic, {b"": {**worked, "pipeline": "p"}})

        def needs() -> list[tuple[str, str]]:
            return [(item.what, item.stage) for item in model.attention()]

        await until(lambda: needs() == [("waiting", "a"), ("dead", "a")], "known")
        await until(lambda: "aaa" in runs_of(model), "known")
        await until(lambda: sum(model.stage_history("p", "a").settled) == 2, "counted")
        assert "asked>a" in (model.edge_facts("p") or {})
        await write_rows(settings, settings.names.alerts_topic, {b"k": alert("resolved")})
        await until(lambda: needs() == [("dead", "a")], "resolved")


async def test_letters_that_retention_has_deleted_are_open_no_more(
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_follower, "_RETENTION_INTERVAL", 0.0)
    stand = Stand(settings, tmp_path_factory.mktemp("stand"))
    await create_topics(settings)
    await stand.publish("a")
    await stand.die("a", "one", "two", "three")
    async with followed(settings) as model:

        def open_letters() -> int:
            return sum(head.count for head in model.letters())

        await until(lambda: open_letters() == 3, "known")
        dead = TopicPartition(settings.names.dead_topic("p", "a"), 0)
        async with open_client(make_admin_client(settings), settings) as client:
            await client.delete_records({dead: RecordsToDelete(2)})
        await until(lambda: open_letters() == 1, "forgotten")


async def test_a_follower_that_breaks_while_runs_are_loaded_reads_them_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(settings)
    await write_runs(settings, run_row("aaa"))
    load, poll = RunLoader.run, PartitionReader.poll
    loading = asyncio.Event()
    broken: list[bool] = []

    async def run(loader: RunLoader, *args: Any) -> None:
        if not broken:
            loading.set()
            await asyncio.Event().wait()
        await load(loader, *args)

    async def fail_once(reader: PartitionReader, wait: float) -> Batches:
        if loading.is_set() and not broken:
            broken.append(True)
            raise RuntimeError("a fault")
        return await poll(reader, wait)

    monkeypatch.setattr(RunLoader, "run", run)
    monkeypatch.setattr(PartitionReader, "poll", fail_once)
    async with followed(settings) as model:
        assert broken
        assert runs_of(model) == {"aaa": "running"}


async def test_figures_are_read_while_somebody_watches(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stand = Stand(settings, tmp_path_factory.mktemp("stand"))
    await create_topics(settings)
    await stand.publish("a")
    async with followed(settings) as model:
        changes = model.changes(["stages/p"])
        async for delta in changes:
            rows = delta.views["stages/p"].rows
            if rows:
                break
        await changes.aclose()
        assert rows["stage/a"]["condition"]["code"] == "no worker"
        assert rows["edge/asked>a"]["in_flight"] == 0
