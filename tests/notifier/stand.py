"""A pipeline with dead letters on a real Kafka, and notifiers with a real mail server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.broker.topic_reader import read_table
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.header_codec import decode_headers
from farandole.events.incident_record import Incident, Notice
from farandole.events.topology_version import Version
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.notifier import notifier_tables
from farandole.notifier import settings as mail
from farandole.notifier.delivery_channels import build_channels, deliver_notice
from farandole.notifier.service import run_notifier
from farandole.router.version_publisher import publish_version
from tests.notifier.made import SENDER
from tests.notifier.servers import Server
from tests.router.made import derived

PATIENCE = 180.0
ASSIGNED = b'"lanes": [0]'
ROOT = Path(__file__).parents[2]


@dataclass
class Stand:
    """One pipeline `p`, its notifiers, their settings and their clock."""

    settings: Settings
    folder: Path
    given: dict[str, Any] = field(default_factory=dict)
    """Mail settings that replace those of `mailing`."""
    late: timedelta = timedelta()
    """How far the notifiers' clock is ahead of the real one."""
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def publish(
        self, *stages: str, alerts: str = "{email: ops@example.com}", schedules: str = "{}"
    ) -> Version:
        written = [
            "pipeline: p", "package: work", "events: {asked: {partitions: 1}}", "stages:",
            *(f"  {stage}: {{subscribes: asked}}" for stage in stages), f"alerts: {alerts}",
            f"schedules: {schedules}",
        ]  # fmt: skip
        names = self.settings.names
        return (
            await publish_version(self.settings, derived(names, "\n".join(written)), "me")
        ).version

    async def die(self, stage: str, *messages: str, ago: float = 60, error: str = "Reject") -> None:
        """Write one dead letter for each message, the first one `ago` seconds ago, and each other
        one six seconds later. So its notice, due after five seconds, is due at once."""
        topic = self.settings.names.dead_topic("p", stage)
        first = time.time() - ago
        async with open_client(make_producer(self.settings), self.settings) as client:
            for number, message in enumerate(messages):
                original = SimulatedRecord("p.asked", 0, number, b'{"n": 1}', b"k")
                death = FailureAccount(stage, "p@1", "run", error, message)
                out = build_dead_letter(original, death, largest=1_000_000)
                await client.send_and_wait(
                    topic, out.value, key=out.key, partition=0, headers=decode_headers(out.headers),
                    timestamp_ms=int((first + 6 * number) * 1000),
                )  # fmt: skip

    async def flood(self, stage: str, messages: Sequence[str], times: int) -> None:
        """Write all these messages `times` times, as fast as Kafka accepts them."""
        topic = self.settings.names.dead_topic("p", stage)
        written = []
        for message in messages:
            original = SimulatedRecord("p.asked", 0, 0, b'{"n": 1}', b"k")
            death = FailureAccount(stage, "p@1", "run", "Reject", message, traceback="x" * 500)
            out = build_dead_letter(original, death, largest=1_000_000)
            written.append(
                {"key": out.key, "value": out.value, "headers": decode_headers(out.headers)}
            )
        async with open_client(make_producer(self.settings), self.settings) as client:
            sent, batch = [], client.create_batch()
            for _ in range(times):
                for each in written:
                    if batch.append(timestamp=None, **each) is None:
                        sent.append(await client.send_batch(batch, topic, partition=0))
                        batch = client.create_batch()
                        batch.append(timestamp=None, **each)
            sent.append(await client.send_batch(batch, topic, partition=0))
            await asyncio.gather(*sent)

    def mailing(self, server: Server) -> dict[str, Any]:
        values = {"smtp_security": "none", "smtp_timeout": PATIENCE, "mail_from": SENDER}
        return values | {"smtp_host": "localhost", "smtp_port": server.port} | self.given

    @asynccontextmanager
    async def notifying(self, server: Server, **how: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Run a notifier in this process, with the real channels."""
        stopping = asyncio.Event()
        notifier_settings = mail.NotifierSettings(**self.mailing(server))
        channels = build_channels(notifier_settings, self.clock)
        running = asyncio.create_task(
            run_notifier(
                self.settings,
                SENDER,
                partial(deliver_notice, channels=channels),
                stopping,
                attempt_seconds=notifier_settings.attempt_seconds,
                clock=self.clock,
                **how,
            )
        )
        try:
            yield running
        finally:
            stopping.set()
            await asyncio.wait_for(running, 30)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.late

    def start(self, server: Server, *, dies: str = "") -> subprocess.Popen[bytes]:
        """Start a notifier in another process: `farandole notify`, or one that kills itself when it
        first reaches the point `dies`."""
        clean = {name: v for name, v in os.environ.items() if not name.startswith(ENV_PREFIX)}
        values = self.settings.model_dump(mode="json", exclude_none=True) | self.mailing(server)
        env = clean | {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in values.items()}
        module = ["tests.notifier.member", dies] if dies else ["farandole", "notify"]
        log = (self.folder / f"notifier-{len(self.members)}.log").open("wb")
        member = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env=env, stdout=log, stderr=log
        )
        self.members.append(member)
        return member

    def log(self, member: subprocess.Popen[bytes]) -> bytes:
        return (self.folder / f"notifier-{self.members.index(member)}.log").read_bytes()

    def _has_joined(self, member: subprocess.Popen[bytes]) -> bool:
        return b"group.assigned" in self.log(member)

    async def joined(self, *members: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Wait until all are members of the group, and return the one that has the lane. No other
        member may join or leave meanwhile."""
        for member in members:
            await until(partial(self._has_joined, member), "it did not join")
        lines = [line for m in members for line in self.log(m).splitlines() if ASSIGNED in line]
        newest = max(lines, key=lambda line: orjson.loads(line)["timestamp"])
        return next(m for m in members if newest in self.log(m))

    def end(self) -> None:
        for member in self.members:
            if member.poll() is None:
                member.kill()
                member.wait()

    async def incidents(self) -> list[Incident]:
        return notifier_tables.read_incidents(
            await read_table(self.settings, self.settings.names.incidents_topic)
        )

    async def notices(self) -> list[Notice]:
        return notifier_tables.read_notices(
            await read_table(self.settings, self.settings.names.outbox_topic)
        )

    async def tried(self, attempts: int) -> Notice:
        """Return the only notice after so many failed attempts."""
        ends = time.monotonic() + PATIENCE
        while True:
            found = await self.notices()
            if found and found[0].attempts == attempts and found[0].due is not None:
                (notice,) = found
                return notice
            assert time.monotonic() < ends, f"no attempt {attempts}: {found}"

    async def all_failed(self, number: int) -> None:
        """Wait until there are `number` notices, and an attempt to deliver each has failed."""
        ends = time.monotonic() + PATIENCE
        while True:
            found = await self.notices()
            if len(found) == number and all(notice.failures for notice in found):
                return
            assert time.monotonic() < ends, f"not tried: {found}"

    async def delivered(self, number: int = 1) -> list[Notice]:
        """Return all notices once there are `number` and each is marked as delivered."""
        ends = time.monotonic() + PATIENCE
        while True:
            found = await self.notices()
            if len(found) >= number and all(notice.delivered for notice in found):
                return found
            assert time.monotonic() < ends, f"not delivered: {found}"


def copies(server: Server) -> Mapping[str, int]:
    """Return how often each mail arrived, by Message-ID."""
    return Counter(str(message_from_bytes(raw)["Message-ID"]) for _, raw in server.got)


def subjects(server: Server) -> list[str]:
    return [str(message_from_bytes(raw)["Subject"]) for _, raw in server.got]


def texts(server: Server) -> list[str]:
    """Return the plain text of each mail, in the order of arrival."""
    read = []
    for _, raw in server.got:
        part = next(
            p for p in message_from_bytes(raw).walk() if p.get_content_type() == "text/plain"
        )
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        read.append(payload.decode())
    return read


async def until(
    condition: Callable[[], object], otherwise: str, patience: float = PATIENCE
) -> None:
    ends = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < ends, otherwise
        await asyncio.sleep(0.02)
