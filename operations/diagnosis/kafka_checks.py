"""Does Kafka answer, is it ours, new enough, and does it let us work?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from farandole.broker.broker_errors import AccessDeniedError, BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.transactions import fenced_producer
from farandole.catalog.pipeline_footprint import pipeline_footprint
from farandole.catalog.topology_table import TopologyTable
from farandole.events.kafka_names import RESERVED_PIPELINE, KafkaNames
from farandole.events.time_format import format_elapsed
from farandole.events.topology_version import Version
from farandole.operations.diagnosis.check_row import CheckRow, fault, ok, warning
from farandole.router.system_topics import system_topic_specs
from farandole.router.topology_store import NotAppliedError, read_topology

_OPERATIONS = ("Describe", "Read", "Write")
_SKEW_WARNING = 2.0  # seconds
_ALLOW = "ask the cluster's administrator to allow it: docs/security.md has the rules"


async def check_kafka(
    settings: Settings, remedy: Callable[[BrokerError], str]
) -> AsyncIterator[CheckRow]:
    """Yield what a cluster says, whose address is in the settings. `remedy` says what helps if it
    does not answer."""
    try:
        async with ClusterAdmin.open(settings) as admin:
            yield await _check_cluster(admin, settings)
            yield await _check_clock(admin)
            async for row in _check_rights(admin, settings):
                yield row
    except BrokerError as error:
        yield fault("kafka", error.message, remedy(error))


async def _check_cluster(admin: ClusterAdmin, settings: Settings) -> CheckRow:
    release = await admin.oldest_release()
    found = f"{settings.bootstrap} answers, cluster {await admin.cluster_id()}"
    if release is None:
        return fault("kafka", f"{found}, older than Kafka 2.5", "use Kafka 2.8 or newer")
    found = f"{found}, Kafka {release[0]}.{release[1]} or newer"
    if release < (2, 8):
        return warning("kafka", found, "use Kafka 2.8 or newer: it tells if a topic was replaced")
    return ok("kafka", found)


async def _check_clock(admin: ClusterAdmin) -> CheckRow:
    try:
        skew = await admin.clock_skew()
    except BrokerError as error:
        return ok("clock", f"not compared with the cluster's ({error.message})")
    if skew is None:
        return ok("clock", "not compared: the cluster does not tell its own")
    side = "before" if skew > 0 else "behind"
    found = f"the cluster's is {format_elapsed(abs(skew))} {side} this machine's"
    if abs(skew) > _SKEW_WARNING:
        return warning(
            "clock", found, "synchronise both (NTP): retries and retention go by these clocks"
        )
    return ok("clock", found)


async def _check_rights(admin: ClusterAdmin, settings: Settings) -> AsyncIterator[CheckRow]:
    try:
        table = await read_topology(settings)
        topics = _expected_topics(settings.names, table)
        await admin.topics(topics)  # a topic that may not be described looks as if there were none
        allowed = await admin.allowed_operations(topics)
        await admin.require_creatable(settings.names.topology_topic)
        await admin.count_members(_probe_name(settings.names))
        async with fenced_producer(settings, _probe_name(settings.names)):
            pass
    except AccessDeniedError as error:
        yield fault("rights", error.message, _ALLOW)
        return
    except NotAppliedError as error:
        yield fault("rights", str(error), "see docs/topology.md")
        return
    lacking = [
        f"{operation} on the topic {topic}"
        for topic, operations in sorted(allowed.items())
        for operation in _OPERATIONS
        if operations is not None and operation not in operations
    ]
    if lacking:
        yield fault("rights", f"Kafka denies us {', '.join(lacking)}", _ALLOW)
    else:
        yield ok("rights", f"all that a pipeline needs, on {len(allowed)} topics of ours")
    names = ", ".join(version.name for version in _newest(table))
    yield ok("applied", names or "nothing was applied yet, in this namespace")


def _expected_topics(names: KafkaNames, table: TopologyTable) -> set[str]:
    pipelines = (pipeline_footprint(names, list(table.of(name))) for name in table.pipelines())
    of_pipelines = {topic for each in pipelines for topic in each.event_topics}
    return of_pipelines | set(system_topic_specs(names))


def _newest(table: TopologyTable) -> Iterable[Version]:
    found = (table.newest(name) for name in table.pipelines())
    return [version for version in found if version is not None]


def _probe_name(names: KafkaNames) -> str:
    """Return a group and transactional id of our own with which nothing else works."""
    return f"{names.prefix}{RESERVED_PIPELINE}.doctor"
