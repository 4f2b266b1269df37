"""Does a file become a version whole, once, and with its boundaries?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from farandole.broker.broker_errors import TopicMismatchError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.catalog.input_faults import ChangedTopic, changed_topics
from farandole.events.kafka_names import KafkaNames
from farandole.events.row_format import KNOWN_FORMATS, NewerFormatError
from farandole.events.topology_version import VERSION_FORMAT, Version
from farandole.router import publish_transaction, version_publisher
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.first_offsets import new_input_partitions
from farandole.router.topology_store import NotAppliedError, current_version, published_versions_of
from farandole.router.version_publisher import ExpectedState, publish_version
from tests.router.made import FILE, MORE, derived

LINES = [TopicPartition("p.line.read", 0), TopicPartition("p.line.read", 1)]


async def published(settings: Settings, topic: str, partition: int, count: int) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for _ in range(count):
            await writer.send_and_wait(topic, b"{}", partition=partition)


async def committed(settings: Settings, stage: str, event_type: str) -> list[int | None]:
    """The committed offset of each partition of an edge.

    A commit is acknowledged before its offsets can be read; a router's start waits for that.
    """
    async with open_client(
        make_producer(settings, transactional_id=settings.names.router_transactional_id), settings
    ):
        pass
    topic = settings.names.event_topic("p", event_type)
    async with ClusterAdmin.open(settings) as admin:
        count = (await admin.all_topics())[topic]
        tps = [TopicPartition(topic, index) for index in range(count)]
        found = await admin.committed_offsets(settings.names.stage_group("p", stage), tps)
    return [None if (at := found[tp]) is None else at.offset for tp in tps]


async def commit(settings: Settings, stage: str, event_type: str, offsets: list[int]) -> None:
    topic = settings.names.event_topic("p", event_type)
    tps = {TopicPartition(topic, index): offset for index, offset in enumerate(offsets)}
    member = make_consumer(settings, group=settings.names.stage_group("p", stage))
    async with open_client(member, settings):
        member.assign(list(tps))
        await member.commit(tps)


@pytest.mark.kafka
async def test_the_first_apply_publishes_version_1(settings: Settings) -> None:
    applied = await publish_version(settings, derived(settings.names), "ann")
    assert applied.changed
    assert set(applied.created_topics) == set(derived(settings.names).topics)
    assert applied.version.name == "p@1"
    assert applied.version.format == VERSION_FORMAT
    assert applied.version.published_by == "ann"
    assert await current_version(settings, "p") == applied.version
    assert applied.version.events["line.read"].boundaries == (0, 0)


@pytest.mark.kafka
async def test_every_edge_of_the_first_version_has_an_offset(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    assert await committed(settings, "read", "asked") == [0]
    assert await committed(settings, "load", "line.read") == [0, 0]


@pytest.mark.kafka
async def test_a_root_from_before_the_first_apply_is_not_lost(settings: Settings) -> None:
    file = derived(settings.names)
    topic = settings.names.event_topic("p", "asked")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: file.topics[topic]})
    await published(settings, topic, 0, 3)
    applied = await publish_version(settings, file, "ann")
    assert topic not in applied.created_topics
    assert applied.version.events["asked"].boundaries == (0,)
    assert await committed(settings, "read", "asked") == [0]


@pytest.mark.kafka
async def test_the_same_file_again_publishes_nothing(settings: Settings) -> None:
    first = await publish_version(settings, derived(settings.names), "ann")
    await published(settings, settings.names.event_topic("p", "asked"), 0, 1)
    again = await publish_version(settings, derived(settings.names), "bob")
    assert not again.changed
    assert again.created_topics == ()
    assert again.version == first.version
    assert await published_versions_of(settings, "p") == [first.version]


@pytest.mark.kafka
async def test_a_changed_file_is_the_next_version_with_its_boundaries(settings: Settings) -> None:
    first = await publish_version(settings, derived(settings.names), "ann")
    await published(settings, settings.names.event_topic("p", "line.read"), 1, 5)
    await published(settings, settings.names.event_topic("p", "asked"), 0, 2)
    second = await publish_version(settings, derived(settings.names, MORE), "bob")
    assert second.version.name == "p@2"
    assert second.version.events["line.read"].boundaries == (0, 5)
    assert second.version.events["asked"].boundaries == (2,)
    assert second.version.events["asked.masked"].boundaries == (0, 0)
    assert second.version.installation == first.version.installation
    assert await published_versions_of(settings, "p") == [first.version, second.version]


@pytest.mark.kafka
async def test_new_edges_begin_at_the_boundary_and_old_ones_stay(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    await published(settings, settings.names.event_topic("p", "line.read"), 1, 5)
    await commit(settings, "load", "line.read", [0, 3])
    await publish_version(settings, derived(settings.names, MORE), "ann")
    assert await committed(settings, "load", "line.read") == [0, 3]
    assert await committed(settings, "count", "line.read") == [0, 5]
    assert await committed(settings, "mask", "asked") == [0]


@pytest.mark.kafka
async def test_an_edge_that_comes_back_goes_on_where_it_was(settings: Settings) -> None:
    """What is unread of its former life belongs to a version that has this edge: it is its own."""
    await publish_version(settings, derived(settings.names, MORE), "ann")
    await published(settings, settings.names.event_topic("p", "line.read"), 1, 5)
    await commit(settings, "count", "line.read", [0, 2])
    await publish_version(settings, derived(settings.names), "ann")
    back = await publish_version(settings, derived(settings.names, MORE), "ann")
    assert back.version.version == 3
    assert await committed(settings, "count", "line.read") == [0, 2]


@pytest.mark.kafka
async def test_a_new_input_of_an_old_stage_begins_at_its_boundary(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names, MORE), "ann")
    await published(settings, settings.names.event_topic("p", "asked.masked"), 0, 4)
    wider = MORE.replace(
        "load: {subscribes: line.read}", "load: {subscribes: [line.read, asked.masked]}"
    )
    await publish_version(settings, derived(settings.names, wider), "ann")
    assert await committed(settings, "load", "asked.masked") == [4, 0]
    assert await committed(settings, "load", "line.read") == [0, 0]


@pytest.mark.kafka
async def test_two_routers_at_once_give_consecutive_whole_versions(settings: Settings) -> None:
    files = [
        derived(settings.names, FILE.replace("read: {", f"read: {{timeout: {n}s, "))
        for n in range(1, 5)
    ]
    applied = await asyncio.gather(*(publish_version(settings, file, "ann") for file in files))
    history = await published_versions_of(settings, "p")
    assert [version.version for version in history] == [1, 2, 3, 4]
    assert sorted(version.stages["read"].timeout for version in history) == [1, 2, 3, 4]
    assert sorted(a.version.version for a in applied) == [1, 2, 3, 4]
    assert len({version.installation for version in history}) == 1


@pytest.mark.kafka
async def test_a_fenced_router_publishes_nothing_and_tries_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its markers and its version another router publishes: that one comes first, and ours
    after it, with boundaries of its own."""
    await publish_version(settings, derived(settings.names), "ann")
    late = derived(settings.names, FILE.replace("read: {", "read: {timeout: 9s, "))
    written = publish_transaction._write_version

    async def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(publish_transaction, "_write_version", written)
        await written(*arguments)
        await publish_version(settings, derived(settings.names, MORE), "bob")

    monkeypatch.setattr(publish_transaction, "_PREPARE_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setattr(publish_transaction, "_write_version", overtaken)
    applied = await publish_version(settings, late, "late")
    history = await published_versions_of(settings, "p")
    assert [v.published_by for v in history] == ["ann", "bob", "late"]
    assert applied.version == history[-1]
    first, second = (v.events["line.read"].boundaries for v in history[1:])
    assert second > first


@pytest.mark.kafka
async def test_another_number_of_partitions_is_a_topic_of_its_own(settings: Settings) -> None:
    names = settings.names
    plain, wide = names.event_topic("p", "line.read"), names.widened_topic("p", "line.read", 3)
    await publish_version(settings, derived(names), "ann")
    await published(settings, plain, 1, 5)
    wider = derived(names, FILE.replace("partitions: 2", "partitions: 3"))
    applied = await publish_version(settings, wider, "ann")
    assert applied.version.events["line.read"].topic == wide
    assert applied.version.events["line.read"].boundaries == (0, 0, 0)
    assert applied.created_topics == (wide,)
    back = await publish_version(settings, derived(names), "ann")
    assert back.version.events["line.read"].topic == plain
    assert back.version.events["line.read"].boundaries == (0, 5)
    assert await committed(settings, "load", "line.read") == [0, 0]
    async with ClusterAdmin.open(settings) as admin:
        tps = [TopicPartition(wide, index) for index in range(3)]
        found = await admin.committed_offsets(names.stage_group("p", "load"), tps)
        assert {tp.partition: at and at.offset for tp, at in found.items()} == {0: 0, 1: 0, 2: 0}


@pytest.mark.kafka
async def test_a_topic_that_others_have_grown_is_refused_before_anything_is_done(
    settings: Settings,
) -> None:
    file = derived(settings.names, MORE)
    topic = settings.names.event_topic("p", "line.read")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(5)})
        with pytest.raises(
            TopicMismatchError, match=r"line\.read has 5 partitions and should have 2"
        ):
            await publish_version(settings, file, "ann")
        assert await published_versions_of(settings, "p") == []
        assert settings.names.event_topic("p", "asked.masked") not in await admin.all_topics()


