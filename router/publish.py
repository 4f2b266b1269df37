"""How does a derived file become a pipeline's next version, whole or not at all?

1. Topics that are missing are created; one whose partitions differ is refused before anything is.
2. The producer starts under `names.router`: that fences every other router and settles its
   transaction.
3. **Then** the versions are read: read earlier, they could lack the one that the other published.
4. Boundaries and committed offsets are read.
5. The version, the installation if there is none, and the first offset of each new edge commit in
   one transaction. A router that dies or is fenced before that has published nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from pydantic import ValidationError

from broker.admin import Admin
from broker.clients import opened, producer, within
from broker.errors import Unanswered
from broker.fenced import FENCED
from broker.settings import Settings
from broker.tables import read_table
from events.topology import INSTALLATION_KEY, Event, Installation, Version, row
from router.derive import Derived

log = structlog.get_logger()

_TRIES = 6  # the other router needs one of them; two in a row lost to others are rare
_REST = 0.1  # seconds, doubled at each try, with full jitter


class NotApplied(Exception):  # noqa: N818 -- what the file is
    """Nothing was published; the message says why and what to do next, in one line."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The newest version, whether this call published it, and the topics that this call created."""

    version: Version
    changed: bool
    created_topics: tuple[str, ...]


async def apply(settings: Settings, derived: Derived, by: str) -> Applied:
    """Publish a derived file as its pipeline's next version, unless it changes nothing.

    `by` says who did it, for people. Raises NotApplied, TopicDiffers where the number of partitions
    of a topic would change, and the errors of `broker.clients.opened`.
    """
    created = await _create_topics(settings, derived)
    attempted: Version | None = None
    for attempt in range(_TRIES):
        writer = producer(settings, transactional_id=settings.names.router)
        try:
            async with opened(writer, settings):
                table = await _read(settings)
                newest = _newest(table.versions, derived.pipeline)
                if newest is not None and _says(newest, derived):
                    # Published by a try of ours whose end we did not hear?
                    return Applied(newest, newest == attempted, created)
                attempted = await _next(settings, derived, by, table, created)
                earlier = _of(table.versions, derived.pipeline)
                offsets = await _first_offsets(settings, attempted, earlier)
                await _commit(settings, writer, attempted, table.installation is None, offsets)
        except Unanswered as error:
            raise NotApplied(
                f"{error}: whether the version was published is unknown; apply again, which tells"
            ) from None
        except KafkaError as error:
            # aiokafka wraps what it does not expect of the broker.
            if not isinstance(error, FENCED) and not isinstance(error.__cause__, FENCED):
                raise NotApplied(f"Kafka refused the version: {error}; apply again") from None
            log.info("router.fenced", pipeline=derived.pipeline, attempt=attempt + 1)
            await asyncio.sleep(random.uniform(0, _REST * 2**attempt))  # noqa: S311 -- jitter
            continue
        log.info("router.published", version=attempted.name, by=by, created=len(created))
        return Applied(attempted, True, created)
    raise NotApplied(
        "other routers publish at the same time, and this one came too late "
        f"{_TRIES} times; apply again"
    )


async def versions(settings: Settings, pipeline: str) -> list[Version]:
    """All published versions of a pipeline, oldest first; none where nothing was ever applied.
    Raises NotApplied where the table holds what no router wrote."""
    return _of((await _read(settings)).versions, pipeline)


async def current(settings: Settings, pipeline: str) -> Version | None:
    """The newest version of a pipeline; None before the first."""
    return _newest(await versions(settings, pipeline), pipeline)


@dataclass(frozen=True, slots=True)
class _Table:
    installation: Installation | None
    versions: list[Version]


async def _read(settings: Settings) -> _Table:
    topic = settings.names.topology
    rows: Mapping[bytes, bytes] = await read_table(settings, topic)
    installation = None
    found = []
    for key, value in rows.items():
        try:
            said = row(key, value)
        except ValidationError as error:
            raise NotApplied(
                f"{topic} holds a record with the key {key!r} that no router wrote "
                f"({error.errors()[0]['msg']}); write a tombstone with that key"
            ) from None
        if isinstance(said, Installation):
            installation = said
        elif isinstance(said, Version):
            found.append(said)
    return _Table(installation, found)


def _of(found: list[Version], pipeline: str) -> list[Version]:
    return sorted((v for v in found if v.pipeline == pipeline), key=lambda v: v.version)


def _newest(found: list[Version], pipeline: str) -> Version | None:
    return max((v for v in found if v.pipeline == pipeline), key=lambda v: v.version, default=None)


def _says(version: Version, derived: Derived) -> bool:
    """The version already says what the file says; where it begins does not count."""
    events = {name: _timeless(event) for name, event in version.events.items()}
    return events == derived.events and version.stages == derived.stages


def _timeless(event: Event) -> Event:
    return event.model_copy(update={"boundaries": ()})


