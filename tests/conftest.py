"""Which Kafka do the tests use?"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
import structlog

from farandole.broker import embedded_kafka
from farandole.broker.kafka_clients import make_admin_client, open_client
from farandole.broker.settings import ENV_PREFIX, Settings

# A machine may be slow for a moment: no test asserts a time.
hypothesis.settings.register_profile(
    "timeless", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("timeless")

FEW_INTERNAL_PARTITIONS = {
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
}


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The embedded Kafka of this run: the first worker that needs it starts it, the last one that
    leaves stops it. A broker that cannot be had is a failure, never a skip."""
    base = tmp_path_factory.getbasetemp()
    # Under xdist each worker has a folder of its own below the one that they share.
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kafka"
    users = shared / "users"
    users.mkdir(parents=True, exist_ok=True)
    me = users / str(os.getpid())
    try:
        with _locked(shared / "lock"):
            me.touch()
            running = asyncio.run(
                embedded_kafka.start_embedded(
                    shared, progress=lambda _: None, properties=FEW_INTERNAL_PARTITIONS
                )
            )
        yield Settings(bootstrap=running.address, replication_factor=1)
    finally:
        with _locked(shared / "lock"):
            me.unlink(missing_ok=True)
            if not any(users.iterdir()):
                asyncio.run(embedded_kafka.stop_embedded(shared))


@pytest.fixture
def settings(kafka: Settings) -> Iterator[Settings]:
    """The same Kafka under a namespace of this test's own, with short time-outs."""
    settings = kafka.model_copy(
        update={
            "namespace": f"t{secrets.token_hex(4)}",
            "session_timeout": 1.5,
            "heartbeat_interval": 0.3,
        }
    )
    yield settings
    asyncio.run(_deleted(settings))


async def _deleted(settings: Settings) -> None:
    """A broker that keeps the topics of a thousand tests is slow for the last of them."""
    client = make_admin_client(settings)
    async with open_client(client, settings):
        known = await client.list_topics()
        ours = [topic for topic in known if topic.startswith(settings.names.prefix)]
        if ours:
            await client.delete_topics(ours, timeout_ms=10_000)


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """A command that is run in this process configures its logs: the next test begins without."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the shell that runs the tests."""
    for name in [name for name in os.environ if name.upper().startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
