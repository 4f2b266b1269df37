"""Does a deleted pipeline go whole, at last, and nothing else with it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from click.testing import CliRunner

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.removal_requests import GroupInUseError
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.pipeline_footprint import pipeline_footprint, subscribed_elsewhere
from farandole.catalog.topology_table import TopologyTable, read_topology
from farandole.cli.__main__ import farandole
from farandole.cli.context import CliContext
from farandole.events.control_documents import (
    AcknowledgeDocument,
    CancelDocument,
    ControlDocument,
    MuteDocument,
    PauseDocument,
    serialize_control,
)
from farandole.events.firing_record import FiringKey, FiringRecord, serialize_firing
from farandole.events.kafka_names import KafkaNames
from farandole.events.schedule_document import FireDocument
from farandole.events.schedule_row import ScheduleRow, order_key, schedule_key
from farandole.events.share_row import share_key
from farandole.events.topology_version import EventSpec, Installation, StageSpec, Version
from farandole.operations.control.control_publisher import publish_control
from farandole.operations.deletion.delete import delete_pipeline
from farandole.operations.deletion.deletion_plan import DeletionPlan, plan_deletion
from farandole.operations.deletion.system_rows import (
    control_keys_of,
    firing_keys_of,
    schedule_keys_of,
    share_keys_of,
)
from farandole.operations.errors import ConflictError, NotFoundError
from farandole.router.version_publisher import publish_version
from tests.books.clean import assert_clean, books_read
from tests.cli.conftest import environment
from tests.cli.test_incidents import incident
from tests.cli.worked import STAGES, worked
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.router.made import derived
from tests.router.test_version_publisher import commit

STEPS = (
    "lanes", "controls", "schedules", "incidents", "runs", "quality", "topics", "groups",
    "versions",
)  # fmt: skip
NAMES = KafkaNames("ns")
INSTALLATION = UUID(int=7)
PLANNED = datetime(2026, 11, 30, 2, 30, tzinfo=UTC)


def version(pipeline: str = "p", number: int = 1, **events: int) -> Version:
    return Version(
        pipeline=pipeline,
        version=number,
        installation=INSTALLATION,
        published=datetime.now(UTC),
        published_by="me",
        events={
            name: EventSpec(topic=f"ns.{pipeline}.{name}", partitions=width)
            for name, width in events.items()
        },
        stages={"load": StageSpec(run="m:f", subscribes=tuple(events))},
    )


def test_the_topics_of_every_version_belong_to_a_pipeline() -> None:
    wide = version(number=2, a=5)
    wide = wide.model_copy(update={"events": {"a": EventSpec(topic="ns.p.a--5", partitions=5)}})
    found = pipeline_footprint(NAMES, [version(a=2), wide])
    of_stage = {f"ns.p.load.{kind}" for kind in ("dead", "retry", "state")}
    assert found.topics == {"ns.p.a", "ns.p.a--5", *of_stage}
    assert found.lanes == {"load": 5}


def test_another_pipelines_use_of_a_topic_is_seen() -> None:
    other = version("q", b=1).model_copy(
        update={"events": {"b": EventSpec(topic="ns.p.a", partitions=1)}}
    )
    assert subscribed_elsewhere(["ns.p.a"], "p", [version(a=1), other]) == {"q": ["ns.p.a"]}


def test_control_documents_go_with_their_pipeline_its_runs_and_its_incidents() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    ours: list[ControlDocument] = [
        PauseDocument(pipeline="p", stage="load"),
        MuteDocument(pipeline="p", until=until),
        MuteDocument(incident="i1", until=until),
        AcknowledgeDocument(incident="i1"),
        CancelDocument(run="r1"),
    ]
    others: list[ControlDocument] = [
        PauseDocument(pipeline="pq"),
        MuteDocument(incident="i2", until=until),
        CancelDocument(run="r2"),
    ]
    table = {each.key: serialize_control(each) for each in [*ours, *others]} | {b"odd": b"\xff"}
    found = control_keys_of(table, "p", {b"r1"}, {"i1"})
    assert found == [each.key for each in ours]


def test_shares_of_throttles_go_with_the_pipeline_of_the_lane() -> None:
    ours = [share_key("throttle", "p", "load", 0), share_key("roots", "p", "load", 1)]
    others = [share_key("throttle", "pq", "load", 0), b"limit/p/0123456789abcdef"]
    assert share_keys_of(dict.fromkeys([*ours, *others], b"{}"), "p") == ours


def test_what_the_scheduler_knows_goes_with_the_pipeline() -> None:
    def rows(pipeline: str) -> list[bytes]:
        fire = FireDocument(pipeline=pipeline, schedule="s", id="1", planned=PLANNED)
        return [
            schedule_key(pipeline, "s"), f"backfill/{pipeline}/s/1".encode(), order_key(fire.key),
            f"object/{pipeline}/s/0123".encode(), f"folder/{pipeline}/s/0123".encode(),
            f"alert/{pipeline}/schedule/s/failed".encode(),
        ]  # fmt: skip

    def firing(pipeline: str) -> bytes:
        return FiringKey(pipeline, "s", PLANNED).record_key

    table = dict.fromkeys([*rows("p"), *rows("pq"), b"books"], b"{}")
    assert schedule_keys_of(table, "p") == rows("p")
    assert firing_keys_of(dict.fromkeys([firing("p"), firing("pq")], b"{}"), "p") == [firing("p")]


def test_numbers_of_versions_go_on_after_a_deletion() -> None:
    installation = Installation(id=INSTALLATION, created=datetime.now(UTC), deleted={"p": 7})
    table = TopologyTable(installation, (version("q", 2, a=1),))
    assert (table.next_number("p"), table.next_number("q"), table.next_number("new")) == (8, 3, 1)


def test_another_name_after_yes_is_a_mistake(unset: None) -> None:
    result = CliRunner().invoke(farandole, ["delete", "p", "--yes", "q"])
    assert result.exit_code == 2
    assert "--yes says 'q', and the pipeline is 'p'" in result.stderr


class Killed(Exception):
    """A deletion that was ended after a step."""


def installation_of(settings: Settings, folder: Path) -> Any:
    return CliContext(folder).installation_of(settings)


async def write_incident(settings: Settings, pipeline: str) -> None:
    row = incident(pipeline=pipeline)
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(
            settings.names.incidents_topic, row.model_dump_json().encode(), key=row.key, partition=0
        )


async def write_schedule(settings: Settings, pipeline: str) -> None:
    """What a scheduler writes that fires once, and a bookkeeper about the data of a run."""
    row = ScheduleRow(pipeline=pipeline, schedule="s", version=1, through=PLANNED)
    firing = FiringRecord(
        pipeline=pipeline, schedule="s", planned=PLANNED, outcome="missed", at=PLANNED, version=1
    )
    data = orjson.dumps({"pipeline": pipeline})
    of_data = (settings.names.quality_topic, settings.names.quality_history_topic)
    rows = [
        (settings.names.schedules_topic, row.key, row.model_dump_json().encode()),
        (settings.names.firings_topic, firing.key.record_key, serialize_firing(firing)),
        *((t, f"{pipeline}/run/r".encode(), data) for t in of_data),
        (settings.names.quality_state_topic, f"expected/{pipeline}/a".encode(), data),
        (settings.names.quality_state_topic, f"ignored/{pipeline}/run/r".encode(), data),
    ]
    async with open_client(make_producer(settings), settings) as writer:
        for topic, key, value in rows:
            await writer.send_and_wait(topic, value, key=key, partition=0)


async def left_of(settings: Settings, pipeline: str) -> dict[str, list[str]]:
    """All that any topic, group or row of the installation still says of a pipeline."""
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        prefix = f"{names.prefix}{pipeline}."
        found = {
            "topics": sorted(t for t in await admin.all_topics() if t.startswith(prefix)),
            "groups": sorted(g for g in await admin.groups() if g.startswith(prefix)),
        }
    for topic in (
        names.topology_topic, names.runs_topic, names.incidents_topic, names.outbox_topic,
        names.control_topic, names.bookkeeper_state_topic, names.schedules_topic,
        names.firings_topic, names.quality_topic, names.quality_history_topic,
        names.quality_state_topic,
    ):  # fmt: skip
        for key, value in (await read_table(settings, topic)).items():
            if value.startswith(b"{"):
                row = orjson.loads(value)
                if row.get("pipeline") == pipeline:
                    found.setdefault(topic, []).append(key.decode())
    return {where: what for where, what in found.items() if what}


@pytest.mark.kafka
def test_a_deletion_that_is_killed_after_each_step_is_finished_by_the_next_call(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "stages").symlink_to(STAGES)
    installation = installation_of(settings, tmp_path)

    async def delete_until(step: str) -> None:
        def progress(done: str) -> None:
            if done == step:
                raise Killed

        with pytest.raises(Killed):
            await delete_pipeline(installation, "rewired", progress)

    async def story() -> None:
        await worked(settings, tmp_path, [b'{"n": 1, "household": 3}'] * 20)
        await publish_version(settings, derived(settings.names), "ann")  # another pipeline, `p`
        await publish_control(settings, PauseDocument(pipeline="rewired", stage="take"))
        await publish_control(settings, PauseDocument(pipeline="p"))
        await write_incident(settings, "rewired")
        await write_incident(settings, "p")
        await write_schedule(settings, "rewired")
        await write_schedule(settings, "p")
        await books_read(settings)
        plan = await plan_deletion(installation, "rewired")
        assert (plan.runs, plan.incidents, plan.controls) == (20, 1, 1)
        assert (plan.schedules, plan.firings) == (1, 1)
        assert (plan.unread, plan.waiting, plan.open_letters, plan.open_runs) == (0, 0, 0, 0)
        assert plan.obstacles == []
        before = await left_of(settings, "p")
        for step in STEPS[:-1]:
            await delete_until(step)
            assert (await read_topology(settings)).of("rewired")  # it can still be planned
        await delete_pipeline(installation, "rewired")
        assert await left_of(settings, "rewired") == {}
        assert await left_of(settings, "p") == before
        with pytest.raises(NotFoundError):
            await delete_pipeline(installation, "rewired")

    with bookkeeper(settings):
        asyncio.run(story())
        # Made again, it knows nothing of its past, not even a number.
        again = asyncio.run(worked(settings, tmp_path, [b'{"n": 2, "household": 3}'] * 5))
        assert again.version == 2
        asyncio.run(books_read(settings))
        plan = asyncio.run(plan_deletion(installation, "rewired"))
        assert (plan.runs, plan.open_runs, plan.incidents, plan.controls) == (5, 0, 0, 0)
        assert_clean(settings, tmp_path)


@asynccontextmanager
async def member(settings: Settings, group: str, topic: str) -> AsyncIterator[None]:
    """A consumer that has joined a group."""
    consumer = make_consumer(settings, group=group, auto_offset_reset="earliest")
    async with open_client(consumer, settings):
        consumer.subscribe([topic])
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=50)
        await consumer.commit(dict.fromkeys(consumer.assignment(), 0))
        yield


async def obstacles(settings: Settings, folder: Path) -> list[str]:
    plan: DeletionPlan = await plan_deletion(installation_of(settings, folder), "p")
    return [each.code for each in plan.obstacles]


@pytest.mark.kafka
async def test_what_runs_and_what_others_read_is_not_deleted(
    settings: Settings, tmp_path: Path
) -> None:
    names = settings.names
    await publish_version(settings, derived(names), "ann")
    topic, group = names.event_topic("p", "line.read"), names.stage_group("p", "load")
    async with member(settings, group, topic):
        assert await obstacles(settings, tmp_path) == ["workers_alive"]
        async with ClusterAdmin.open(settings) as admin:
            with pytest.raises(GroupInUseError):
                await admin.delete_group(group)
    async with member(settings, f"{names.prefix}somebody.elses-report", topic):
        assert await obstacles(settings, tmp_path) == ["subscribed_elsewhere"]
        with pytest.raises(ConflictError, match="elses-report"):
            await delete_pipeline(installation_of(settings, tmp_path), "p")
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(names.ledger_topic, b"{}", partition=0)
    assert await obstacles(settings, tmp_path) == ["books_behind"]
    assert names.event_topic("p", "asked") in (await left_of(settings, "p"))["topics"]


@pytest.mark.kafka
def test_the_command_wants_the_name_typed_and_shows_what_would_go(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    names = settings.names
    asyncio.run(publish_version(settings, derived(names), "ann"))
    asyncio.run(commit(settings, "load", "line.read", [0, 0]))

    def call(*words: str) -> Any:
        line = ["-C", str(tmp_path), "delete", *words]
        return CliRunner().invoke(farandole, line, env=environment(settings))

    shown = call("p")
    assert shown.exit_code == 1
    assert "nothing was deleted: nobody can be asked here; say --yes p" in shown.stderr
    assert f"{names.prefix}p.line.read" in shown.stdout
    planned = call("p", "--json")
    assert (planned.exit_code, orjson.loads(planned.stdout)["result"]) == (0, None)
    assert asyncio.run(left_of(settings, "p"))
    done = call("p", "--json", "--yes", "p")
    assert orjson.loads(done.stdout)["result"]["versions"] == 1
    assert asyncio.run(left_of(settings, "p")) == {}
    missing = call("p", "--yes", "p")
    assert "there is no pipeline 'p'" in missing.stderr
