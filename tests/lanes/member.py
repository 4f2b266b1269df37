"""A process that is a member of a group whose lanes double each event; its parent makes it suffer.

Where a file `<folder>/<pid>.<point>.<how>` appears, the process stops or kills itself the next time
one of its lanes reaches that point of the protocol, and removes the file, so that the parent knows.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.group_offsets import NO_MEMBER
from farandole.broker.settings import Settings
from farandole.events.header_codec import encode_headers
from farandole.events.record import OutgoingRecord, Partition, PartitionWrites, Record
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_group import LaneGroup, MembershipError
from farandole.lanes.lane_port import CommittedOffset, LanePort, PlacedOffsets, StateTables
from farandole.lanes.lane_spec import LaneSpec
from farandole.lanes.lane_work import BatchResult
from farandole.worker.log_setup import configure_logging
from tests.lanes import broken

FOLDER: Path


class Doubling:
    """Two events for each, with its id, in the same partition."""

    def __init__(self, index: int, target: str) -> None:
        self._into = Partition(target, index)

    @property
    def deferred(self) -> None:
        return None

    @property
    def drained(self) -> None:
        return None

    @property
    def throttle(self) -> None:
        return None

    @property
    def timed(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        pass

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        records = records[:200]
        out = [
            OutgoingRecord(
                r.key,
                (r.value or b"") + suffix,
                encode_headers([("id", b"%d/%d" % (r.partition, r.offset))]),
            )
            for r in records
            for suffix in (b"a", b"b")
        ]
        return BatchResult(len(records), {self._into: out})

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        return BatchResult(1, {self._into: [OutgoingRecord(record.key, b"given up")]})

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None


def reached(point: str) -> None:
    """Suffer here, if the parent wants it."""
    for how, number in (("stop", signal.SIGSTOP), ("kill", signal.SIGKILL)):
        request = FOLDER / f"{os.getpid()}.{point}.{how}"
        if request.exists():
            request.unlink()
            os.kill(os.getpid(), number)


class Suffering(broken._Around):
    """The healthy protocol, with the points at which it can be stopped."""

    async def begin(self) -> None:
        reached("before the transaction")
        await self.port.begin()

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        if writes:
            reached("inside the transaction")
        found: PlacedOffsets = await self.port.send(writes, offsets, placed)
        if writes:
            reached("after the offsets")
        return found


def _has_read(port: Any) -> None:
    (FOLDER / f"{os.getpid()}.{port.inputs[0].partition}.read").touch()


def _as_nobody(port: KafkaPort) -> KafkaPort:
    """Let a port commit its offsets without the generation in which it owns its partitions."""
    port._member = NO_MEMBER
    return port


class EarlyOffset(broken.OffsetReadBeforeTheFence):
    async def fence(self) -> None:
        membership = self.port.port.membership
        tps = [TopicPartition(*p) for p in self.port.inputs]
        # Without `require_stable`, which would wait for the last owner's transaction.
        async with ClusterAdmin.open(membership.settings) as admin:
            found = await admin.committed_offsets(membership.group, tps)
        self._early = {
            Partition(*tp): CommittedOffset(at.offset, at.metadata)
            for tp, at in found.items()
            if at is not None
        }
        _has_read(self.port)
        while not (FOLDER / "go on").exists():
            await asyncio.sleep(0.01)
        await self.port.fence()


class HealthyButSlow(broken._Around):
    """Waits where EarlyOffset waits, and reads where the protocol reads."""

    async def fence(self) -> None:
        _has_read(self.port)
        while not (FOLDER / "go on").exists():
            await asyncio.sleep(0.01)
        await self.port.fence()


class OffsetAside(broken.OffsetOutsideOfTheTransaction):
    async def commit_aside(self, offsets: Mapping[Partition, CommittedOffset]) -> None:
        reached("between outputs and offset")
        inner: KafkaPort = self.port.port
        await inner.membership.consumer.commit(
            {TopicPartition(*p): c.offset for p, c in offsets.items()}
        )


class CommitPoint(broken._Around):
    """The healthy protocol at the place where OffsetAside can be stopped."""

    async def commit(self) -> None:
        await self.port.commit()
        reached("between outputs and offset")


PORTS: Mapping[str, Any] = {
    "healthy": Suffering,
    "rebuilt by a zombie": lambda port: broken.RebuiltByAZombie(Suffering(port)),
    "rebuilt as nobody": lambda port: broken.RebuiltByAZombie(Suffering(_as_nobody(port))),
    "early offset": lambda port: EarlyOffset(Suffering(port)),
    "slow": lambda port: HealthyButSlow(Suffering(port)),
    "offset aside": lambda port: OffsetAside(Suffering(port)),
    "commit point": lambda port: CommitPoint(Suffering(port)),
    "silent after a fence": lambda port: broken.SilentAfterAFence(Suffering(port)),
}


async def main(options: Mapping[str, Any]) -> None:
    settings = Settings(**options["settings"])
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    port: Any = PORTS[options["port"]]

    def around(inner: KafkaPort) -> LanePort:
        outer: LanePort = port(inner)
        return outer

    spec = LaneSpec(
        group=options["group"],
        topics=[options["source"]],
        transactional_id=lambda lane: f"{options['group']}:{lane}",
        work=lambda lane: Doubling(lane, options["target"]),
        drain_seconds=5,
        lost_offset_remedy="(a test)",
        wrap_port=around,
    )
    group = LaneGroup(settings, spec, isolation=asyncio.Lock())
    await group.run(stopping)


if __name__ == "__main__":
    given = orjson.loads(sys.argv[1])
    FOLDER = Path(given["folder"])
    configure_logging(pretty=False)
    try:
        asyncio.run(main(given))
    except MembershipError:
        sys.exit(75)
