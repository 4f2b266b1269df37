"""Where do triggers stand in their topics?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import aclosing
from datetime import datetime

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.schedule_origin import schedule_origin
from farandole.scheduler.facts import TriggerPlace


async def find_triggers(
    settings: Settings,
    admin: ClusterAdmin,
    wanted: Mapping[str, Collection[str]],
    since: datetime,
) -> Mapping[str, TriggerPlace]:
    """Return, by `ce_id`, where the triggers stand that were committed at or after `since`
    (`farandole.scheduler.facts.Facts`). Raises BrokerError."""
    existing = await admin.all_topics()
    found: dict[str, TriggerPlace] = {}
    for topic, ids in wanted.items():
        partitions = [TopicPartition(topic, index) for index in range(existing.get(topic, 0))]
        start = await admin.offsets_at(partitions, int(since.timestamp() * 1000))
        if not ids or not partitions:
            continue
        async with aclosing(scan(settings, [topic], start=start, admin=admin)) as batches:
            async for records in batches:
                for record in records:
                    origin = schedule_origin(record.headers)
                    if origin is None or origin.repeats:
                        continue
                    event = (dict(record.headers).get("ce_id") or b"").decode(errors="replace")
                    if event in ids:
                        place = TriggerPlace(record.topic, record.partition, record.offset)
                        found.setdefault(event, place)
    return found
