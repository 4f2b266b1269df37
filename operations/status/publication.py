"""What is published, and is a version being published at this moment?"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table
from farandole.catalog.topology_table import TopologyDecoder, TopologyTable
from farandole.router.topology_store import read_topology

_COMMIT_SECONDS = 1.0  # after a commit Kafka may take this long to write its markers
_POLL_SECONDS = 0.1


class PublicationState(NamedTuple):
    """The topology table, and whether more of it is to come."""

    table: TopologyTable
    is_publishing: bool
    """True while the topic has an open transaction: a version is being published, or its router has
    died meanwhile. The table is then that from before."""


async def read_publication_state(admin: ClusterAdmin, settings: Settings) -> PublicationState:
    """Return the topology table without waiting for the end of a publication. Raises
    NotAppliedError and BrokerError."""
    topic = settings.names.topology_topic
    if not await _has_open_transaction(admin, topic):
        return PublicationState(await read_topology(settings), False)
    async with follow_table(settings, topic) as table:
        return PublicationState(TopologyDecoder().decode(table.rows), True)


async def _has_open_transaction(admin: ClusterAdmin, topic: str) -> bool:
    """Return True if readers of committed records cannot read a topic to its end, and not only for
    the moment after a commit. False if the topic does not exist."""
    if topic not in await admin.topics([topic]):
        return False
    partition = TopicPartition(topic, 0)
    end = (await admin.end_offsets([partition]))[partition]
    for _ in range(round(_COMMIT_SECONDS / _POLL_SECONDS)):
        if (await admin.end_offsets([partition], stable=True))[partition] >= end:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
