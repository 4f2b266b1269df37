"""Is a version published whole, with exact boundaries, if a router dies or a reader reads then?"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from farandole.broker.backoff import Backoff
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.router import publish_transaction, version_publisher
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.topology_store import published_versions_of
from farandole.router.version_publisher import publish_version
from tests.router import dying
from tests.router.made import FILE, MORE, derived
from tests.undecodable import undecodable

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
_PATIENCE = 20.0  # seconds


async def killed(settings: Settings, step: str, hold: float) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.router.dying", settings.model_dump_json(), step, str(hold),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        assert await child.wait() == -signal.SIGKILL


async def flows(settings: Settings, topic: str, sent: bytes) -> list[bytes]:
    """Return what a reader of committed records gets, up to a record that is sent now."""
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, sent, partition=0)
    found: list[bytes] = []
    async with open_client(make_consumer(settings), settings) as reader, asyncio.timeout(_PATIENCE):
        reader.assign([TopicPartition(topic, 0)])
        await reader.seek_to_beginning()
        while sent not in found:
            for records in (await reader.getmany(timeout_ms=100)).values():
                found += [record.value for record in records]
    return found


async def test_a_version_is_read_back_behind_a_record_that_cannot_be_decoded(
    settings: Settings,
) -> None:
    version = (await publish_version(settings, derived(settings.names), "ann")).version
    topology = TopicPartition(settings.names.topology_topic, 0)
    writer = make_producer(settings, enable_idempotence=False)
    async with open_client(writer, settings), open_client(make_consumer(settings), settings) as r:
        for _ in range(2):
            batch = undecodable(writer, b"{}", key=b"k")
            await (await writer.send_batch(batch, topology.topic, partition=0))
        last = await writer.send_and_wait(topology.topic, b"{}", key=version.name.encode())
        r.assign([topology])
        r.seek(topology, last.offset - 2)
        async with asyncio.timeout(_PATIENCE):
            await publish_transaction._read_back(r, topology, version)


async def held(settings: Settings, topics: list[str]) -> bool:
    """Return True if readers cannot get to the end of one of the partitions."""
    async with ClusterAdmin.open(settings) as admin:
        counts = await admin.all_topics()
        tps = [TopicPartition(t, index) for t in topics for index in range(counts[t])]
        return await admin.end_offsets(tps) != await admin.end_offsets(tps, stable=True)


@pytest.mark.parametrize("step", dying.STEPS)
async def test_a_router_killed_at_any_step_leaves_the_old_or_the_new(
    settings: Settings, step: str
) -> None:
    """The version is whole, its offsets included, and the next router ends the boundary
    transaction."""
    old = (await publish_version(settings, derived(settings.names), "ann")).version
    asked = settings.names.event_topic("p", "asked")
    assert await flows(settings, asked, b"0") == [b"0"]
    await killed(settings, step, 12)
    published = step in ("commit_transaction", "_read_back", "_abort_boundary_transaction")
    third = derived(settings.names, MORE.replace("read: {", "read: {timeout: 3s, "))
    after = await publish_version(settings, third, "ann")
    history = await published_versions_of(settings, "p")
    assert [v.published_by for v in history] == ["ann", *["the dead"] * published, "ann"]
    assert history[0] == old
    for version in history[1:]:
        assert set(version.stages) == {"read", "load", "count", "mask"}
        assert [len(e.boundaries) for e in version.events.values()] == [1, 2, 2]
    assert await flows(settings, asked, b"1") == [b"0", b"1"]
    assert not await held(settings, [e.topic for e in after.version.events.values()])
    async with ClusterAdmin.open(settings) as admin:
        offsets = await admin.committed_offsets(
            settings.names.stage_group("p", "mask"), [TopicPartition(asked, 0)]
        )
    boundary = history[1].events["asked"].boundaries[0]
    assert [at and at.offset for at in offsets.values()] == [boundary]


async def test_a_router_that_died_while_it_published_does_not_hold_up_the_next_plan(
    settings: Settings,
) -> None:
    """The next router would else wait for the time-outs: it reads the unread events first."""
    await publish_version(settings, derived(settings.names), "ann")
    asked = settings.names.event_topic("p", "asked")
    assert await flows(settings, asked, b"unread") == [b"unread"]
    await killed(settings, "_write_version", 600)
    changed = derived(settings.names, MORE)
    async with asyncio.timeout(_PATIENCE):  # the boundary transaction may live for 10 minutes
        plan = await plan_changes(settings, changed)
    assert plan.newest == 1
    assert not await held(settings, [asked])


async def test_a_boundary_transaction_that_no_router_ends_times_out(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    await killed(settings, "_write_boundary_markers", 0)
    assert await flows(settings, settings.names.event_topic("p", "asked"), b"1") == [b"1"]
    assert len(await published_versions_of(settings, "p")) == 1


async def test_no_reader_passes_a_boundary_before_it_can_read_the_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    topics = [settings.names.event_topic("p", t) for t in ("asked", "line.read")]
    release = publish_transaction._abort_boundary_transaction
    seen: list[tuple[int, bool]] = []

    async def watched(*arguments: Any) -> None:
        seen.append((len(await published_versions_of(settings, "p")), await held(settings, topics)))
        await release(*arguments)

    monkeypatch.setattr(publish_transaction, "_abort_boundary_transaction", watched)
    await publish_version(settings, derived(settings.names, MORE), "ann")
    assert seen == [(2, True)]
    assert not await held(settings, topics)


async def test_a_version_that_cannot_be_committed_in_time_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers do not wait meanwhile."""
    await publish_version(settings, derived(settings.names), "ann")
    topics = [settings.names.event_topic("p", t) for t in ("asked", "line.read")]
    written, rest = publish_transaction._write_version, asyncio.sleep
    between: list[bool] = []

    async def stuck(*arguments: Any) -> None:
        monkeypatch.setattr(publish_transaction, "_write_version", written)
        await written(*arguments)
        await asyncio.Event().wait()

    async def looked(seconds: float) -> None:
        if seconds > 1:
            between.append(await held(settings, topics))
        await rest(0 if seconds > 1 else seconds)

    monkeypatch.setattr(publish_transaction, "_write_version", stuck)
    monkeypatch.setattr(publish_transaction, "_PREPARE_TIMEOUT_SECONDS", 0.7)
    monkeypatch.setattr(version_publisher, "_RETRY_BACKOFF", Backoff(10**9, 10**9, 1.0))
    monkeypatch.setattr(asyncio, "sleep", looked)
    applied = await publish_version(settings, derived(settings.names, MORE), "ann")
    assert applied.version.version == 2
    assert between == [False]