@pytest.mark.kafka
async def test_partitions_that_others_have_added_are_taken_as_they_are(settings: Settings) -> None:
    """Nothing in them is lost: a version that knows them begins at their first offsets."""
    await publish_version(settings, derived(settings.names), "ann")
    topic = settings.names.event_topic("p", "line.read")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(4, grows=True)})
        version = await current_version(settings, "p")
        assert version is not None
        assert await changed_topics(admin, version) == {
            "asked": None,
            "line.read": ChangedTopic("line.read", topic, "widened", 2, 4),
        }
    await published(settings, topic, 1, 2)
    await published(settings, topic, 3, 5)
    with pytest.raises(TopicMismatchError, match="write `partitions: 4` for its event"):
        await publish_version(settings, derived(settings.names), "ann")
    file = derived(settings.names, FILE.replace("asked: {", "line.read: {partitions: 4}, asked: {"))
    applied = await publish_version(settings, file, "ann")
    event = applied.version.events["line.read"]
    assert (event.topic, event.boundaries, event.life) == (topic, (0, 2, 0, 0), 1)
    assert await committed(settings, "load", "line.read") == [0, 0, 0, 0]


@pytest.mark.kafka
async def test_a_topic_that_was_created_again_begins_another_life(settings: Settings) -> None:
    names, file = settings.names, derived(settings.names)
    first = (await publish_version(settings, file, "ann")).version
    asked, lines = names.event_topic("p", "asked"), names.event_topic("p", "line.read")
    await commit(settings, "load", "line.read", [1, 7])
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics([asked, lines])
        await admin.create_topics({lines: TopicSpec(1)})
        await published(settings, lines, 0, 4)
        changed = await changed_topics(admin, first)
        assert {name: each and each.change for name, each in changed.items()} == {
            "asked": "gone", "line.read": "recreated",
        }  # fmt: skip
    plan = await plan_changes(settings, file)
    assert plan.publishes
    # (Its configs differ as well.)
    assert [str(change) for change in plan.changes][:2] == [
        f"~ topic {asked}: is gone: it is created again, and what it held is lost",
        f"~ topic {lines}: was created again: it is read from its beginning, and its events get"
        " new ids; 1 missing partitions are added",
    ]
    second = (await publish_version(settings, file, "ann")).version
    for event_type in ("asked", "line.read"):
        before, after = first.events[event_type], second.events[event_type]
        assert (before.life, after.life) == (1, 2)
        assert before.topic_id != after.topic_id
        assert set(after.boundaries) == {0}
    assert await committed(settings, "read", "asked") == [0]
    assert await committed(settings, "load", "line.read") == [0, 0]
    again = await publish_version(settings, file, "ann")
    assert (again.changed, again.version) == (False, second)


