"""Is there one Kafka for each folder, whatever happens to it and to the processes that start it?"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from farandole.broker import embedded_kafka
from farandole.broker.broker_errors import BrokerError, InvalidSettingsError, UnreachableError
from farandole.broker.broker_resolution import resolve_broker
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.embedded_kafka import RunningKafka
from farandole.broker.embedded_node import RunningBroker, write_json
from farandole.broker.java_runtime import prepare_java_runtime
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.kafka_ports import free_port
from farandole.broker.process_control import end_process, process_start_time
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.topic_spec import TopicSpec

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("unset")]

FEW = {"offsets.topic.num.partitions": "4", "transaction.state.log.num.partitions": "4"}


MANY = 16


def quiet(_: str) -> None: ...


async def begin(folder: Path, **how: object) -> RunningKafka:
    return await embedded_kafka.start_embedded(folder, progress=quiet, properties=FEW, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose Kafka has run once."""
    folder = tmp_path_factory.mktemp("formatted")
    asyncio.run(begin(folder))
    asyncio.run(embedded_kafka.stop_embedded(folder))
    return folder


@pytest.fixture
async def folder(formatted: Path, tmp_path: Path) -> AsyncIterator[Path]:
    """A folder of this test's own; whatever runs there ends with it."""
    shutil.copytree(
        embedded_kafka.kafka_home(formatted) / "data", embedded_kafka.kafka_home(tmp_path) / "data"
    )
    yield tmp_path
    await embedded_kafka.stop_embedded(tmp_path)


def of(running: RunningKafka) -> Settings:
    return Settings(bootstrap=running.address, namespace=f"t{secrets.token_hex(4)}")


async def test_a_second_start_shares_the_running_broker(folder: Path) -> None:
    assert await begin(folder) == await begin(folder)


async def test_two_starts_at_once_make_one_broker(folder: Path) -> None:
    first, second = await asyncio.gather(begin(folder), begin(folder))
    assert first == second


async def test_any_process_may_stop_it(folder: Path) -> None:
    running = await begin(folder)
    code = (
        "import asyncio, pathlib, sys; from farandole.broker.embedded_kafka import stop_embedded;"
        "sys.exit(not asyncio.run(stop_embedded(pathlib.Path(sys.argv[1]))))"
    )
    stopper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(folder), stdout=subprocess.DEVNULL
    )
    assert await stopper.wait() == 0
    assert process_start_time(running.first.pid) is None
    assert embedded_kafka.embedded_status(folder) is None


async def test_what_was_acknowledged_survives_a_kill(folder: Path) -> None:
    """Many transactions at once: of some the coordinator has acknowledged the commit, and the
    partition does not know it yet, when the process is killed. Kafka alone would never end those.

    The controller listens elsewhere afterwards, which formatted storage must allow.
    """
    running = await begin(folder)
    before = of(running)
    topic = before.names.event_topic("p", "a")
    async with ClusterAdmin.open(before) as admin:
        await admin.create_topics({topic: TopicSpec(MANY)})
    async with AsyncExitStack() as stack:
        writers = [
            await stack.enter_async_context(
                open_client(make_producer(before, transactional_id=f"t{i}"), before)
            )
            for i in range(MANY)
        ]
        for i, writer in enumerate(writers):
            await writer.begin_transaction()
            await writer.send_and_wait(topic, b"1", key=b"%d" % i, partition=i)
        await asyncio.gather(*(writer.commit_transaction() for writer in writers))
        os.kill(running.first.pid, signal.SIGKILL)
    controller = _controller(folder)
    assert await end_process(running.first.pid, running.first.started, (signal.SIGKILL, 5.0))
    again = await begin(folder)
    after = before.model_copy(update={"bootstrap": again.address})
    assert await read_table(after, topic) == {b"%d" % i: b"1" for i in range(MANY)}
    assert _controller(folder) != controller
    async with ClusterAdmin.open(after) as admin:
        await admin.create_topics({f"{topic}.later": TopicSpec(1)})


def _controller(folder: Path) -> str:
    text = (embedded_kafka.kafka_home(folder) / "server.properties").read_text()
    return next(line for line in text.splitlines() if line.startswith("controller.quorum"))


