"""Is the Kafka that `up` has started kept running, and no other one stopped?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from farandole.broker import embedded_kafka
from farandole.broker.broker_errors import BrokerError, UnreachableError
from farandole.broker.embedded_kafka import RunningKafka
from farandole.broker.embedded_node import RunningBroker, write_json
from farandole.broker.kafka_ports import free_port
from farandole.broker.process_control import process_start_time
from farandole.broker.settings import Settings
from farandole.services import kafka_keeper
from farandole.services.invocation import Invocation
from farandole.services.kafka_keeper import running_kafka

pytestmark = pytest.mark.usefixtures("unset")


class Stand:
    """A folder whose brokers are processes that only wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = embedded_kafka.kafka_home(folder)
        self.place.mkdir(parents=True)
        self.port = free_port(0)
        self.children: list[subprocess.Popen[bytes]] = []
        self.said: list[str] = []
        self.problems: list[BrokerError] = []

    def spawn(self, place: Path | None = None) -> None:
        place = place or self.place
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        self.children.append(child)
        started = process_start_time(child.pid)
        assert started is not None
        running = RunningBroker(
            f"127.0.0.1:{self.port}", child.pid, started, str(place / "kafka.log")
        )
        write_json(place / "running.json", asdict(running))

    async def start(self, folder: Path, **_: object) -> RunningKafka:
        if self.problems:
            raise self.problems.pop()
        if embedded_kafka.embedded_status(folder) is None:
            self.spawn()
        running = embedded_kafka.embedded_status(folder)
        assert running is not None
        return running

    def kill(self) -> None:
        """The broker dies by itself."""
        self.children[-1].kill()
        self.children[-1].wait()

    def alive(self) -> list[bool]:
        return [child.poll() is None for child in self.children]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    monkeypatch.setattr(embedded_kafka, "start_embedded", stand.start)
    monkeypatch.setattr(kafka_keeper, "_CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(kafka_keeper, "_RESTARTS", replace(kafka_keeper._RESTARTS, first=0.01))
    yield stand
    for child in stand.children:
        child.kill()
        child.wait()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def test_one_that_dies_is_started_again(stand: Stand) -> None:
    async with running_kafka(Invocation(stand.folder), stand.said.append) as settings:
        (stand.place / "kafka.out").write_text("java.lang.OutOfMemoryError: Java heap space\n")
        stand.kill()
        await until(lambda: len(stand.children) == 2)
        running = embedded_kafka.embedded_status(stand.folder)
        assert running is not None
        assert running.address == settings.bootstrap
    assert stand.alive() == [False, False]
    assert stand.said[0].startswith(
        "Kafka has died (java.lang.OutOfMemoryError: Java heap space); it is started again"
    )


async def test_a_node_of_several_that_dies_is_started_again(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one goes on meanwhile, and both are stopped at the end."""
    places = [stand.place / "nodes" / number for number in ("1", "2")]
    for place in places:
        place.mkdir(parents=True)

    async def start(folder: Path, **_: object) -> RunningKafka:
        running = embedded_kafka.embedded_status(folder)
        for number, place in enumerate(places, 1):
            if running is None or number not in running.nodes:
                stand.spawn(place)
        started = embedded_kafka.embedded_status(folder)
        assert started is not None
        return started

    monkeypatch.setattr(embedded_kafka, "start_embedded", start)
    async with running_kafka(Invocation(stand.folder), stand.said.append):
        stand.kill()
        await until(lambda: len(stand.children) == 3)
        assert stand.alive() == [True, False, True]
    assert stand.alive() == [False, False, False]
    assert stand.said[0].startswith("a node of Kafka has died (node 2: ")


async def test_it_is_tried_again_until_there_is_space_on_the_disk(stand: Stand) -> None:
    async with running_kafka(Invocation(stand.folder), stand.said.append):
        stand.problems = [UnreachableError("still full")]
        (stand.place / "kafka.out").write_text("java.io.IOException: No space left on device\n")
        stand.kill()
        await until(lambda: len(stand.children) == 2)
    assert f"the disk that holds {stand.place} is full: free some space" in stand.said[0]
    assert stand.said[1] == "Kafka: still full"


async def test_one_that_somebody_has_stopped_stays_stopped(stand: Stand) -> None:
    async with running_kafka(Invocation(stand.folder), stand.said.append):
        await embedded_kafka.stop_embedded(stand.folder)
        await until(lambda: bool(stand.said))
        assert "was stopped" in stand.said[0]
    assert stand.alive() == [False]


async def test_one_that_somebody_has_started_since_goes_on(stand: Stand) -> None:
    async with running_kafka(Invocation(stand.folder), stand.said.append):
        await embedded_kafka.stop_embedded(stand.folder)
        stand.spawn()
    assert stand.alive() == [False, True]


async def test_one_that_ran_before_goes_on(stand: Stand) -> None:
    stand.spawn()
    async with running_kafka(Invocation(stand.folder), stand.said.append):
        pass
    assert stand.alive() == [True]


async def test_one_that_is_too_slow_for_the_start_goes_on(stand: Stand) -> None:
    """Stopped, it would have to load its offsets again at the next try."""
    with pytest.raises(BrokerError):
        async with running_kafka(Invocation(stand.folder), stand.said.append):
            raise BrokerError("asking for offsets: no answer within 8 s")
    assert stand.alive() == [True]
    assert "kafka stop" in stand.said[-1]


async def test_a_kafka_of_ones_own_is_left_alone(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_BOOTSTRAP", "kafka.example:9092")
    async with running_kafka(Invocation(stand.folder), stand.said.append) as settings:
        assert isinstance(settings, Settings)
        assert settings.bootstrap == "kafka.example:9092"
    assert stand.children == []
