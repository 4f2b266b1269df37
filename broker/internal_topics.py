"""How are the topics in which Kafka keeps offsets and transactions kept small, and their loading
awaited?

A coordinator reads its partitions of these topics to their end when the broker starts, at about
5 MB/s. Every transaction of a lane adds some hundred bytes, half of it a marker. With Kafka's
defaults nothing is cleaned before a segment has 100 MB, and markers stay for another day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from farandole.broker.admin_calls import POLL_INTERVAL
from farandole.broker.broker_errors import DeadlineExceededError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec

LOADING_TIMEOUT = 300.0  # seconds
_NOTICE_INTERVAL = 5.0  # seconds

_CLEANED_SOON = {
    "cleanup.policy": "compact",
    "segment.bytes": str(1024 * 1024),  # the least that Kafka accepts
    # Only the broker reads these topics: nobody needs tombstones and markers for longer.
    "delete.retention.ms": "60000",
}

_PARTITION_SETTINGS: Mapping[str, str] = {
    "__consumer_offsets": "offsets.topic.num.partitions",
    "__transaction_state": "transaction.state.log.num.partitions",
}


async def keep_internal_topics_small(settings: Settings, properties: Mapping[str, str]) -> None:
    """Create the internal topics of a broker with these server properties, or configure those that
    exist. Kafka itself would create them with few of these configs. Raises BrokerError."""
    factor = int(properties["offsets.topic.replication.factor"])
    settings = settings.model_copy(update={"replication_factor": factor})
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.all_topics()
        await admin.create_topics(
            {
                name: TopicSpec(int(properties[partitions]), _CLEANED_SOON)
                for name, partitions in _PARTITION_SETTINGS.items()
                if name not in existing
            }
        )
        found = await admin.topic_configs(_PARTITION_SETTINGS.keys() & existing.keys())
        await admin.configure_topics(
            {
                name: _CLEANED_SOON
                for name, configs in found.items()
                if not _CLEANED_SOON.items() <= configs.items()
            }
        )


async def wait_until_loaded(settings: Settings, waiting: Callable[[float], None]) -> None:
    """Wait until Kafka has loaded the offsets of all groups. `waiting` is called every 5 s with the
    seconds that it has taken so far. Raises DeadlineExceededError and BrokerError."""
    now = asyncio.get_running_loop().time
    began = now()
    noticed = began
    async with ClusterAdmin.open(settings) as admin:
        while not await admin.groups_are_loaded():
            if now() - began > LOADING_TIMEOUT:
                raise DeadlineExceededError(
                    f"Kafka has not loaded its offsets within {LOADING_TIMEOUT:g} s; it goes on:"
                    " try again"
                )
            if now() - noticed > _NOTICE_INTERVAL:
                noticed = now()
                waiting(noticed - began)
            await asyncio.sleep(POLL_INTERVAL)
