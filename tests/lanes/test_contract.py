"""Does the simulation behave as the real Kafka, where the lane protocol relies on it?

Every test runs twice: over a SimulatedPort and over a KafkaPort.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.aiokafka_internals import rejoin_group
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.group_offsets import current_member
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.broker.transactions import send_records
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.lanes.group_meter import LaneMeter
from farandole.lanes.kafka_port import GroupMembership, KafkaPort
from farandole.lanes.known_topics import KnownTopic
from farandole.lanes.lane_port import (
    CommittedOffset,
    ExpelledError,
    FencedError,
    LanePort,
    OffsetLostError,
    OutcomeUnknownError,
    WriteRejectedError,
)
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import LaneWork
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedPort
from farandole.telemetry.meter import Histogram
from tests.undecodable import undecodable

pytestmark = pytest.mark.kafka

START = CommittedOffset(0)


class Simulated:
    """One simulated cluster; calls are driven to their end, one after the other."""

    def __init__(self) -> None:
        self.kafka = SimulatedKafka()
        self.kafka.create_topic("in", 1)
        self.source, self.target = Partition("in", 0), Partition("out", 0)
        self.group = "g"
        self.kafka.offsets["g", self.source] = START

    async def port(self, tid: str = "t") -> LanePort:
        return SimulatedPort(self.kafka, "g", tid, [self.source], 1, most=100)

    async def joined(self) -> LanePort:
        self.kafka.generations["t"] = 1
        return await self.port()

    async def produce(self, port: LanePort, value: bytes) -> None:
        assert isinstance(port, SimulatedPort)
        out = [OutgoingRecord(None, value)]
        self.kafka.produce(port.transactional_id, port._epoch, self.target, out)

    async def end_generation(self, port: LanePort) -> None:
        self.kafka.generations["t"] += 1

    async def give(self, *values: bytes) -> None:
        for value in values:
            self.kafka.append(self.source, OutgoingRecord(None, value))

    async def records(self) -> list[Record]:
        return self.kafka.read_committed(self.target)

    async def expire(self, tid: str = "t") -> None:
        self.kafka.expire(tid)

    async def create(self) -> None:
        """Again, if it was deleted."""
        if self.source.topic not in self.kafka.widths():
            self.kafka.create_topic(self.source.topic, 1)

    async def widen(self) -> None:
        self.kafka.add_partitions(self.source.topic, 2)

    async def delete(self) -> None:
        self.kafka.delete_topic(self.source.topic)

    async def known(self) -> KnownTopic:
        return KnownTopic(1, self.kafka.topic_ids()[self.source.topic])

    async def know(self, port: LanePort, known: KnownTopic) -> None:
        assert isinstance(port, SimulatedPort)
        port.known_topics = lambda: {self.source.topic: known}

    async def watch(self, port: LanePort) -> None:
        assert isinstance(port, SimulatedPort)
        port.read_topic_ids()

    async def call(self, request: Awaitable[Any]) -> Any:
        steps = request.__await__()
        try:
            while True:
                next(steps)
        except StopIteration as done:
            return done.value


class Real:
    """The same on the embedded broker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.model_copy(update={"transaction_timeout": 2.0, "deadline": 1.9})
        names = settings.names
        self.source = Partition(names.event_topic("contract", "in"), 0)
        self.target = Partition(names.event_topic("contract", "out"), 0)
        self.group = names.stage_group("contract", "g")
        self.ports: list[KafkaPort] = []
        self.members: list[Any] = []

    async def prepare(self) -> None:
        async with ClusterAdmin.open(self.settings) as admin:
            await admin.create_topics(
                {self.source.topic: TopicSpec(1), self.target.topic: TopicSpec(1)}
            )
        client = make_producer(
            self.settings, transactional_id=self.settings.names.router_transactional_id
        )
        async with open_client(client, self.settings), client.transaction():
            await client.send_offsets_to_transaction(
                {TopicPartition(*self.source): OffsetAndMetadata(0, "")}, self.group
            )

    async def port(self, tid: str = "t") -> LanePort:
        member = make_consumer(self.settings, group=self.group)
        await member.start()
        member.assign([TopicPartition(*self.source)])
        self.members.append(member)
        return self._port_of(member, tid)

    async def joined(self) -> LanePort:
        """A port of a consumer that has joined the group."""
        member = make_consumer(self.settings, group=self.group)
        await member.start()
        self.members.append(member)
        member.subscribe([self.source.topic])
        async with asyncio.timeout(60):
            while not member.assignment():
                await asyncio.sleep(0.01)
        return self._port_of(member, "t")

    async def produce(self, port: LanePort, value: bytes) -> None:
        assert isinstance(port, KafkaPort)
        await send_records(port._started(), self.target, [OutgoingRecord(None, value)], 0)

    async def end_generation(self, port: LanePort) -> None:
        assert isinstance(port, KafkaPort)
        before = port._member
        rejoin_group(port.membership.consumer)
        async with asyncio.timeout(60):
            while current_member(port.membership.consumer).generation <= before.generation:
                await asyncio.sleep(0.01)

    def _port_of(self, member: Any, tid: str) -> LanePort:
        spec = LaneSpec(
            group=self.group,
            topics=[self.source.topic],
            transactional_id=lambda _: f"{self.settings.names.prefix}{tid}",
            work=_no_work,
            drain_seconds=5,
            lost_offset_remedy="(a test)",
        )
        membership = GroupMembership(self.settings, member, self.group, current_member(member))
        port = KafkaPort(
            membership, spec, self.source.partition, [self.source], LaneMeter(Histogram(()))
        )
        self.ports.append(port)
        return port

    async def give(self, *values: bytes) -> None:
        client = make_producer(self.settings)
        async with open_client(client, self.settings):
            for value in values:
                await client.send_and_wait(self.source.topic, value, partition=0)

    async def records(self) -> list[Record]:
        return [
            record
            async for records in scan(self.settings, [self.target.topic])
            for record in records
        ]

    async def expire(self, tid: str = "t") -> None:
        tp = TopicPartition(*self.target)
        async with ClusterAdmin.open(self.settings) as admin:
            async with asyncio.timeout(60):
                while await admin.end_offsets([tp]) != await admin.end_offsets([tp], stable=True):
                    await asyncio.sleep(0.1)

    async def create(self) -> None:
        """Again, if it was deleted."""
        async with ClusterAdmin.open(self.settings) as admin:
            await admin.create_topics({self.source.topic: TopicSpec(1)})

    async def widen(self) -> None:
        async with ClusterAdmin.open(self.settings) as admin:
            await admin.create_topics({self.source.topic: TopicSpec(2, grows=True)})

    async def delete(self) -> None:
        """Delete the source, and wait until its group has no offset there."""
        tp = TopicPartition(*self.source)
        async with ClusterAdmin.open(self.settings) as admin:
            await admin.delete_topics([self.source.topic])
            async with asyncio.timeout(60):
                while (await admin.committed_offsets(self.group, [tp]))[tp] is not None:
                    await asyncio.sleep(0.05)

    async def known(self) -> KnownTopic:
        async with ClusterAdmin.open(self.settings) as admin:
            return KnownTopic(1, (await admin.topic_ids([self.source.topic]))[self.source.topic])

    async def know(self, port: LanePort, known: KnownTopic) -> None:
        assert isinstance(port, KafkaPort)
        port.spec = replace(port.spec, known_topics=lambda: {self.source.topic: known})

    async def watch(self, port: LanePort) -> None:
        assert isinstance(port, KafkaPort)
        await port.membership.read_topic_ids([self.source.topic])

    async def call(self, request: Awaitable[Any]) -> Any:
        return await request

    async def close(self) -> None:
        for port in self.ports:
            await port.force_close()
            await port.membership.close_admin()
        for member in self.members:
            await member.stop()


