"""Does each planned time fire once, or have a record that says why not, whatever becomes of three
schedulers on a real Kafka?

The test drives the clock, and plays the books: each run that a trigger opens ends a little later.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from farandole.broker import embedded_kafka
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import VersionIndex
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.record import Record
from farandole.events.run_row import new_run_row
from farandole.events.schedule_origin import schedule_origin
from farandole.events.topology_version import Version
from farandole.router.topology_store import current_version
from farandole.router.version_publisher import publish_version
from farandole.scheduler.recurrence import firing_time, planned_between
from tests.books.clean import until
from tests.conftest import FEW_INTERNAL_PARTITIONS
from tests.router.made import derived
from tests.scheduler.shared_clock import SharedClock

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

MINUTE = timedelta(minutes=1)
TOPOLOGY = """\
pipeline: p
package: work
events: {asked: {partitions: 2}}
stages:
  read: {subscribes: asked}
schedules:
  all: {cron: "* * * * *", triggers: asked, overlap: allow-all,
    catch_up: {runs: all, within: 30d, per_minute: 600}}
  one: {cron: "* * * * *", triggers: asked, overlap: skip, catch_up: latest}
  often: {every: 90s, triggers: asked, overlap: buffer-one, catch_up: all, jitter: 20s}
  daily: {cron: "30 2 * * *", zone: Europe/Paris, triggers: asked, overlap: allow-all,
    catch_up: {runs: all, within: 30d}}
