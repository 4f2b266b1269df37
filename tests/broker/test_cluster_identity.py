"""Is another cluster at the expected address recognised, whenever it gets there?"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from click.testing import CliRunner

from farandole.broker import embedded_kafka
from farandole.broker.aiokafka_internals import require_brokers, require_cluster
from farandole.broker.broker_errors import ForeignClusterError
from farandole.broker.broker_resolution import resolve_broker
from farandole.broker.embedded_node import RunningBroker, write_json
from farandole.broker.kafka_clients import (
    make_admin_client,
    make_consumer,
    make_producer,
    open_client,
)
from farandole.broker.process_control import process_start_time
from farandole.broker.settings import Settings
from farandole.cli.__main__ import farandole


class Connection:
    """A connection to a broker of some cluster."""

    host, port = "127.0.0.1", 9092

    def __init__(self, cluster_id: str) -> None:
        self.cluster_id = cluster_id
        self.asked = 0
        self.closed = False

    async def send(self, _: object) -> Any:
        self.asked += 1
        return SimpleNamespace(cluster_id=self.cluster_id)

    def close(self) -> None:
        self.closed = True


class Network:
    """The part of a client that connects; `connection` is what the next attempt reaches."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def _get_conn(self, node_id: int) -> Connection:
        del node_id
        return self.connection

    async def bootstrap(self) -> None: ...

    @property
    def cluster(self) -> Any:
        return SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=1)])

    def force_metadata_update(self) -> None: ...


def pinned(connection: Connection, refused: list[object]) -> Network:
    network = Network(connection)
    client = SimpleNamespace(_client=network)
    require_cluster(client, "ours", lambda *w: refused.append(w))
    require_brokers(client)
    return network


async def test_a_connection_is_asked_once_whose_it_is() -> None:
    network = pinned(Connection("ours"), [])
    await network.bootstrap()
    assert await network._get_conn(1) is await network._get_conn(1) is network.connection
    assert network.connection.asked == 1


async def test_a_stranger_that_takes_the_port_later_is_away_for_the_client() -> None:
    refused: list[object] = []
    network = pinned(Connection("ours"), refused)
    await network.bootstrap()
    network.connection = stranger = Connection("theirs")
    assert await network._get_conn(1) is None
    assert stranger.closed
    assert refused == [("127.0.0.1", 9092, "theirs")]


async def test_a_client_does_not_start_on_a_stranger() -> None:
    with pytest.raises(KafkaConnectionError):
        await pinned(Connection("theirs"), []).bootstrap()


@pytest.mark.kafka
@pytest.mark.parametrize("make", [make_consumer, make_producer, make_admin_client])
async def test_no_client_opens_on_another_cluster(
    kafka: Settings, make: Callable[[Settings], Any]
) -> None:
    settings = kafka.model_copy(update={"cluster_id": "of-another-folder"})
    with pytest.raises(ForeignClusterError) as caught:
        async with open_client(make(settings), settings):
            pass
    assert re.fullmatch(
        rf"what listens at {kafka.bootstrap} is not this folder's Kafka \(cluster"
        rf" {kafka.cluster_id}, expected of-another-folder\); start it: farandole kafka start, or"
        r" correct FARANDOLE_CLUSTER_ID",
        str(caught.value),
    )


@pytest.fixture
def robbed(kafka: Settings, tmp_path: Path) -> Iterator[Path]:
    """A folder whose Kafka still starts, while the one of these tests has got its port."""
    place = embedded_kafka.kafka_home(tmp_path)
    place.mkdir(parents=True)
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    started = process_start_time(child.pid)
    assert started is not None
    assert kafka.bootstrap is not None
    starting = RunningBroker(
        kafka.bootstrap, child.pid, started, str(place / "kafka.log"), cluster_id="own"
    )
    write_json(place / "running.json", asdict(starting))
    yield tmp_path
    child.kill()
    child.wait()


@pytest.mark.kafka
@pytest.mark.usefixtures("unset")
async def test_a_command_refuses_the_kafka_of_another_folder(robbed: Path) -> None:
    settings = await resolve_broker(Settings(), robbed, start=False, progress=lambda _: None)
    with pytest.raises(ForeignClusterError):
        async with open_client(make_admin_client(settings), settings):
            pass


@pytest.mark.kafka
@pytest.mark.usefixtures("unset")
def test_kafka_status_does_not_show_the_address_of_a_stranger(robbed: Path) -> None:
    result = CliRunner().invoke(farandole, ["-C", str(robbed), "kafka", "status"])
    assert result.exit_code == 1
    assert "is not this folder's Kafka" in result.stderr


@pytest.mark.kafka
def test_a_copied_folder_does_not_own_the_broker_of_the_original(robbed: Path) -> None:
    copy = embedded_kafka.kafka_home(robbed / "copy")
    copy.mkdir(parents=True)
    (copy / "running.json").write_bytes(
        (embedded_kafka.kafka_home(robbed) / "running.json").read_bytes()
    )
    assert embedded_kafka.embedded_status(robbed) is not None
    assert embedded_kafka.embedded_status(robbed / "copy") is None
