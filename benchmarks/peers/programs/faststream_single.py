"""How is the hop written with FastStream, a line at a time, at least once?"""

import asyncio
import sys
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaResponse


def main(bootstrap: str, source: str, target: str, group: str) -> None:
    broker = KafkaBroker(bootstrap, acks="all", logger=None)

    # ACK commits after each line; the default commits before the line is handled.
    @broker.subscriber(
        source, group_id=group, auto_offset_reset="earliest", ack_policy=AckPolicy.ACK
    )
    @broker.publisher(target)
    async def price(line: dict[str, Any], message: KafkaMessage) -> KafkaResponse:
        line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
        return KafkaResponse(line, key=message.raw_message.key)

    asyncio.run(FastStream(broker, logger=None).run())


main(*sys.argv[1:])
