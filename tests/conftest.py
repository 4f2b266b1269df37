"""Which Kafka do the tests use?"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
import structlog

from farandole.broker import embedded_kafka, kafka_node_config
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.services import supervisor
from farandole.services.process_starter import can_fork
from tests.session_template import SessionTemplate
from tests.topic_cleaner import open_topic_cleaner

# A machine may be slow for a moment: no test asserts a time.
hypothesis.settings.register_profile(
    "timeless", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("timeless")


# A broker of the tests lives for minutes: code that is compiled soon costs less than good code.
# While 750 topics are created, written and deleted, it takes two thirds of the processor time.
kafka_node_config.JVM_FLAGS = (*kafka_node_config.JVM_FLAGS, "-XX:TieredStopAtLevel=1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prepare the tests for `--dist loadgroup`: each goes to whatever worker is free, but those
    that share an expensive fixture stay together. Those with Kafka come first: a long one at the
    end would leave the other workers idle."""
    for item in items:
        group = _fixture_group(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("kafka") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was collected: it stays to the end, and to look at
    it again and again took a tenth of the tests' processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _fixture_group(item: pytest.Item) -> str:
    """Return the path of the widest file whose fixtures live longer than the test; "" if none."""
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 -- it has no public name
    shared = {
        definition.baseid
        for name, found in definitions.items()
        for definition in found
        if definition.scope != "function" and definition.baseid and name not in RUN_WIDE
    }
    return min(shared, key=len, default="")


RUN_WIDE = ("kafka", "delete_topics", "session_template")
"""Fixtures that each worker has for itself, at little cost."""

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
    leaves kills it. A broker that cannot be had is a failure, never a skip."""
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
        yield Settings(
            bootstrap=running.address, cluster_id=running.cluster_id, replication_factor=1
        )
    finally:
        with _locked(shared / "lock"):
            me.unlink(missing_ok=True)
            if not any(users.iterdir()) and (left := embedded_kafka.embedded_status(shared)):
                for node in left.nodes.values():  # an orderly stop writes thousands of files
                    os.kill(node.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def delete_topics(kafka: Settings) -> Iterator[Callable[[str], None]]:
    """Has the topics of a prefix deleted in time, while other tests run."""
    with open_topic_cleaner(kafka) as delete_later:
        yield delete_later


def private_namespace(kafka: Settings) -> Settings:
    """Return settings for the same Kafka under a new namespace, with short time-outs."""
    return kafka.model_copy(
        update={
            "namespace": f"t{secrets.token_hex(4)}",
            "session_timeout": 1.5,
            "heartbeat_interval": 0.3,
        }
    )


@pytest.fixture
def settings(kafka: Settings, delete_topics: Callable[[str], None]) -> Iterator[Settings]:
    """The same Kafka under a namespace of this test's own, with short time-outs."""
    settings = private_namespace(kafka)
    yield settings
    delete_topics(settings.names.prefix)


@pytest.fixture(scope="session", autouse=True)
def session_template() -> Iterator[SessionTemplate]:
    """From one template the templates of all supervisors of the tests are forked: they need not
    import what a worker needs, each for itself."""
    template = SessionTemplate()
    with pytest.MonkeyPatch.context() as patch:
        if can_fork():
            patch.setattr(supervisor, "make_starter", template.make_starter)
        yield template
    template.close()


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """A command that is run in this process configures its logs: the next test begins without."""
    yield
    structlog.reset_defaults()


def unset_settings(patch: pytest.MonkeyPatch) -> None:
    """Remove all our settings from the environment until `patch` is undone."""
    for name in [name for name in os.environ if name.upper().startswith(ENV_PREFIX)]:
        patch.delenv(name)


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the shell that runs the tests."""
    unset_settings(monkeypatch)
