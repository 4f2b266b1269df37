"""Does a client report in one line why it cannot connect, and does it always end?"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from farandole.broker import embedded_kafka
from farandole.broker.aiokafka_internals import force_close_client
from farandole.broker.broker_errors import (
    AccessDeniedError,
    BrokerError,
    InvalidSettingsError,
    UnreachableError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.embedded_kafka import RunningKafka
from farandole.broker.kafka_clients import (
    make_consumer,
    make_producer,
    open_client,
)
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.topic_spec import TopicSpec

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of something that is no Kafka."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def reason(kind: type[BrokerError], settings: Settings) -> str:
    """Return the one line with which a client is refused, within its deadline."""
    async with asyncio.timeout(2 * settings.deadline + 2):
        with pytest.raises(kind) as caught:
            async with ClusterAdmin.open(settings):
                raise AssertionError("let in")
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_nobody_listens() -> None:
    text = await reason(UnreachableError, Settings(bootstrap="127.0.0.1:1", deadline=2))
    assert "no broker answers at 127.0.0.1:1" in text
    assert "farandole kafka start" in text


async def test_none_of_three_servers_listens() -> None:
    servers = "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"
    text = await reason(UnreachableError, Settings(bootstrap=servers, deadline=5))
    assert text.startswith("none of the 3 servers takes us: ")
    assert all(f"no broker answers at 127.0.0.1:{port}" in text for port in (1, 2, 3))
    assert "FARANDOLE_BOOTSTRAP" in text
    assert "kafka start" not in text


async def test_an_address_that_does_not_exist() -> None:
    text = await reason(UnreachableError, Settings(bootstrap="nowhere.invalid:9092", deadline=2))
    assert "nowhere.invalid:9092" in text
    assert "FARANDOLE_BOOTSTRAP" in text


async def test_something_that_hangs_up() -> None:
    async with server(hangs_up) as address:
        text = await reason(UnreachableError, Settings(bootstrap=address, deadline=2))
    assert "hangs up" in text
    assert "FARANDOLE_TLS" in text


async def test_something_that_says_nothing() -> None:
    async with server(says_nothing) as address:
        text = await reason(UnreachableError, Settings(bootstrap=address, deadline=0.5))
    assert "does not answer within 0.5 s" in text


async def test_no_address_at_all() -> None:
    with pytest.raises(InvalidSettingsError, match="farandole kafka start"):
        make_consumer(Settings())


async def test_a_client_certificate_is_wanted(tmp_path: Path) -> None:
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    ca.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with server(says_nothing, tls) as address:
        text = await reason(
            AccessDeniedError,
            Settings(bootstrap=address, tls=True, tls_ca=tmp_path / "ca.pem", deadline=3),
        )
    assert "FARANDOLE_TLS_CERT" in text


@pytest.mark.kafka
async def test_with_tls_and_the_password_everything_works(guarded: Settings) -> None:
    async with ClusterAdmin.open(guarded) as admin:
        await admin.create_topics({"t": TopicSpec(1)})
    writer = make_producer(guarded, transactional_id="t")
    async with open_client(writer, guarded), writer.transaction():
        await writer.send_and_wait("t", b"1", key=b"a")
    assert await read_table(guarded, "t") == {b"a": b"1"}


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("kind", "wrong", "text"),
    [
        (AccessDeniedError, {"sasl_password": "wrong"}, "'ann': wrong user name or password"),
        (AccessDeniedError, {"sasl_mechanism": "SCRAM-SHA-256"}, "FARANDOLE_SASL_MECHANISM"),
        (AccessDeniedError, {"tls_ca": None}, "FARANDOLE_TLS_CA"),
        (UnreachableError, {"tls": False}, "FARANDOLE_TLS"),
        (UnreachableError, {"tls": False, "sasl_mechanism": None}, "FARANDOLE_SASL_MECHANISM"),
    ],
    ids=["password", "mechanism", "certificate", "no TLS", "neither"],
)
async def test_a_refused_client_gets_a_hint_what_to_check(
    guarded: Settings, kind: type[BrokerError], wrong: dict[str, Any], text: str
) -> None:
    heard = await reason(kind, Settings(**guarded.model_dump() | wrong))
    assert text in heard
    assert "right" not in heard.replace("BOOTSTRAP right?", "")


@pytest.mark.kafka
async def test_tls_is_not_spoken_there(kafka: Settings) -> None:
    text = await reason(UnreachableError, kafka.model_copy(update={"tls": True, "deadline": 3}))
    assert "does not speak TLS" in text


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    """A Kafka that may be frozen."""
    folder = tmp_path_factory.mktemp("own")
    try:
        yield asyncio.run(embedded_kafka.start_embedded(folder, progress=lambda _: None))
    finally:
        asyncio.run(embedded_kafka.stop_embedded(folder))


@pytest.fixture
def complaints() -> Iterator[list[dict[str, Any]]]:
    """What a loop would print of futures and tasks that nobody looked at."""
    found: list[dict[str, Any]] = []
    yield found
    gc.collect()
    assert found == []


@pytest.mark.kafka
@pytest.mark.parametrize("leave", ["close_hard", "opened"])
async def test_the_end_of_a_client_does_not_wait_for_a_frozen_broker(
    own: RunningKafka, leave: str, complaints: list[dict[str, Any]]
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    settings = Settings(bootstrap=own.address, replication_factor=1, deadline=5)
    topic = f"frozen.{leave}"
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    writer = make_producer(settings, transactional_id=topic)
    try:
        if leave == "close_hard":
            await writer.start()
            reader = make_consumer(settings, group=topic)
            await reader.start()
            reader.subscribe([topic])
            await writer.begin_transaction()
            await writer.send_and_wait(topic, b"heard of")
            os.kill(own.first.pid, signal.SIGSTOP)
            await writer.send(topic, b"never heard of")
            began = loop.time()
            await force_close_client(writer)
            await force_close_client(reader)
        else:
            async with open_client(writer, settings):
                await writer.begin_transaction()
                await writer.send_and_wait(topic, b"heard of")
                os.kill(own.first.pid, signal.SIGSTOP)
                await writer.send(topic, b"never heard of")
                began = loop.time()
        assert loop.time() - began < 5
        assert asyncio.all_tasks() == before
    finally:
        os.kill(own.first.pid, signal.SIGCONT)


@pytest.mark.kafka
async def test_a_fenced_client_ends_in_silence(
    settings: Settings, complaints: list[dict[str, Any]]
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    topic = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
    async with open_client(make_producer(settings, transactional_id=topic), settings) as late:
        await late.begin_transaction()
        async with open_client(make_producer(settings, transactional_id=topic), settings):
            with pytest.raises(Exception, match=r"."):
                await late.send_and_wait(topic, b"1")
                await late.commit_transaction()
    del late