def _no_work(_: int) -> LaneWork:
    raise AssertionError("only its port is tested")


World = Simulated | Real


async def results(world: World) -> list[bytes | None]:
    return [record.value for record in await world.records()]


@pytest.fixture(params=["simulation", "kafka"])
async def world(
    request: pytest.FixtureRequest, settings: Callable[[], Settings] | Settings
) -> AsyncIterator[World]:
    if request.param == "simulation":
        yield Simulated()
        return
    assert isinstance(settings, Settings)
    real = Real(settings)
    await real.prepare()
    yield real
    await real.close()


async def written(world: World, port: LanePort, value: bytes, offset: int) -> None:
    """A transaction, up to but without its commit."""
    await world.call(port.begin())
    await world.call(
        port.send(
            {world.target: [OutgoingRecord(None, value)]},
            {world.source: CommittedOffset(offset, "note")},
        )
    )


async def test_what_is_not_committed_cannot_be_read(world: World) -> None:
    port = await world.port()
    await world.call(port.fence())
    await written(world, port, b"x", 1)
    second = await world.port()
    await world.call(second.fence())
    assert await world.call(second.committed_offsets()) == {world.source: START}
    assert await results(world) == []


async def test_the_offset_of_an_open_transaction_is_waited_for(world: World) -> None:
    port = await world.port()
    await world.call(port.fence())
    await written(world, port, b"x", 1)
    second = await world.port()
    if isinstance(second, KafkaPort):
        short = second.membership.settings.model_copy(update={"deadline": 0.5})
        second.membership.settings = short
    with pytest.raises(OutcomeUnknownError):
        await world.call(second.committed_offsets())


