"""Which entries need not be read, because no window is as old as they are?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, open_client
from farandole.broker.settings import Settings
from farandole.monitor.tumbling_windows import RINGS

log = structlog.get_logger()

KEPT_SECONDS = max(ring.seconds * ring.slots for ring in RINGS)


async def skip_old_entries(
    admin: ClusterAdmin, settings: Settings, partitions: int, now: float
) -> None:
    """Commit, for the monitor's group, the offset of the first entry that a window may need at
    `now` (seconds of the epoch), where the committed offset is older. Nothing is done while another
    monitor is a member of the group: it commits by itself. Raises BrokerError."""
    group = settings.names.monitor_group
    ledger = [TopicPartition(settings.names.ledger_topic, index) for index in range(partitions)]
    needed = await admin.offsets_at(ledger, int((now - KEPT_SECONDS) * 1000))
    committed = await admin.committed_offsets(group, ledger)
    known = {tp: found.offset for tp, found in committed.items() if found is not None}
    skipped = offsets_to_skip_to(needed, known)
    if not skipped or await admin.count_members(group):
        return
    async with open_client(make_consumer(settings, group=group), settings) as consumer:
        consumer.assign(ledger)
        try:
            async with asyncio.timeout(settings.deadline):
                await consumer.commit(skipped)
        except (KafkaError, TimeoutError) as error:
            # The windows stay right without it; it takes longer until they are complete.
            log.warning("monitor.not_skipped", why=f"{type(error).__name__}: {error}")
            return
    offsets = {tp.partition: offset for tp, offset in skipped.items()}
    log.info("monitor.skipped", to=offsets, why=f"older than {KEPT_SECONDS} s")


def offsets_to_skip_to(
    needed: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return the offsets of `needed` that are above the committed ones. Without a committed offset
    the monitor would begin at the first entry that Kafka keeps."""
    return {tp: first for tp, first in needed.items() if first > committed.get(tp, 0)}