async def _next(
    settings: Settings, derived: Derived, by: str, table: _Table, created: tuple[str, ...]
) -> Version:
    history = _of(table.versions, derived.pipeline)
    known = {event.topic for version in history for event in version.events.values()}
    known -= set(created)
    partitions = {
        event.topic: [TopicPartition(event.topic, i) for i in range(event.partitions)]
        for event in derived.events.values()
    }
    ends = await _offsets(settings, partitions, known)
    installation = table.installation
    return Version(
        pipeline=derived.pipeline,
        version=history[-1].version + 1 if history else 1,
        installation=installation.id if installation is not None else uuid4(),
        published=datetime.now(UTC),
        published_by=by,
        events={
            name: event.model_copy(
                update={"boundaries": tuple(ends[tp] for tp in partitions[event.topic])}
            )
            for name, event in derived.events.items()
        },
        stages=dict(derived.stages),
    )


async def _offsets(
    settings: Settings, partitions: Mapping[str, list[TopicPartition]], known: set[str]
) -> dict[TopicPartition, int]:
    """Where each partition begins for a version: at its end where an earlier version had its topic;
    else at its start, for a root that was published before the first apply is not to be lost."""
    old = [tp for topic, tps in partitions.items() if topic in known for tp in tps]
    new = [tp for topic, tps in partitions.items() if topic not in known for tp in tps]
    async with Admin.open(settings) as admin:
        starts = await admin.start_offsets(new) if new else {}
        ends = await admin.end_offsets(old) if old else {}
    return {**starts, **ends}


def new_edges(version: Version, earlier: Sequence[Version]) -> dict[str, dict[TopicPartition, int]]:
    """Per stage, the input partitions that it had in no earlier version, with the boundary at which
    it begins there. An edge that comes back goes on where it was: of the versions that had it there
    may be events that it has not read."""
    return {
        name: {
            TopicPartition(version.events[event_type].topic, index): boundary
            for event_type in stage.subscribes
            if not any(_had(v, name, version.events[event_type].topic) for v in earlier)
            for index, boundary in enumerate(version.events[event_type].boundaries)
        }
        for name, stage in version.stages.items()
    }


def _had(version: Version, stage: str, topic: str) -> bool:
    subscribes = version.stages[stage].subscribes if stage in version.stages else ()
    return any(version.events[event_type].topic == topic for event_type in subscribes)


async def _first_offsets(
    settings: Settings, version: Version, earlier: Sequence[Version]
) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
    """By group, the offsets that are to be committed so that "no committed offset" always means
    "lost", never "new". A group that has one from before Farandole knew it begins at the boundary
    too, unless it is beyond."""
    found = {}
    async with Admin.open(settings) as admin:
        for stage, edges in new_edges(version, earlier).items():
            group = settings.names.group(version.pipeline, stage)
            committed = await admin.committed(group, list(edges)) if edges else {}
            first = {
                tp: OffsetAndMetadata(boundary, "")
                for tp, boundary in edges.items()
                if (old := committed.get(tp)) is None or old.offset < boundary
            }
            if first:
                found[group] = first
    return found


async def _commit(
    settings: Settings,
    writer: AIOKafkaProducer,
    version: Version,
    first: bool,
    offsets: Mapping[str, Mapping[TopicPartition, OffsetAndMetadata]],
) -> None:
    await _written(settings, writer, version, first, offsets)
    await within(writer.commit_transaction(), settings.deadline, "commit a version")


async def _written(
    settings: Settings,
    writer: AIOKafkaProducer,
    version: Version,
    first: bool,
    offsets: Mapping[str, Mapping[TopicPartition, OffsetAndMetadata]],
) -> None:
    """Everything of the transaction but its commit."""
    topic = settings.names.topology
    records = [(version.name.encode(), version.model_dump_json().encode())]
    if first:
        installation = Installation(id=version.installation, created=version.published)
        records.insert(0, (INSTALLATION_KEY, installation.model_dump_json().encode()))
    await within(writer.begin_transaction(), settings.deadline, "begin a version")
    for key, value in records:
        await within(
            writer.send_and_wait(topic, key=key, value=value), settings.deadline, "write a version"
        )
    for group, edges in offsets.items():
        _one_more_group(writer)
        await within(
            writer.send_offsets_to_transaction(edges, group), settings.deadline, "write offsets"
        )


def _one_more_group(writer: AIOKafkaProducer) -> None:
    """Let the transaction take the offsets of one more group.

    Kafka wants each group announced; aiokafka announces the first of a transaction alone, because
    it remembers one. Made to forget it, it announces the next one too, in the same transaction.
    """
    manager: Any = writer._txn_manager
    manager._txn_consumer_group = None


async def _create_topics(settings: Settings, derived: Derived) -> tuple[str, ...]:
    async with Admin.open(settings) as admin:
        existing = await admin.topics()
        await admin.create(derived.topics)
    created = tuple(name for name in derived.topics if name not in existing)
    for name in created:
        log.info("topic.created", topic=name, partitions=derived.topics[name].partitions)
    return created