async def test_a_member_of_the_group_commits_its_offset(world: World) -> None:
    port = await world.joined()
    await world.call(port.fence())
    await written(world, port, b"x", 1)
    await world.call(port.commit())
    assert await _readable(world, port) == [b"x"]


async def test_the_offset_of_a_generation_that_is_over_is_refused(world: World) -> None:
    port = await world.joined()
    if isinstance(port, KafkaPort):
        settings = port.membership.settings
        port.membership.settings = settings.model_copy(update={"transaction_timeout": 600.0})
    await world.call(port.fence())
    await world.end_generation(port)
    await world.call(port.begin())
    await world.produce(port, b"x")
    with pytest.raises(ExpelledError):
        await world.call(port.send({}, {world.source: CommittedOffset(1)}))
    await world.call(port.withdraw())
    assert await results(world) == []  # nobody waits for the transaction to time out
    second = await world.port()
    assert await world.call(second.committed_offsets()) == {world.source: START}


async def test_outputs_offset_and_metadata_become_visible_together(world: World) -> None:
    port = await world.port()
    await world.call(port.fence())
    await written(world, port, b"x", 1)
    await world.call(port.commit())
    second = await world.port()
    await world.call(second.fence())
    assert await world.call(second.committed_offsets()) == {
        world.source: CommittedOffset(1, "note")
    }
    assert await results(world) == [b"x"]


async def test_a_fence_aborts_the_open_transaction_of_the_last_owner(world: World) -> None:
    first, second = await world.port(), await world.port()
    await world.call(first.fence())
    await written(world, first, b"x", 1)
    await world.call(second.fence())
    assert await world.call(second.committed_offsets()) == {world.source: START}
    await written(world, second, b"y", 1)
    await world.call(second.commit())
    assert await _readable(world, second) == [b"y"]


async def test_the_last_owner_cannot_commit_once_it_is_fenced(world: World) -> None:
    first, second = await world.port(), await world.port()
    await world.call(first.fence())
    await written(world, first, b"x", 1)
    await world.call(second.fence())
    with pytest.raises(FencedError):
        await world.call(first.commit())


