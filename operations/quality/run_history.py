"""What is remembered of the last runs and windows of a pipeline?"""

from __future__ import annotations

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.quality_history import HistoryRow, parse_history_row
from farandole.events.record import Record
from farandole.events.row_format import NewerFormatError
from farandole.operations.events.newest_records import newest_records


async def newest_history(settings: Settings, pipeline: str, count: int) -> list[HistoryRow]:
    """Return the rows of the last `count` runs and windows of a pipeline, in the order in which
    they ended; rows that this release cannot read are left out. Raises BrokerError."""
    topic, prefix = settings.names.quality_history_topic, f"{pipeline}/".encode()

    def is_wanted(record: Record) -> bool:
        return (record.key or b"").startswith(prefix) and record.value is not None

    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([topic])).get(topic, 0)
        places = [TopicPartition(topic, number) for number in range(width)]
        starts, ends = await admin.start_offsets(places), await admin.end_offsets(places)
        found = await newest_records(settings, admin, count, starts, ends, is_wanted)
    rows = []
    for record in found:
        try:
            row = parse_history_row(record.value)
        except NewerFormatError:
            continue
        if row is not None:
            rows.append(row)
    return rows
