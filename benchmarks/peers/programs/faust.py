"""How is the hop written with Faust, at least once?"""

import sys

import faust

PARTITIONS = 4


def main(bootstrap: str, source: str, target: str, group: str) -> None:
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        producer_linger=0.005,
        producer_max_batch_size=1_000_000,
        stream_recovery_delay=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )
    lines = app.topic(source, key_type=bytes, value_serializer="json", partitions=PARTITIONS)
    priced = app.topic(target, key_type=bytes, value_serializer="json", partitions=PARTITIONS)

    @app.agent(lines)
    async def price(stream: faust.Stream) -> None:
        async for key, line in stream.items():
            line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
            await priced.send(key=key, value=line)

    sys.argv[1:] = ["worker", "--loglevel", "error"]
    app.main()


main(*sys.argv[1:])