@pytest.mark.kafka
async def test_a_topic_that_is_created_again_in_the_middle_does_not_pass_for_the_earlier_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await publish_version(settings, derived(settings.names), "ann")).version
    lines = settings.names.event_topic("p", "line.read")
    created = version_publisher._create_topics

    async def recreated(job: Any, file: Any, admin: ClusterAdmin, existing: Any) -> None:
        monkeypatch.setattr(version_publisher, "_create_topics", created)
        await created(job, file, admin, existing)
        await admin.delete_topics([lines])
        await admin.create_topics({lines: TopicSpec(2)})

    monkeypatch.setattr(version_publisher, "_create_topics", recreated)
    second = (await publish_version(settings, derived(settings.names, MORE), "ann")).version
    third = (await publish_version(settings, derived(settings.names, MORE), "ann")).version
    before, between, after = (v.events["line.read"] for v in (first, second, third))
    assert (between.topic_id, between.life) == (before.topic_id, 1)
    assert after.topic_id != before.topic_id
    assert (after.life, after.boundaries) == (2, (0, 0))


@pytest.mark.kafka
async def test_a_changed_topic_that_the_file_leaves_is_refused_by_the_plan_too(
    settings: Settings,
) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    lines = settings.names.event_topic("p", "line.read")
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics([lines])
        await admin.create_topics({lines: TopicSpec(1)})
    narrower = derived(settings.names, FILE.replace("partitions: 2", "partitions: 1"))
    for refused in (plan_changes(settings, narrower), publish_version(settings, narrower, "ann")):
        with pytest.raises(TopicMismatchError, match=r"in which line\.read still has 2 partitions"):
            await refused
    assert len(await published_versions_of(settings, "p")) == 1