async def test_the_last_owner_cannot_write_once_it_is_fenced(world: World) -> None:
    first, second = await world.port(), await world.port()
    await world.call(first.fence())
    await world.call(second.fence())
    with pytest.raises(FencedError):
        await written(world, first, b"x", 1)
        await world.call(first.commit())


async def test_a_transaction_that_outlives_its_time_out_fences_its_living_owner(
    world: World,
) -> None:
    port = await world.port()
    await world.call(port.fence())
    await written(world, port, b"x", 1)
    await world.expire()
    with pytest.raises(FencedError):
        # The real port's own deadline for the transaction has passed as well: look past it.
        if isinstance(port, KafkaPort):
            port._transaction_ends = asyncio.get_running_loop().time() + 5
        await world.call(port.commit())


async def test_two_lanes_do_not_fence_each_other(world: World) -> None:
    first, second = await world.port("one"), await world.port("two")
    await world.call(first.fence())
    await world.call(second.fence())
    await written(world, first, b"x", 1)
    await world.call(first.commit())
    assert await _readable(world, first) == [b"x"]


async def test_an_open_transaction_hides_what_another_commits_behind_it(world: World) -> None:
    first, second = await world.port("one"), await world.port("two")
    await world.call(first.fence())
    await world.call(second.fence())
    await written(world, first, b"x", 1)
    await written(world, second, b"y", 1)
    await world.call(second.commit())
    await world.call(first.commit())
    assert await _readable(world, first, second) == [b"x", b"y"]


async def test_markers_take_offsets_and_fetch_passes_them(world: World) -> None:
    """Read the topic of results as an input: two records, a marker, one more record, a marker."""
    port = await world.port()
    await world.call(port.fence())
    for value in (b"x", b"y"):
        await written(world, port, value, 1)
        await world.call(port.commit())
    await _readable(world, port)
    reader = await world.port("reader")
    reader.inputs = [world.target]  # type: ignore[attr-defined]
    if isinstance(reader, KafkaPort):
        reader.membership.consumer.assign([TopicPartition(*world.target)])
    reader.seek({world.target: 0})
    fetched: list[Any] = []
    async with asyncio.timeout(60):
        while reader.positions() != {world.target: 4}:
            fetched += await world.call(reader.fetch())
    assert [(r.offset, r.value) for r in fetched] == [(0, b"x"), (2, b"y")]


async def test_records_stand_at_the_offsets_that_are_told_among_those_of_others(
    world: World,
) -> None:
    """Each value takes a batch of its own on the real broker."""
    ports = [await world.port("one"), await world.port("two")]
    for port in ports:
        if isinstance(port, KafkaPort):
            settings = port.membership.settings
            more = {"transaction_timeout": 60.0, "deadline": 59.0}
            port.membership.settings = settings.model_copy(update=more)
        await world.call(port.fence())
        await world.call(port.begin())
    told: dict[int, bytes | None] = {}
    for number in range(2):
        out = [
            [
                OutgoingRecord(None, b"%d %d %d " % (of, number, n) + b"x" * 600_000)
                for n in range(3)
            ]
            for of in range(2)
        ]
        sending = [
            world.call(port.send({world.target: mine}, {world.source: START}, [world.target]))
            for port, mine in zip(ports, out, strict=True)
        ]
        for mine, found in zip(out, await asyncio.gather(*sending), strict=True):
            told |= dict(zip(found[world.target], (r.value for r in mine), strict=True))
    for port in ports:
        await world.call(port.commit())
        await world.call(port.force_close())
        await world.call(port.fence())
    assert told == {record.offset: record.value for record in await world.records()}
    assert len(told) == 12


async def test_offsets_are_told_of_no_partition_that_was_not_asked_for(world: World) -> None:
    port = await world.port()
    await world.call(port.fence())
    await world.call(port.begin())
    out = {world.target: [OutgoingRecord(None, b"x")]}
    assert await world.call(port.send(out, {world.source: START})) == {}


