"""Are unread events counted, under the version that is theirs?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from farandole.broker.consumer_lag import InputLag
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.router import cluster_snapshot
from farandole.router.cluster_snapshot import take_snapshot, unread_events
from farandole.router.topology_change import UnreadEvents
from farandole.router.topology_store import published_versions_of
from farandole.router.version_publisher import publish_version
from tests.router.made import FILE, MORE, derived


class Bare(NamedTuple):
    offset: int
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = "p.line.read"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b"{}"


def numbered(number: int, boundary: int) -> Version:
    file = derived(KafkaNames(), FILE)
    return Version(
        pipeline="p",
        version=number,
        installation=UUID(int=0),
        published=datetime(2026, 1, 1, tzinfo=UTC),
        published_by="ann",
        events={
            name: event.model_copy(update={"boundaries": (boundary,) * event.partitions})
            for name, event in file.events.items()
        },
        stages=dict(file.stages),
    )


VERSIONS = [numbered(1, 5), numbered(2, 9)]

Count = Callable[[Bare], Awaitable[list[tuple[int, ...]]]]


OURS = f"farandole://{UUID(int=0)}/p/read".encode()


def carrying(version: str, source: bytes = OURS) -> list[tuple[str, bytes]]:
    """The headers by which a stage's output names its version and its run."""
    return [
        ("ce_id", b"asked/0/1/0"),
        ("ce_source", source),
        ("ce_topologyversion", version.encode()),
        ("ce_runid", b"a" * 13),
    ]


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Under which versions `load` finds a record unread that stands in `p.line.read`."""

    async def count(record: Bare) -> list[tuple[int, ...]]:
        async def scanned(*_: object, **__: object) -> AsyncGenerator[list[Bare]]:
            yield [record]

        monkeypatch.setattr(cluster_snapshot, "scan", scanned)
        partition = TopicPartition(record.topic, record.partition)
        behind = InputLag("line.read", partition, 0, record.offset + 1)
        found = await unread_events(
            Settings(bootstrap="nowhere:9092"), VERSIONS, {"load": [behind]}
        )
        assert all(each.events == 1 for each in found)
        return [each.versions for each in found]

    return count


@pytest.mark.parametrize(("offset", "number"), [(0, 1), (5, 1), (8, 1), (9, 2), (99, 2)])
async def test_a_bare_record_belongs_to_the_newest_boundary_before_it(
    count: Count, offset: int, number: int
) -> None:
    assert await count(Bare(offset)) == [(number,)]


async def test_a_record_in_a_partition_that_an_operator_added_is_the_newest_versions(
    count: Count,
) -> None:
    """The versions have boundaries for two partitions."""
    for partition in (2, 3, 7):
        assert await count(Bare(0, partition=partition)) == [(2,)]


async def test_a_version_that_a_stages_output_carries_wins(count: Count) -> None:
    assert await count(Bare(99, carrying("p@1"))) == [(1,)]


async def test_a_version_that_a_root_carries_is_not_believed(count: Count) -> None:
    assert await count(Bare(99, [("ce_topologyversion", b"p@1")])) == [(2,)]
    assert await count(Bare(99, carrying("p@1", b"/them"))) == [(2,)]


async def test_an_event_of_a_version_that_is_not_known_is_counted_in_its_place(
    count: Count,
) -> None:
    assert await count(Bare(99, carrying("p@7"))) == [(2,)]
    assert await count(Bare(0, carrying("p@7"))) == [(1,)]


async def test_a_topic_that_no_version_knows_belongs_to_none(count: Count) -> None:
    assert await count(Bare(99, topic="p.other")) == []


async def waiting(settings: Settings) -> None:
    """Five events before `load` and `count`, three under @1 and two under @2, and `count` has
    worked the first."""
    topic = settings.names.event_topic("p", "line.read")
    await publish_version(settings, derived(settings.names, MORE), "ann")
    async with open_client(make_producer(settings), settings) as writer:
        for _ in range(3):
            await writer.send_and_wait(topic, b"{}", partition=1)
        await publish_version(settings, derived(settings.names, FILE), "ann")
        (first, _) = await published_versions_of(settings, "p")
        headers = carrying("p@1", first.source("read").encode())
        await writer.send_and_wait(topic, b"{}", partition=1)
        await writer.send_and_wait(topic, b"{}", partition=0, headers=headers)
    member = make_consumer(settings, group=settings.names.stage_group("p", "count"))
    async with open_client(member, settings):
        tp = TopicPartition(topic, 1)
        member.assign([tp])
        await member.commit({tp: 1})


@pytest.mark.kafka
async def test_unread_events_are_counted_under_their_version(settings: Settings) -> None:
    """The markers of an apply are none; and `count` is not in @2, so what is @2's is not its."""
    await waiting(settings)
    found, _ = await take_snapshot(settings, derived(settings.names, FILE))
    topic = settings.names.event_topic("p", "line.read")
    assert sorted(found.unread) == [
        UnreadEvents("count", "line.read", topic, (1,), 3),
        UnreadEvents("load", "line.read", topic, (1,), 4),
        UnreadEvents("load", "line.read", topic, (2,), 1),
    ]


@pytest.mark.kafka
async def test_what_is_too_much_to_read_counts_for_each_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_snapshot, "MAX_OFFSETS_READ", 0)
    await waiting(settings)
    found, _ = await take_snapshot(settings, derived(settings.names, FILE))
    versions = {each.stage: each.versions for each in found.unread if each.events}
    assert versions["count"] == (1,)
    assert versions["load"] == (1, 2)