@pytest.mark.kafka
async def test_a_retention_that_changes_reaches_the_topic_that_exists(settings: Settings) -> None:
    """It is no part of a version; and what else a person has set on the topic stays."""
    await publish_version(settings, derived(settings.names), "ann")
    topic = settings.names.event_topic("p", "line.read")
    shorter = derived(settings.names, FILE.replace("partitions: 2", "partitions: 2, retention: 1h"))
    async with ClusterAdmin.open(settings) as admin:
        await admin.configure_topics({topic: {"segment.ms": "60000"}})
        applied = await publish_version(settings, shorter, "ann")
        assert not applied.changed
        assert topic in applied.configured_topics
        found = (await admin.topic_configs([topic]))[topic]
        assert (found["retention.ms"], found["segment.ms"]) == ("3600000", "60000")
    assert (await publish_version(settings, shorter, "ann")).configured_topics == ()


@pytest.mark.kafka
async def test_what_was_decided_for_another_version_is_refused(settings: Settings) -> None:
    file = derived(settings.names, MORE)
    await publish_version(settings, derived(settings.names), "ann")
    with pytest.raises(NotAppliedError, match=r"made when nothing was in force, and now it is @1"):
        await publish_version(settings, file, "ann", expected=ExpectedState(None, {}))
    with pytest.raises(NotAppliedError, match="from no to 1 partitions; plan again"):
        await publish_version(settings, file, "ann", expected=ExpectedState(1, {}))
    assert len(await published_versions_of(settings, "p")) == 1


@pytest.mark.kafka
async def test_two_pipelines_share_the_installation_and_nothing_else(settings: Settings) -> None:
    one = await publish_version(settings, derived(settings.names), "ann")
    two = await publish_version(
        settings, derived(settings.names, FILE.replace("p\n", "q\n", 1)), "ann"
    )
    assert two.version.name == "q@1"
    assert two.version.installation == one.version.installation
    assert await current_version(settings, "p") == one.version


@pytest.mark.kafka
async def test_before_the_first_apply_there_are_no_versions(settings: Settings) -> None:
    assert await published_versions_of(settings, "p") == []
    assert await current_version(settings, "p") is None


@pytest.mark.kafka
async def test_a_record_that_no_router_wrote_is_told_by_its_key(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(settings.names.topology_topic, b"nonsense", key=b"p@2")
    with pytest.raises(NotAppliedError, match="b'p@2' that no router wrote"):
        await publish_version(settings, derived(settings.names, MORE), "ann")


@pytest.mark.kafka
async def test_nothing_is_published_over_a_version_of_a_newer_release(settings: Settings) -> None:
    applied = await publish_version(settings, derived(settings.names), "ann")
    newer = applied.version.model_dump(mode="json") | {
        "version": 2,
        "format": KNOWN_FORMATS["version"] + 1,
    }
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(
            settings.names.topology_topic, json.dumps(newer).encode(), key=b"p@2"
        )
    with pytest.raises(NewerFormatError, match="version p@2 has format"):
        await publish_version(settings, derived(settings.names, MORE), "ann")


def numbered(topology: str, number: int) -> Version:
    file = derived(KafkaNames(), topology)
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
    edges = new_input_partitions(numbered(MORE, 2), [numbered(FILE, 1)])
    assert edges["load"] == []
    assert edges["count"] == LINES


def test_every_edge_of_a_first_version_is_new() -> None:
    edges = new_input_partitions(numbered(FILE, 1), [])
    assert edges["load"] == LINES


def test_added_partitions_are_new_to_a_stage_that_reads_the_topic_by_older_versions_alone() -> None:
    """Its lanes read them too, and would find no offset there."""
    without = MORE.replace("count: {subscribes: line.read", "count: {subscribes: asked")
    wider = without.replace("asked: {", "line.read: {partitions: 3}, asked: {")
    edges = new_input_partitions(numbered(wider, 2), [numbered(MORE, 1)])
    assert edges["count"] == [TopicPartition("p.line.read", 2), TopicPartition("p.asked", 0)]


def test_a_topic_that_was_created_again_is_new_to_a_stage_that_the_version_has_not() -> None:
    edges = new_input_partitions(numbered(FILE, 2), [numbered(MORE, 1)], {"p.line.read"})
    assert edges["count"] == LINES
