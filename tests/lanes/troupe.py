"""Processes that share one group on a real Kafka, and what they must have done together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from tests.session_template import ChildProcess, SessionTemplate

PARTITIONS = 2


@dataclass
class Troupe:
    """One group, its members, the events it was given."""

    settings: Settings
    folder: Path
    template: SessionTemplate
    members: list[ChildProcess] = field(default_factory=list)
    given: dict[int, list[bytes]] = field(
        default_factory=lambda: {p: [] for p in range(PARTITIONS)}
    )

    @property
    def group(self) -> str:
        return self.settings.names.stage_group("troupe", "double")

    @property
    def source(self) -> str:
        return self.settings.names.event_topic("troupe", "in")

    @property
    def target(self) -> str:
        return self.settings.names.event_topic("troupe", "out")

    async def prepare(self) -> None:
        async with ClusterAdmin.open(self.settings) as admin:
            await admin.create_topics(
                {self.source: TopicSpec(PARTITIONS), self.target: TopicSpec(PARTITIONS)}
            )
        client = make_producer(
            self.settings, transactional_id=self.settings.names.router_transactional_id
        )
        async with open_client(client, self.settings), client.transaction():
            await client.send_offsets_to_transaction(
                {
                    TopicPartition(self.source, p): OffsetAndMetadata(0, "")
                    for p in range(PARTITIONS)
                },
                self.group,
            )

    async def give(self, events: int) -> None:
        """So many more events, evenly, numbered on."""
        client = make_producer(self.settings)
        async with open_client(client, self.settings):
            futures = []
            for _ in range(events):
                number = sum(len(v) for v in self.given.values())
                partition = number % PARTITIONS
                value = b"%06d" % number
                self.given[partition].append(value)
                futures.append(
                    await client.send(
                        self.source, value, key=b"k%d" % partition, partition=partition
                    )
                )
            await asyncio.gather(*futures)

    def start(self, port: str = "healthy", **settings: Any) -> ChildProcess:
        given_settings = self.settings.model_dump(mode="json", exclude_none=True) | settings
        options = {
            "settings": given_settings,
            "group": self.group,
            "source": self.source,
            "target": self.target,
            "folder": str(self.folder),
            "port": port,
        }
        log = (self.folder / f"member-{len(self.members)}.log").open("wb")
        argv = [sys.executable, "-m", "tests.lanes.member", orjson.dumps(options).decode()]
        member = self.template.popen(argv, log)
        self.members.append(member)
        return member

    async def until_at(self, member: ChildProcess, point: str, how: str) -> None:
        """Wish that the member stops, or dies, at that point; return when it has."""
        request = self.folder / f"{member.pid}.{point}.{how}"
        request.touch()
        await until(lambda: not request.exists(), f"nobody reached {point!r}")
        if how == "kill":
            await asyncio.to_thread(member.wait, 10)
        else:
            await until(lambda: stopped(member.pid), "it did not stop")

    async def joined(self, member: ChildProcess) -> None:
        """Return when the member has had partitions assigned to it, or none, by the group."""
        log = self.folder / f"member-{self.members.index(member)}.log"
        await until(lambda: b"group.assigned" in log.read_bytes(), "it did not join its group")

    async def aborted(self) -> None:
        """Return when no transaction is open any more on the topic of results."""
        tps = [TopicPartition(self.target, p) for p in range(PARTITIONS)]
        async with ClusterAdmin.open(self.settings) as admin:
            ends = time.monotonic() + 100
            while await admin.end_offsets(tps) != await admin.end_offsets(tps, stable=True):
                assert time.monotonic() < ends, "the broker never ended the transaction"
                await asyncio.sleep(0.1)

    async def offsets(self) -> list[int]:
        """What the group has committed of each partition."""
        tps = [TopicPartition(self.source, p) for p in range(PARTITIONS)]
        async with ClusterAdmin.open(self.settings) as admin:
            found = await admin.committed_offsets(self.group, tps)
        committed = [at.offset for tp in tps if (at := found[tp]) is not None]
        assert len(committed) == len(tps)
        return committed

    async def results(self) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
        async for records in scan(self.settings, [self.target]):
            for record in records:
                assert record.value is not None
                found[record.partition].append(record.value)
        return found

    def expected(self) -> dict[int, list[bytes]]:
        return {p: [v + s for v in vs for s in (b"a", b"b")] for p, vs in self.given.items()}

    async def settled(self, patience: float = 120) -> dict[int, list[bytes]]:
        """The results, once the last of each partition is there; what is missing after `patience`
        seconds is missing."""
        ends = time.monotonic() + patience
        while True:
            found = await self.results()
            if all(
                e[-1:] == found[p][-1:] and len(found[p]) >= len(e)
                for p, e in self.expected().items()
            ):
                return found
            if time.monotonic() > ends:
                return found
            await asyncio.sleep(0.1)

    async def some(self, events: int) -> None:
        """Return when so many results can be read."""
        ends = time.monotonic() + 100
        while sum(len(v) for v in (await self.results()).values()) < events:
            assert time.monotonic() < ends, f"fewer than {events} results after 40 s"
            await asyncio.sleep(0.05)

    def end(self) -> None:
        for member in self.members:
            if member.poll() is None:
                member.send_signal(signal.SIGCONT)
                member.kill()
                member.wait()


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def until(condition: Callable[[], bool], otherwise: str, patience: float = 120) -> None:
    ends = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < ends, otherwise
        await asyncio.sleep(0.02)


def wake(member: ChildProcess) -> None:
    os.kill(member.pid, signal.SIGCONT)