async def test_state_is_the_newest_committed_row_of_each_key(world: World) -> None:
    first, second = await world.port(), await world.port()
    await world.call(first.fence())
    for rows in ([(b"a", b"1"), (b"b", b"1")], [(b"a", b"2")], [(b"b", None)]):
        await world.call(first.begin())
        await world.call(
            first.send(
                {world.target: [OutgoingRecord(*row) for row in rows]}, {world.source: START}
            )
        )
        await world.call(first.commit())
    await world.call(first.begin())
    await world.call(
        first.send({world.target: [OutgoingRecord(b"a", b"3")]}, {world.source: START})
    )
    await world.call(second.fence())
    second.state = [world.target]  # type: ignore[attr-defined]
    assert await world.call(second.read_state()) == {world.target.topic: {b"a": b"2"}}


async def test_an_offset_that_nobody_committed_is_lost(world: World) -> None:
    port = await world.port()
    port.inputs = [Partition(world.source.topic, 1)]  # type: ignore[attr-defined]
    with pytest.raises(OffsetLostError):
        await world.call(port.committed_offsets())


async def test_an_offset_that_nobody_committed_is_the_start_if_the_spec_wants_it(
    settings: Settings,
) -> None:
    real = Real(settings)
    await real.prepare()
    try:
        port = await real.port()
        assert isinstance(port, KafkaPort)
        port.inputs = [real.source, real.target]
        port.spec = replace(port.spec, restart_lost_input=True)
        assert await port.committed_offsets() == {real.source: START, real.target: START}
    finally:
        await real.close()


async def test_a_topic_that_is_created_again_has_another_id_and_no_offsets(world: World) -> None:
    before = await world.known()
    port = await world.port()
    assert await world.call(port.committed_offsets()) == {world.source: START}
    await world.delete()
    await world.create()
    assert (await world.known()).id != before.id
    with pytest.raises(OffsetLostError):
        await world.call(port.committed_offsets())


async def test_a_lane_does_not_open_over_a_topic_that_is_another_one(world: World) -> None:
    port = await world.port()
    await world.know(port, await world.known())
    await world.call(port.fence())
    await world.delete()
    await world.create()
    with pytest.raises(OffsetLostError, match="was deleted and created again"):
        await world.call(port.committed_offsets())


async def test_a_position_behind_the_end_of_a_topic_that_was_created_again_is_lost(
    world: World,
) -> None:
    await world.give(b"1", b"2")
    port = await world.port()
    port.seek({world.source: 2})
    await world.delete()
    await world.create()
    await world.give(b"other")
    with pytest.raises(OffsetLostError):
        async with asyncio.timeout(60):
            while True:
                await world.call(port.fetch())


async def test_a_lane_reads_on_in_a_topic_that_was_created_again_until_it_asks_for_its_id(
    world: World,
) -> None:
    await world.give(b"1")
    port = await world.port()
    await world.know(port, await world.known())
    await world.watch(port)
    await world.delete()
    await world.create()
    await world.give(b"skipped", b"other")
    port.seek({world.source: 1})  # where it was
    fetched: list[Any] = []
    async with asyncio.timeout(60):
        while not fetched:
            assert not await world.call(port.wait_if_paused())
            fetched += await world.call(port.fetch())
    assert [(r.offset, r.value) for r in fetched] == [(1, b"other")]
    await world.watch(port)
    with pytest.raises(OffsetLostError, match="was deleted and created again"):
        await world.call(port.wait_if_paused())


async def test_an_added_partition_can_be_read_only_by_those_who_know_it(world: World) -> None:
    known = await world.known()
    await world.widen()
    port = await world.port()
    port.inputs = [Partition(world.source.topic, 1)]  # type: ignore[attr-defined]
    await world.know(port, known)
    with pytest.raises(
        OffsetLostError, match="has a partition 1, and the published version knows 1"
    ):
        await world.call(port.fence())
    await world.know(port, known._replace(partitions=2))
    await world.call(port.fence())