async def test_a_taken_port_leads_to_another_that_is_remembered(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first = await begin(folder, port=port)
        assert first.first.port != port
    await embedded_kafka.stop_embedded(folder)
    assert (await begin(folder)).first.port == first.first.port


async def test_two_folders_with_one_recorded_port_start_at_once(
    folder: Path, formatted: Path
) -> None:
    """They are copies, down to the id of the cluster: nothing but the port's owner differs."""
    runtime = await prepare_java_runtime(quiet)
    cached = runtime.cache.exists()
    copy = folder / "copy"
    shutil.copytree(embedded_kafka.kafka_home(formatted), embedded_kafka.kafka_home(copy))
    shutil.copy(
        embedded_kafka.kafka_home(formatted) / "port.json",
        embedded_kafka.kafka_home(folder) / "port.json",
    )
    try:
        first, second = await asyncio.gather(begin(folder), begin(copy))
        assert first.first.port != second.first.port
        for running in (first, second):
            assert running.first.is_alive
            async with ClusterAdmin.open(Settings(bootstrap=running.address)) as admin:
                assert await admin.cluster_id() == running.cluster_id
        assert runtime.cache.exists() == cached
    finally:
        await embedded_kafka.stop_embedded(copy)


async def test_a_dead_broker_is_told_from_one_that_was_stopped(folder: Path) -> None:
    running = await begin(folder)
    os.kill(running.first.pid, signal.SIGKILL)
    assert await end_process(running.first.pid, running.first.started, (signal.SIGKILL, 5.0))
    assert embedded_kafka.death_notice(folder) is not None
    with pytest.raises(UnreachableError, match=r"Kafka has died .*farandole kafka start"):
        await resolve_broker(Settings(), folder, start=False, progress=quiet)
    assert not await embedded_kafka.stop_embedded(folder)
    assert embedded_kafka.death_notice(folder) is None


async def test_it_is_reached_from_this_machine_alone(folder: Path) -> None:
    """Where somebody listens on every address, no other address can be had at that port."""
    running = await begin(folder)
    with socket.socket() as other:
        other.bind(("127.0.0.2", running.first.port))
    for host in ("localhost", "127.0.0.1"):
        async with ClusterAdmin.open(Settings(bootstrap=f"{host}:{running.first.port}")) as admin:
            assert await admin.all_topics()


async def test_an_interrupted_start_leaves_nothing_behind(folder: Path) -> None:
    spawned: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def interrupt(word: str) -> None:
        if word.startswith("starting"):
            spawned.set_result(None)

    starting = asyncio.create_task(
        embedded_kafka.start_embedded(folder, progress=interrupt, properties=FEW)
    )
    await spawned
    async with asyncio.timeout(60):
        while (running := embedded_kafka.embedded_status(folder)) is None:
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert process_start_time(running.first.pid) is None
    assert not (embedded_kafka.kafka_home(folder) / "running.json").exists()


async def test_a_damaged_class_cache_does_not_prevent_a_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await prepare_java_runtime(quiet)
    cache = tmp_path / "cache" / "farandole"
    cache.mkdir(parents=True)
    (cache / runtime.jars.name).symlink_to(runtime.jars)
    damaged = cache / runtime.cache.name
    if runtime.cache.exists():
        shutil.copy(runtime.cache, damaged)
        with damaged.open("r+b") as file:
            file.seek(4096)
            file.write(secrets.token_bytes(1 << 20))
            file.truncate(30 << 20)
    else:
        damaged.write_bytes(b"no cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert (await begin(folder)).first.is_alive


async def test_a_setting_that_kafka_refuses_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        await embedded_kafka.start_embedded(
            tmp_path, progress=quiet, properties={"process.roles": "conductor"}
        )
    assert "conductor" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (embedded_kafka.kafka_home(tmp_path) / "data").exists()


async def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".farandole").write_text("a file")
    with pytest.raises(UnreachableError, match="cannot keep its data"):
        await begin(tmp_path)


async def test_a_pid_that_now_is_another_process_is_not_the_broker(tmp_path: Path) -> None:
    place = embedded_kafka.kafka_home(tmp_path)
    place.mkdir(parents=True)
    ours = RunningBroker("localhost:1", os.getpid(), -1.0, "log")
    write_json(place / "running.json", asdict(ours))
    assert embedded_kafka.embedded_status(tmp_path) is None
    assert not await embedded_kafka.stop_embedded(tmp_path)


async def test_settings_without_an_address_mean_the_broker_of_the_folder(folder: Path) -> None:
    with pytest.raises(UnreachableError, match="farandole kafka start"):
        await resolve_broker(Settings(), folder, start=False, progress=quiet)
    resolved = await resolve_broker(Settings(), folder, start=True, progress=quiet)
    running = embedded_kafka.embedded_status(folder)
    assert running is not None
    assert resolved.bootstrap == running.address
    assert resolved.replication_factor == 1
    assert await resolve_broker(Settings(), folder, start=False, progress=quiet) == resolved


async def test_an_address_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    own = Settings(bootstrap="kafka.example:9092")
    assert await resolve_broker(own, tmp_path, start=True, progress=quiet) is own


async def test_tls_without_an_address_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingsError, match=r"FARANDOLE_TLS .* FARANDOLE_BOOTSTRAP"):
        await resolve_broker(Settings(tls=True), tmp_path, start=True, progress=quiet)


@pytest.fixture
def no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cached, and nobody answers at the address through which the network is reached."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_maven")
async def test_without_maven_central_a_stand_in_is_started_and_said_loudly(tmp_path: Path) -> None:
    progress_lines: list[str] = []
    with capture_logs() as logs:
        running = await embedded_kafka.start_embedded(tmp_path, progress=progress_lines.append)
    try:
        assert running.kind == "noida-db"
        assert "NOT Apache Kafka" in "\n".join(progress_lines)
        (warned,) = [entry for entry in logs if entry["event"] == "kafka.fallback"]
        assert warned["log_level"] == "warning"
        async with ClusterAdmin.open(of(running)) as admin:
            await admin.create_topics({"t": TopicSpec(1)})
    finally:
        assert await embedded_kafka.stop_embedded(tmp_path)
    assert process_start_time(running.first.pid) is None


@pytest.mark.usefixtures("no_maven")
async def test_two_stand_ins_that_start_at_once_have_a_port_each(tmp_path: Path) -> None:
    port = free_port(0)
    folders = [tmp_path / "a", tmp_path / "b"]
    try:
        first, second = await asyncio.gather(
            *(
                embedded_kafka.start_embedded(folder, progress=quiet, port=port)
                for folder in folders
            )
        )
        assert first.first.port != second.first.port
        assert first.first.is_alive
        assert second.first.is_alive
    finally:
        for folder in folders:
            await embedded_kafka.stop_embedded(folder)


@pytest.mark.usefixtures("no_maven")
async def test_a_stand_in_never_hides_the_data_of_kafka(folder: Path) -> None:
    with pytest.raises(BrokerError, match="cannot be fetched"):
        await begin(folder)
