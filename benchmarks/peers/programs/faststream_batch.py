"""How is the hop written with FastStream, in batches, and what do its defaults do with it?"""

import asyncio
import sys
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaPublishMessage

# What does not fit into one batch of the producer (by default 16 KiB) is an error.
RECORDS = 3_000
BYTES = 1_000_000


def main(bootstrap: str, source: str, target: str, group: str, limits: str = "raised") -> None:
    raised = limits == "raised"
    sizes: dict[str, Any] = {"acks": "all", "max_batch_size": BYTES, "max_request_size": 2 * BYTES}
    records: dict[str, Any] = {"max_records": RECORDS, "ack_policy": AckPolicy.ACK}
    broker = KafkaBroker(bootstrap, logger=None, **(sizes if raised else {}))

    @broker.subscriber(
        source,
        batch=True,
        group_id=group,
        auto_offset_reset="earliest",
        **(records if raised else {}),
    )
    @broker.publisher(target, batch=True)
    async def price(
        lines: list[dict[str, Any]], message: KafkaMessage
    ) -> list[KafkaPublishMessage]:
        for line in lines:
            line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
        return [
            KafkaPublishMessage(line, key=record.key)
            for line, record in zip(lines, message.raw_message, strict=True)
        ]

    asyncio.run(FastStream(broker, logger=None).run())


main(*sys.argv[1:])
