"""Do three embedded nodes work as one Kafka, also while one of them is dead?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from farandole.broker import embedded_kafka, kafka_node_config, kafka_ports
from farandole.broker.broker_errors import InvalidSettingsError, UnreachableError
from farandole.broker.broker_resolution import resolve_broker
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.embedded_kafka import RunningKafka
from farandole.broker.embedded_node import RunningBroker, write_json
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.kafka_ports import free_ports
from farandole.broker.process_control import end_process, process_start_time
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.topic_spec import TopicSpec
from farandole.cli.__main__ import farandole
from tests.conftest import FEW_INTERNAL_PARTITIONS

pytestmark = pytest.mark.usefixtures("unset")


def quiet(_: str) -> None: ...


def status(folder: Path) -> RunningKafka:
    running = embedded_kafka.embedded_status(folder)
    assert running is not None
    return running


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    await embedded_kafka.stop_embedded(tmp_path)


async def transact(settings: Settings, topic: str, value: bytes) -> None:
    writer = make_producer(settings, transactional_id="t")
    async with open_client(writer, settings):
        await writer.begin_transaction()
        for partition in range(3):
            await writer.send_and_wait(topic, value, key=b"%d" % partition, partition=partition)
        await writer.commit_transaction()


@pytest.mark.kafka
async def test_three_nodes_go_on_when_one_is_killed(folder: Path) -> None:
    first = await embedded_kafka.start_embedded(
        folder, progress=quiet, properties=FEW_INTERNAL_PARTITIONS, nodes=3
    )
    settings = await resolve_broker(
        Settings(deadline=20, transaction_timeout=60), folder, start=False, progress=quiet
    )
    assert settings.bootstrap == first.address
    assert settings.replication_factor == 3
    topic = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(3)})
    killed = first.nodes[2]
    os.kill(killed.pid, signal.SIGKILL)
    assert await end_process(killed.pid, killed.started, (signal.SIGKILL, 5.0))
    await transact(settings, topic, b"1")
    assert await read_table(settings, topic) == {b"0": b"1", b"1": b"1", b"2": b"1"}
    assert [node.number for node in status(folder).dead] == [2]

    # What every command does that needs Kafka.
    again = await resolve_broker(
        Settings(deadline=20, transaction_timeout=60), folder, start=True, progress=quiet
    )
    assert again == settings
    assert sorted(status(folder).nodes) == [1, 2, 3]
    nodes = status(folder).nodes
    assert await embedded_kafka.stop_embedded(folder)
    assert [process_start_time(node.pid) for node in nodes.values()] == [None] * 3


class Stand:
    """A folder with three nodes that are processes which only wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes = embedded_kafka.kafka_home(folder) / "nodes"
        self.children: list[subprocess.Popen[bytes]] = []
        for number, port in enumerate(free_ports([0, 0, 0]), 1):
            place = self.nodes / str(number)
            place.mkdir(parents=True)
            child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
            self.children.append(child)
            started = process_start_time(child.pid)
            assert started is not None
            address = f"127.0.0.1:{port}"
            node = RunningBroker(address, child.pid, started, str(place / "kafka.log"))
            write_json(place / "running.json", asdict(node))
            write_json(place / "port.json", {"port": port})

    def kill(self, number: int) -> None:
        self.children[number - 1].kill()
        self.children[number - 1].wait()

    def status(self, *options: str) -> Result:
        words = ["-C", str(self.folder), "kafka", "status", *options]
        return CliRunner().invoke(farandole, words)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    yield stand
    for child in stand.children:
        child.kill()
        child.wait()


async def test_a_dead_node_keeps_its_address(stand: Stand) -> None:
    before = await resolve_broker(Settings(), stand.folder, start=False, progress=quiet)
    assert before.bootstrap is not None
    assert before.bootstrap.count(",") == 2
    stand.kill(2)
    assert before == await resolve_broker(Settings(), stand.folder, start=False, progress=quiet)


def test_status_names_a_dead_node_and_what_to_do(stand: Stand) -> None:
    (stand.nodes / "2" / "kafka.out").write_text("java.lang.Error: no luck\n")
    stand.kill(2)
    shown = stand.status()
    assert shown.exit_code == 0
    assert "2 of 3 nodes run\n" in shown.stdout
    assert "node 2 has died (java.lang.Error: no luck); start it again: farandole" in shown.stdout
    nodes = orjson.loads(stand.status("--json").stdout)["nodes"]
    assert [node["running"] for node in nodes] == [True, False, True]
    assert nodes[1] == {"node": 2, "running": False, "reason": "java.lang.Error: no luck"}


def test_an_error_about_another_node_is_no_reason_of_a_death(stand: Stand) -> None:
    log = "java.io.IOException: Connection to 127.0.0.1:9092 (id: 1) failed.\n"
    (stand.nodes / "2" / "kafka.log").write_text(log)
    stand.kill(2)
    assert "node 2 has died (it said nothing)" in stand.status().stdout


def test_one_node_of_three_is_too_few(stand: Stand) -> None:
    stand.kill(1)
    stand.kill(3)
    shown = stand.status()
    assert shown.exit_code == 1
    assert "1 of 3 nodes run: too few for it to work" in shown.stdout


async def test_stop_ends_those_that_are_left(stand: Stand) -> None:
    stand.kill(1)
    assert await embedded_kafka.stop_embedded(stand.folder)
    for child in stand.children:
        child.wait(30)
    assert embedded_kafka.death_notice(stand.folder) is None
    assert embedded_kafka.embedded_status(stand.folder) is None


async def test_a_node_whose_controller_port_is_taken_says_so(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_ports, "_PORT_WAIT", 0.0)
    stand.kill(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_json(stand.nodes.parent / "controllers.json", {"ports": [1, port, 3]})
        with pytest.raises(UnreachableError, match=rf"port {port}, .* node 2: end it, or stop"):
            await embedded_kafka.start_embedded(stand.folder, progress=quiet)


@pytest.mark.parametrize(("formatted", "asked"), [("data", 3), ("nodes/1", 3)])
async def test_another_number_of_nodes_is_refused(
    tmp_path: Path, formatted: str, asked: int
) -> None:
    (embedded_kafka.kafka_home(tmp_path) / formatted).mkdir(parents=True)
    with pytest.raises(InvalidSettingsError, match=r"has 1 node, .* use another folder"):
        await embedded_kafka.start_embedded(tmp_path, progress=quiet, nodes=asked)


def test_what_is_acknowledged_is_on_two_of_three_nodes() -> None:
    properties = kafka_node_config.server_properties(Path(), 9092, 1, 2, 3, number=2)
    voters = "1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"
    assert properties["controller.quorum.voters"] == voters
    assert "controller.quorum.bootstrap.servers" not in properties
    assert {v for name, v in properties.items() if name.endswith("replication.factor")} == {"3"}
    assert {v for name, v in properties.items() if "min.i" in name} == {"2"}