"""
SURE = ("all", "daily")
"""The schedules each of whose planned times is to fire, however late."""


@dataclass
class Company:
    """Three schedulers, and whoever kills, freezes and wakes them."""

    settings: Settings
    folder: Path
    clock: SharedClock
    die: random.Random
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)
    frozen: list[subprocess.Popen[bytes]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    _started: int = 0

    def start(self) -> None:
        self._started += 1
        log = (self.folder / f"scheduler-{self._started}.log").open("wb")
        given = orjson.dumps(self.settings.model_dump(mode="json", exclude_none=True)).decode()
        words = [sys.executable, "-m", "tests.scheduler.member", given, str(self.folder / "clock")]
        self.members.append(subprocess.Popen(words, stdout=log, stderr=log))

    def active(self) -> subprocess.Popen[bytes]:
        """Return the one that has the lane, or any if that is not known."""
        owner = self.folder / "owner"
        pid = owner.read_text() if owner.exists() else ""
        found = [member for member in self.members if str(member.pid) == pid]
        return found[0] if found else self.die.choice(self.members)

    async def disaster(self, what: str | None = None) -> None:
        """Let one thing happen to one of them, mostly to the active one."""
        what = what or self.die.choice(["kill", "freeze", "thaw", "end"])
        victim = self.active() if self.die.random() < 0.7 else self.die.choice(self.members)
        self.done[what] += 1
        if what == "thaw":
            self.thaw()
        elif what == "freeze" and len(self.frozen) < 2:
            if victim not in self.frozen:
                victim.send_signal(signal.SIGSTOP)
                self.frozen.append(victim)
        elif victim in self.frozen:
            self.thaw(victim)
        else:
            victim.send_signal(signal.SIGKILL if what == "kill" else signal.SIGTERM)
            await asyncio.to_thread(victim.wait, 60)
            self.members.remove(victim)
            self.start()

    def thaw(self, *frozen: subprocess.Popen[bytes]) -> None:
        """Wake these that were frozen, or all."""
        for member in frozen or tuple(self.frozen):
            member.send_signal(signal.SIGCONT)
            self.frozen.remove(member)

    def end(self) -> None:
        for member in self.members:
            member.send_signal(signal.SIGCONT)
            member.kill()
            member.wait()


@dataclass
class Books:
    """Reads every trigger as it comes, and lets its run end a little later."""

    settings: Settings
    version: Version
    clock: SharedClock
    die: random.Random
    seen: list[Record] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    fired: dict[str, datetime] = field(default_factory=dict)
    """By schedule, the newest planned time that has fired."""
    is_over: bool = False
    """No run takes any time: the clock stands still from now on."""
    _open: list[tuple[datetime, str]] = field(default_factory=list)

    async def run(self) -> None:
        """Read on until cancelled."""
        topic = self.version.events["asked"].topic
        partitions = [TopicPartition(topic, p) for p in range(2)]
        consumer = make_consumer(self.settings)
        writer = make_producer(self.settings)
        async with open_client(consumer, self.settings), open_client(writer, self.settings):
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            while True:
                found = await consumer.getmany(timeout_ms=10)
                for record in (record for records in found.values() for record in records):
                    self._note(record)
                await self._end_runs(writer)

    def _note(self, record: Record) -> None:
        origin = schedule_origin(record.headers)
        assert origin is not None
        if self.clock.now() < self._due(origin.schedule, origin.planned):
            self.early.append(f"{origin} at {self.clock.now()}")
        self.seen.append(record)
        known = self.fired.get(origin.schedule, origin.planned)
        self.fired[origin.schedule] = max(known, origin.planned)
        ends = self.clock.now() + self.die.choice([timedelta(), 5 * MINUTE])
        self._open.append((ends, self.run_of(record)))

    def _due(self, schedule: str, planned: datetime) -> datetime:
        return firing_time("p", schedule, self.version.schedules[schedule], planned)

    def run_of(self, record: Record) -> str:
        index = VersionIndex([self.version])
        return index.root_run(record.topic, record.partition, record.offset).decode()

    async def _end_runs(self, writer: AIOKafkaProducer) -> None:
        now = self.clock.now()
        ended = [each for each in self._open if each[0] <= now or self.is_over]
        for each in ended:
            at = int(now.timestamp() * 1000)
            row = {**new_run_row(each[1], "p", 1, at), "status": "completed", "closed": at}
            topic = self.settings.names.runs_topic
            headers = [("ce_type", b"run.completed")]
            await writer.send(topic, orjson.dumps(row), each[1].encode(), 0, headers=headers)
            self._open.remove(each)


@asynccontextmanager
async def running(
    settings: Settings, folder: Path, seed: int
) -> AsyncIterator[tuple[Company, Books]]:
    """Three schedulers at work over a published pipeline."""
    await publish_version(settings, derived(settings.names, TOPOLOGY), "ann")
    version = await current_version(settings, "p")
    assert version is not None
    die = random.Random(seed)
    clock = SharedClock(folder / "clock", version.published)
    company = Company(settings, folder, clock, die)
    books = Books(settings, version, clock, die)
    reading = asyncio.create_task(books.run())
    try:
        for _ in range(3):
            company.start()
        yield company, books
        assert not reading.done(), reading.exception()
    finally:
        company.end()
        reading.cancel()
        await asyncio.wait([reading])


async def driven(
    company: Company, books: Books, span: timedelta, disasters: Callable[[], Awaitable[None]]
) -> None:
    """Let time pass, in steps of less than two minutes. A step waits for what it makes due, but
    never for long: then the schedulers are late."""
    clock, die = company.clock, company.die
    end = clock.now() + span
    while clock.now() < end:
        clock.set(min(end, clock.now() + timedelta(seconds=die.uniform(1, 100))))
        newest = clock.now().replace(second=0, microsecond=0)
        patience = time.monotonic() + 0.2
        while books.fired.get("all", newest - MINUTE) < newest and time.monotonic() < patience:
            await asyncio.sleep(0.002)
        await disasters()


async def assert_accounted(company: Company, books: Books) -> dict[str, Counter[str]]:
    """Each planned time has one outcome and, if that is *fired*, one trigger and its run; none was
    early. Return the outcomes of each schedule."""
    version, now = books.version, company.clock.now()
    books.is_over = True
    wanted = {
        (name, planned)
        for name, spec in version.schedules.items()
        for planned in planned_between(spec, version.published, now)
        if firing_time("p", name, spec, planned) <= now
    }

    async def accounted() -> bool:
        found = await firings(company.settings)
        return wanted <= found.keys() and all(
            each.run for records in found.values() for each in records[-1:] if each.event
        )

    with suppress(AssertionError):  # then what follows says what is missing
        await until(accounted, "a planned time is not accounted for", 180)
    found = await firings(company.settings)
    assert found.keys() == wanted
    assert not books.early
    for records in found.values():
        assert len({(each.outcome, each.at) for each in records}) == 1, records
        assert records[-1].reason or records[-1].outcome == "fired"
    last = [records[-1] for records in found.values()]
    sent = await triggers(company.settings, version.events["asked"].topic)
    ids = [(dict(record.headers)["ce_id"] or b"").decode() for record in sent]
    runs = {id_: books.run_of(record) for id_, record in zip(ids, sent, strict=True)}
    assert len(runs) == len(ids), "a planned time has fired twice"
    assert runs == {each.event: each.run for each in last if each.outcome == "fired"}
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for each in last:
        outcomes[each.schedule][each.outcome] += 1
    for name in SURE:
        assert outcomes[name].keys() <= {"fired"}
    return outcomes


async def firings(settings: Settings) -> Mapping[tuple[str, datetime], list[FiringRecord]]:
    """Every record of each planned time, the oldest first."""
    found: dict[tuple[str, datetime], list[FiringRecord]] = defaultdict(list)
    async for records in scan(settings, [settings.names.firings_topic]):
        for record in records:
            firing = parse_firing(record.value or b"")
            found[firing.schedule, firing.planned].append(firing)
    return found


async def triggers(settings: Settings, topic: str) -> list[Record]:
    return [record async for records in scan(settings, [topic]) for record in records]


def first_firing(company: Company, books: Books) -> Callable[[], Awaitable[bool]]:
    """Return what lets time pass, and returns True once something has fired."""

    async def passed() -> bool:
        company.clock.set(company.clock.now() + timedelta(seconds=10))
        return bool(books.fired)

    return passed


async def test_each_minute_is_accounted_for_once_while_schedulers_are_killed_and_frozen(
    settings: Settings, tmp_path: Path
) -> None:
    async with running(settings, tmp_path, seed=17) as (company, books):
        await until(first_firing(company, books), "nobody fires")
        end = company.clock.now() + timedelta(hours=2)
        ahead = [(105, "freeze"), (75, "thaw"), (60, "kill"), (30, "end")]

        async def disasters() -> None:
            if ahead and end - company.clock.now() < ahead[0][0] * MINUTE:
                await company.disaster(ahead.pop(0)[1])

        await driven(company, books, timedelta(hours=2), disasters)
        company.thaw()
        outcomes = await assert_accounted(company, books)
    assert outcomes["all"]["fired"] >= 120


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
async def test_a_month_of_minutes_is_accounted_for_once_though_the_broker_dies_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "own broker"
    home.mkdir()
    kafka = await embedded_kafka.start_embedded(
        home, progress=lambda _: None, properties=FEW_INTERNAL_PARTITIONS
    )
    settings = Settings(
        bootstrap=kafka.address, replication_factor=1, session_timeout=1.5, heartbeat_interval=0.3
    )
    began, next_disaster, restarts = time.monotonic(), 0.0, 0
    try:
        async with running(settings, tmp_path, seed=30) as (company, books):
            await until(first_firing(company, books), "nobody fires")
            end = company.clock.now() + timedelta(days=30)

            async def disasters() -> None:
                nonlocal next_disaster, restarts
                now = time.monotonic()
                if now >= next_disaster:
                    next_disaster = now + company.die.uniform(1, 15)
                    await company.disaster()
                if end - company.clock.now() < timedelta(days=25 - 10 * restarts):
                    restarts += 1
                    await restarted(home)

            await driven(company, books, timedelta(days=30), disasters)
            company.thaw()
            outcomes = await assert_accounted(company, books)
    finally:
        await embedded_kafka.stop_embedded(home)
    took = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(
            f"{took / 60:.0f} minutes, {restarts} deaths of the broker, {dict(company.done)};"
            f" { ({name: dict(counted) for name, counted in outcomes.items()}) }\n"
        )
    assert restarts == 3
    assert outcomes["all"]["fired"] >= 30 * 24 * 60


async def restarted(home: Path) -> None:
    """Kill the broker, and start it again."""
    running = embedded_kafka.embedded_status(home)
    assert running is not None
    os.kill(running.first.pid, signal.SIGKILL)

    async def is_dead() -> bool:
        return embedded_kafka.embedded_status(home) is None

    await until(is_dead, "it survived kill -9")
    await embedded_kafka.start_embedded(home, progress=lambda _: None)
