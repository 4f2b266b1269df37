"""Which consumer groups of other programs read given topics?"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.broker_errors import AccessDeniedError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version

_CONCURRENT_GROUPS = 8  # groups that are asked for at the same time


class ForeignReader(NamedTuple):
    """A consumer group that belongs to no stage and no service of this installation."""

    group: str
    topics: frozenset[str]
    """The topics in question in which it has committed offsets."""
    members: int


def foreign_groups(
    names: KafkaNames, versions: Iterable[Version], groups: Iterable[str]
) -> list[str]:
    """Return those of `groups` that belong to no stage of `versions` and to no service of ours,
    sorted."""
    ours = {
        names.bookkeeper_group, names.notifier_group, names.monitor_group, names.scheduler_group,
    }  # fmt: skip
    for version in versions:
        for name, stage in version.stages.items():
            ours.add(names.stage_group(version.pipeline, name))
            if stage.is_relayed:
                ours.add(names.outside_group(version.pipeline, name))
    return sorted(set(groups) - ours)


async def foreign_readers(
    admin: ClusterAdmin,
    groups: Collection[str],
    partitions: Collection[TopicPartition],
    *,
    skip_denied: bool = False,
) -> list[ForeignReader]:
    """Return which of the groups have committed offsets in the partitions, in their order.

    Raises BrokerError; AccessDeniedError, which is one, if we may not describe a group. With
    `skip_denied` such a group is left out."""
    slots = asyncio.Semaphore(_CONCURRENT_GROUPS)

    async def reader(group: str) -> ForeignReader | None:
        async with slots:
            with suppress(*([AccessDeniedError] if skip_denied else [])):
                committed = await admin.committed_offsets(group, partitions)
                topics = frozenset(tp.topic for tp, offset in committed.items() if offset)
                if topics:
                    return ForeignReader(group, topics, await admin.count_members(group))
            return None

    found = await asyncio.gather(*map(reader, groups)) if partitions else []
    return [each for each in found if each is not None]
