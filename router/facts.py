"""What does Kafka know that decides what a file changes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from farandole.broker.admin import Admin, compare
from farandole.broker.lag import Input, looked
from farandole.broker.settings import Settings
from farandole.broker.tables import scan
from farandole.events.envelope import TOPOLOGY_VERSION
from farandole.events.record import Record
from farandole.events.topology import Version
from farandole.router.derive import Derived
from farandole.router.place import placed
from farandole.router.plan import Facts, Plan, Unread, plan
from farandole.router.table import read

LOOKED_THROUGH = (
    20_000  # offsets behind which an edge is; beyond that they are not read but counted
)


async def planned(settings: Settings, derived: Derived, rollback_of: int | None = None) -> Plan:
    """What publishing a file would change now. Raises TopicDiffers, NotApplied, BrokerError."""
    facts, derived = await gathered(settings, derived)
    return plan(derived, facts, rollback_of)


async def gathered(settings: Settings, derived: Derived) -> tuple[Facts, Derived]:
    """The facts about a file, and the file with its topics placed. Raises TopicDiffers."""
    table = await read(settings)
    versions = table.of(derived.pipeline)
    async with Admin.open(settings) as admin:
        existing = await admin.topics()
        derived = placed(derived, versions, existing, settings.names)
        compare(derived.topics, existing)
        configs = await admin.configs([name for name in derived.topics if name in existing])
        found = await edges(admin, settings, versions, existing)
    waiting = await unread(settings, versions, found)
    return Facts(versions, existing, configs, tuple(waiting)), derived


async def edges(
    admin: Admin, settings: Settings, versions: Sequence[Version], existing: Mapping[str, int]
) -> dict[str, list[Input]]:
    """By stage, how far it is behind in whatever a version ever connected to it."""
    found: dict[str, dict[TopicPartition, str]] = {}
    for version in versions:
        for name, stage in version.stages.items():
            for event_type in stage.subscribes:
                topic = version.events[event_type].topic
                for index in range(existing.get(topic, 0)):
                    found.setdefault(name, {})[TopicPartition(topic, index)] = event_type
    pipeline = versions[0].pipeline if versions else ""
    return {
        stage: await looked(admin, settings.names.group(pipeline, stage), partitions)
        for stage, partitions in found.items()
    }


async def unread(
    settings: Settings, versions: Sequence[Version], edges: Mapping[str, list[Input]]
) -> list[Unread]:
    """What waits before stages, by edge and version; `edges` are their inputs by stage.

    Behind in offsets is not yet behind in events: transactions that ended, and those that came
    to nothing, take offsets too. So what is not too much is read."""
    found, near = [], []
    for stage, inputs in edges.items():
        for topic, event_type in dict.fromkeys((i.partition.topic, i.event_type) for i in inputs):
            behind = [i for i in inputs if i.partition.topic == topic and i.lag]
            lag = sum(each.lag for each in behind)
            if lag > LOOKED_THROUGH:
                numbers = _having(versions, stage, topic)
                found.append(Unread(stage, event_type, topic, numbers, lag, at_most=True))
            elif lag:
                near += [(stage, each) for each in behind]
    return found + await _read(settings, versions, near)


async def _read(
    settings: Settings, versions: Sequence[Version], near: Sequence[tuple[str, Input]]
) -> list[Unread]:
    if not near:
        return []
    readers: dict[TopicPartition, list[tuple[int, Unread]]] = {}
    for stage, each in near:
        topic = each.partition.topic
        edge = Unread(stage, each.event_type, topic, _having(versions, stage, topic), 0)
        readers.setdefault(each.partition, []).append((each.committed or 0, edge))
    start = {tp: min(offset for offset, _ in of) for tp, of in readers.items()}
    topics = list(dict.fromkeys(tp.topic for tp in readers))
    counts: Counter[Unread] = Counter()
    async for records in scan(settings, topics, start=start):
        for record in records:
            number = version_of(record, versions)
            for offset, edge in readers[TopicPartition(record.topic, record.partition)]:
                if record.offset >= offset and number in edge.versions:
                    counts[edge._replace(versions=(number,))] += 1
    return [edge._replace(events=events) for edge, events in sorted(counts.items())]


def version_of(record: Record, versions: Sequence[Version]) -> int | None:
    """The number of the version that a record carries; of one that carries none, of the newest
    whose boundary is at or below its offset, or before them all of the oldest. `versions` are a
    pipeline's, oldest first."""
    name = dict(record.headers).get(f"ce_{TOPOLOGY_VERSION}")
    if name is not None:
        return next((v.version for v in reversed(versions) if v.name.encode() == name), None)
    oldest = None
    for version in reversed(versions):
        event = next((e for e in version.events.values() if e.topic == record.topic), None)
        if event is not None:
            oldest = version.version
            if record.offset >= (*event.boundaries, 0)[record.partition]:
                break
    return oldest


def _having(versions: Sequence[Version], stage: str, topic: str) -> tuple[int, ...]:
    """The versions in which a stage reads a topic."""
    return tuple(
        version.version
        for version in versions
        if stage in version.stages
        and any(version.events[t].topic == topic for t in version.stages[stage].subscribes)
    )
