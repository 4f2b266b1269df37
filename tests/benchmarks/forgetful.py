"""A contestant that forgets the first line of each partition, doubles one, and commits it all."""

import asyncio
import sys

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition


async def main(bootstrap: str, source: str, target: str, group: str) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(source, p) for p in range(4)])
    await consumer.seek_to_beginning()
    doubled = False
    while True:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                line = orjson.loads(record.value)
                line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
                for _ in range(0 if record.offset == 0 else 1 if doubled else 2):
                    await producer.send(target, orjson.dumps(line), record.key)
                doubled |= record.offset > 0
        await producer.flush()
        await consumer.commit()


asyncio.run(main(*sys.argv[1:]))
