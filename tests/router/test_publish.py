"""Does a file become a version whole, once, and with its boundaries?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from broker.admin import Admin
from broker.clients import consumer, opened, producer
from broker.errors import TopicDiffers
from broker.fenced import FENCED
from broker.settings import Settings
from events.names import Names
from events.topology import Version
from router import document, form, publish
from router.derive import Derived, derive
from router.publish import NotApplied, apply, current, new_edges, versions

FILE = """\
pipeline: p
package: work
defaults: {partitions: 2}
events: {asked: {partitions: 1}}
stages:
  read: {subscribes: asked, emits: line.read}
  load: {subscribes: line.read}
"""
MORE = FILE + "  count: {subscribes: line.read}\n  mask: {subscribes: asked, emits: asked.masked}\n"
LINES = [TopicPartition("p.line.read", 0), TopicPartition("p.line.read", 1)]


def derived(names: Names, topology: str = FILE) -> Derived:
    found, _ = document.read(topology.encode(), "topology.yaml")
    assert found is not None
    written, findings = form.read(found)
    assert written is not None
    assert findings == []
    return derive(written, {}, names)


async def published(settings: Settings, topic: str, partition: int, count: int) -> None:
    async with opened(producer(settings), settings) as writer:
        for _ in range(count):
            await writer.send_and_wait(topic, b"{}", partition=partition)


async def committed(settings: Settings, stage: str, event_type: str) -> list[int | None]:
    """The committed offset of each partition of an edge.

    A commit is acknowledged before its offsets can be read; a router's start waits for that.
    """
    async with opened(producer(settings, transactional_id=settings.names.router), settings):
        pass
    topic = settings.names.topic("p", event_type)
    async with Admin.open(settings) as admin:
        count = (await admin.topics())[topic]
        tps = [TopicPartition(topic, index) for index in range(count)]
        found = await admin.committed(settings.names.group("p", stage), tps)
    return [None if (at := found[tp]) is None else at.offset for tp in tps]


async def commit(settings: Settings, stage: str, event_type: str, offsets: list[int]) -> None:
    topic = settings.names.topic("p", event_type)
    tps = {TopicPartition(topic, index): offset for index, offset in enumerate(offsets)}
    member = consumer(settings, group=settings.names.group("p", stage))
    async with opened(member, settings):
        member.assign(list(tps))
        await member.commit(tps)


@pytest.mark.kafka
async def test_the_first_apply_publishes_version_1(settings: Settings) -> None:
    applied = await apply(settings, derived(settings.names), "ann")
    assert applied.changed
    assert set(applied.created_topics) == set(derived(settings.names).topics)
    assert applied.version.name == "p@1"
    assert applied.version.published_by == "ann"
    assert await current(settings, "p") == applied.version
    assert applied.version.events["line.read"].boundaries == (0, 0)


@pytest.mark.kafka
async def test_every_edge_of_the_first_version_has_an_offset(settings: Settings) -> None:
    await apply(settings, derived(settings.names), "ann")
    assert await committed(settings, "read", "asked") == [0]
    assert await committed(settings, "load", "line.read") == [0, 0]


@pytest.mark.kafka
async def test_a_root_from_before_the_first_apply_is_not_lost(settings: Settings) -> None:
    file = derived(settings.names)
    topic = settings.names.topic("p", "asked")
    async with Admin.open(settings) as admin:
        await admin.create({topic: file.topics[topic]})
    await published(settings, topic, 0, 3)
    applied = await apply(settings, file, "ann")
    assert topic not in applied.created_topics
    assert applied.version.events["asked"].boundaries == (0,)
    assert await committed(settings, "read", "asked") == [0]


@pytest.mark.kafka
async def test_the_same_file_again_publishes_nothing(settings: Settings) -> None:
    first = await apply(settings, derived(settings.names), "ann")
    await published(settings, settings.names.topic("p", "asked"), 0, 1)
    again = await apply(settings, derived(settings.names), "bob")
    assert not again.changed
    assert again.created_topics == ()
    assert again.version == first.version
    assert await versions(settings, "p") == [first.version]


@pytest.mark.kafka
async def test_a_changed_file_is_the_next_version_with_its_boundaries(settings: Settings) -> None:
    first = await apply(settings, derived(settings.names), "ann")
    await published(settings, settings.names.topic("p", "line.read"), 1, 5)
    await published(settings, settings.names.topic("p", "asked"), 0, 2)
    second = await apply(settings, derived(settings.names, MORE), "bob")
    assert second.version.name == "p@2"
    assert second.version.events["line.read"].boundaries == (0, 5)
    assert second.version.events["asked"].boundaries == (2,)
    assert second.version.events["asked.masked"].boundaries == (0, 0)
    assert second.version.installation == first.version.installation
    assert await versions(settings, "p") == [first.version, second.version]


@pytest.mark.kafka
async def test_new_edges_begin_at_the_boundary_and_old_ones_stay(settings: Settings) -> None:
    await apply(settings, derived(settings.names), "ann")
    await published(settings, settings.names.topic("p", "line.read"), 1, 5)
    await commit(settings, "load", "line.read", [0, 3])
    await apply(settings, derived(settings.names, MORE), "ann")
    assert await committed(settings, "load", "line.read") == [0, 3]
    assert await committed(settings, "count", "line.read") == [0, 5]
    assert await committed(settings, "mask", "asked") == [0]


@pytest.mark.kafka
async def test_an_edge_that_comes_back_goes_on_where_it_was(settings: Settings) -> None:
    """Of the version that had it there may be events that it has not read."""
    await apply(settings, derived(settings.names, MORE), "ann")
    await published(settings, settings.names.topic("p", "line.read"), 1, 5)
    await commit(settings, "count", "line.read", [0, 2])
    await apply(settings, derived(settings.names), "ann")
    back = await apply(settings, derived(settings.names, MORE), "ann")
    assert back.version.version == 3
    assert await committed(settings, "count", "line.read") == [0, 2]


@pytest.mark.kafka
async def test_a_new_input_of_an_old_stage_begins_at_its_boundary(settings: Settings) -> None:
    await apply(settings, derived(settings.names, MORE), "ann")
    await published(settings, settings.names.topic("p", "asked.masked"), 0, 4)
    wider = MORE.replace(
        "load: {subscribes: line.read}", "load: {subscribes: [line.read, asked.masked]}"
    )
    await apply(settings, derived(settings.names, wider), "ann")
    assert await committed(settings, "load", "asked.masked") == [4, 0]
    assert await committed(settings, "load", "line.read") == [0, 0]


@pytest.mark.kafka
async def test_two_routers_at_once_give_consecutive_whole_versions(settings: Settings) -> None:
    files = [
        derived(settings.names, FILE.replace("read: {", f"read: {{timeout: {n}s, "))
        for n in range(1, 5)
    ]
    applied = await asyncio.gather(*(apply(settings, file, "ann") for file in files))
    history = await versions(settings, "p")
    assert [version.version for version in history] == [1, 2, 3, 4]
    assert sorted(version.stages["read"].timeout for version in history) == [1, 2, 3, 4]
    assert sorted(a.version.version for a in applied) == [1, 2, 3, 4]
    assert len({version.installation for version in history}) == 1


@pytest.mark.kafka
async def test_a_router_that_dies_before_its_commit_has_published_nothing(
    settings: Settings,
) -> None:
    """Neither its version nor any of the offsets, which are of several groups, can be seen."""
    first = await apply(settings, derived(settings.names), "ann")
    await published(settings, settings.names.topic("p", "line.read"), 0, 5)
    file = derived(settings.names, MORE)
    async with opened(
        producer(settings, transactional_id=settings.names.router), settings
    ) as writer:
        created = await publish._create_topics(settings, file)
        table = await publish._read(settings)
        version = await publish._next(settings, file, "bob", table, created)
        offsets = await publish._first_offsets(settings, version, [first.version])
        assert len(offsets) == 2
        await publish._written(settings, writer, version, False, offsets)
        # It goes no further; what it left open is settled by the router that comes next.
        await published(settings, settings.names.topic("p", "line.read"), 0, 2)
        after = await apply(settings, derived(settings.names, MORE), "ann")
        assert after.version.published_by == "ann"
        assert await versions(settings, "p") == [first.version, after.version]
        assert await committed(settings, "count", "line.read") == [7, 0]


@pytest.mark.kafka
async def test_a_fenced_router_publishes_nothing(settings: Settings) -> None:
    await apply(settings, derived(settings.names), "ann")
    late = derived(settings.names, FILE.replace("read: {", "read: {timeout: 9s, "))
    async with opened(
        producer(settings, transactional_id=settings.names.router), settings
    ) as writer:
        table = await publish._read(settings)
        version = await publish._next(settings, late, "late", table, ())
        await apply(settings, derived(settings.names, MORE), "ann")
        with pytest.raises(FENCED):
            await publish._commit(settings, writer, version, False, {})
    assert [v.published_by for v in await versions(settings, "p")] == ["ann", "ann"]


@pytest.mark.kafka
async def test_another_number_of_partitions_is_refused_before_anything_is_done(
    settings: Settings,
) -> None:
    first = await apply(settings, derived(settings.names), "ann")
    wider = derived(settings.names, MORE.replace("partitions: 2", "partitions: 3"))
    with pytest.raises(TopicDiffers, match=r"line\.read has 2 partitions and should have 3"):
        await apply(settings, wider, "ann")
    assert await versions(settings, "p") == [first.version]
    async with Admin.open(settings) as admin:
        assert settings.names.topic("p", "asked.masked") not in await admin.topics()


@pytest.mark.kafka
async def test_two_pipelines_share_the_installation_and_nothing_else(settings: Settings) -> None:
    one = await apply(settings, derived(settings.names), "ann")
    two = await apply(settings, derived(settings.names, FILE.replace("p\n", "q\n", 1)), "ann")
    assert two.version.name == "q@1"
    assert two.version.installation == one.version.installation
    assert await current(settings, "p") == one.version


@pytest.mark.kafka
async def test_before_the_first_apply_there_are_no_versions(settings: Settings) -> None:
    assert await versions(settings, "p") == []
    assert await current(settings, "p") is None


@pytest.mark.kafka
async def test_a_record_that_no_router_wrote_is_told_by_its_key(settings: Settings) -> None:
    await apply(settings, derived(settings.names), "ann")
    async with opened(producer(settings), settings) as writer:
        await writer.send_and_wait(settings.names.topology, b"nonsense", key=b"p@2")
    with pytest.raises(NotApplied, match="b'p@2' that no router wrote"):
        await apply(settings, derived(settings.names, MORE), "ann")


def numbered(topology: str, number: int) -> Version:
    file = derived(Names(), topology)
    return Version(
        pipeline="p",
        version=number,
        installation=UUID(int=0),
        published=datetime(2026, 1, 1, tzinfo=UTC),
        published_by="ann",
        events={
            name: event.model_copy(update={"boundaries": (7,) * event.partitions})
            for name, event in file.events.items()
        },
        stages=dict(file.stages),
    )


def test_an_edge_of_the_version_before_is_never_new() -> None:
    """So an offset that is missing there is lost, and the lane says so."""
    edges = new_edges(numbered(MORE, 2), [numbered(FILE, 1)])
    assert edges["load"] == {}
    assert edges["count"] == dict.fromkeys(LINES, 7)


def test_every_edge_of_a_first_version_is_new() -> None:
    edges = new_edges(numbered(FILE, 1), [])
    assert edges["load"] == dict.fromkeys(LINES, 7)