async def test_what_is_written_into_a_topic_that_is_gone_has_no_outcome(world: World) -> None:
    port = await world.port()
    await world.call(port.fence())
    await world.delete()
    await world.call(port.begin())
    with pytest.raises(OutcomeUnknownError):
        out = {world.source: [OutgoingRecord(None, b"x")]}
        await world.call(port.send(out, {world.source: CommittedOffset(1)}))


async def _readable(world: World, *settled: LanePort) -> list[bytes | None]:
    """What can be read once the ends of these ports' transactions are complete: the next birth of
    each sees to that."""
    for port in settled:
        await world.call(port.force_close())
        await world.call(port.fence())
    return await results(world)


async def _give_undecodable(real: Real, partition: Partition) -> None:
    client = make_producer(real.settings, enable_idempotence=False)
    async with open_client(client, real.settings):
        batch = undecodable(client, b"{}")
        await (await client.send_batch(batch, partition.topic, partition=0))


async def test_a_record_that_kafka_never_takes_is_refused_among_others(settings: Settings) -> None:
    real = Real(settings)
    await real.prepare()
    try:
        port = await real.port()
        await port.fence()
        await port.begin()
        out = [OutgoingRecord(None, value) for value in (b"x", b"x" * 5 * 2**20, b"x")]
        with pytest.raises(WriteRejectedError, match="MessageSizeTooLarge"):
            await port.send({real.target: out}, {real.source: CommittedOffset(1)})
        assert await _readable(real, port) == []
    finally:
        await real.close()


async def test_what_cannot_be_decoded_costs_the_other_input_nothing(settings: Settings) -> None:
    """Two inputs; in one a marker, then a record that the client cannot decode, then a good one."""
    real = Real(settings)
    await real.prepare()
    try:
        writer = await real.port()
        await real.call(writer.fence())
        await written(real, writer, b"before", 0)
        await real.call(writer.commit())
        await _readable(real, writer)
        await _give_undecodable(real, real.target)
        await written(real, writer, b"after", 0)
        await real.call(writer.commit())
        await _readable(real, writer)
        await real.give(b"1", b"2", b"3")
        reader = await real.port("reader")
        assert isinstance(reader, KafkaPort)
        reader.inputs = [real.source, real.target]
        reader.membership.consumer.assign([TopicPartition(*p) for p in reader.inputs])
        reader.seek(dict.fromkeys(reader.inputs, 0))
        fetched: list[Any] = []
        async with asyncio.timeout(60):
            # Both have arrived, and the one that can be decoded is taken out first.
            arrived: Any = reader.membership.consumer._fetcher._records
            while len(arrived) < 2:
                await asyncio.sleep(0.01)
            arrived.move_to_end(TopicPartition(*real.target))
            while len(fetched) < 6:
                fetched += await reader.fetch()
        found = {(r.topic, r.offset): r.value for r in fetched}
        assert found == {
            (real.source.topic, 0): b"1",
            (real.source.topic, 1): b"2",
            (real.source.topic, 2): b"3",
            (real.target.topic, 0): b"before",
            (real.target.topic, 2): None,
            (real.target.topic, 3): b"after",
        }
        assert len(fetched) == 6
    finally:
        await real.close()


async def test_the_offset_of_another_group_and_the_ends_can_be_asked_for(world: World) -> None:
    await world.give(b"a", b"b")
    port = await world.port()
    await world.call(port.fence())
    assert await world.call(port.ends()) == {world.source: 2}
    assert await world.call(port.offsets_of(world.group)) == {world.source: 0}
    assert await world.call(port.offsets_of(f"{world.group}.outside")) == {world.source: None}


async def test_of_the_inputs_only_those_asked_for_are_read(world: World) -> None:
    await world.give(b"a")
    port = await world.port()
    await world.call(port.fence())
    port.seek(dict.fromkeys([world.source], 0))
    assert not await world.call(port.fetch(wait=False, only=[]))
    assert port.positions() == {world.source: 0}