async def test_two_routers_at_once_leave_no_boundary_transaction(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    files = [
        derived(settings.names, FILE.replace("read: {", f"read: {{timeout: {n}s, "))
        for n in range(1, 4)
    ]
    await asyncio.gather(*(publish_version(settings, file, "ann") for file in files))
    history = await published_versions_of(settings, "p")
    assert [v.version for v in history] == [1, 2, 3, 4]
    assert sorted(v.stages["read"].timeout for v in history[1:]) == [1, 2, 3]
    assert not await held(settings, [e.topic for e in history[-1].events.values()])
    boundaries = [v.events["asked"].boundaries for v in history[1:]]
    assert boundaries == sorted(set(boundaries))


async def test_a_reader_sees_every_record_once_and_no_marker(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    asked = settings.names.event_topic("p", "asked")
    done = asyncio.Event()
    sent: list[bytes] = []

    async def writing() -> None:
        async with open_client(make_producer(settings), settings) as writer:
            while not done.is_set():
                value = b"%d" % len(sent)
                await writer.send_and_wait(asked, value, partition=0)
                sent.append(value)

    writes = asyncio.create_task(writing())
    for n in range(1, 6):
        file = FILE.replace("read: {", f"read: {{timeout: {n}s, ")
        await publish_version(settings, derived(settings.names, file), "ann")
    done.set()
    await writes
    assert await flows(settings, asked, b"last") == [*sent, b"last"]
    boundaries = [
        v.events["asked"].boundaries[0] for v in (await published_versions_of(settings, "p"))[1:]
    ]
    assert boundaries == sorted(set(boundaries))


async def test_a_router_that_has_lost_cannot_end_the_winners_boundary_transaction(
    settings: Settings,
) -> None:
    """It has started its producer of versions, and starts its boundary producer when another router
    has started both."""
    first = await publish_version(settings, derived(settings.names), "ann")
    job = publish_transaction.PublishTransaction(settings, 2)
    topic = first.version.events["asked"].topic
    async with (
        publish_transaction.version_producer(job) as late,
        publish_transaction.started_producers(job) as (_, holder),
    ):
        await holder.begin()
        await holder.mark((topic, 0), b"", b"held")
        async with publish_transaction.boundary_producer(job, late.epoch):
            await holder.abort()
