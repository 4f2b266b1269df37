"""Where exactly stands the record that the client cannot decode?"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


def offset_of_undecodable(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    """The offset of the record at which decoding has just failed, while reading one at a time.

    The position alone does not move over the markers and aborted records in between; how far the
    client has decoded does.
    """
    inside: Any = consumer
    position: int = inside._subscription.subscription.assignment.state_value(tp).position
    fetched = inside._fetcher._records.get(tp)
    decoded = getattr(fetched, "_partition_records", None)
    return max(position, decoded.next_fetch_offset if decoded is not None else position)
