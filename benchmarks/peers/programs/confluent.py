"""How does a careful engineer write the hop with confluent-kafka alone?"""

import sys

import orjson
from confluent_kafka import Consumer, Producer

BATCH = 10_000  # lines a transaction


def main(bootstrap: str, source: str, target: str, group: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"{group}:0",
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions()
    consumer.subscribe([source])
    while True:
        records = consumer.consume(BATCH, timeout=0.1)
        if not records:
            continue
        producer.begin_transaction()
        for record in records:
            if record.error():
                raise SystemExit(record.error())
            line = orjson.loads(record.value())
            line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
            producer.produce(target, orjson.dumps(line), record.key())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()


main(*sys.argv[1:])
