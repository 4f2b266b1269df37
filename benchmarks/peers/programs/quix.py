"""How is the hop written with Quix Streams, exactly once?"""

import sys
from typing import Any

from quixstreams import Application


def price(line: dict[str, Any]) -> dict[str, Any]:
    line["paid_cents"] = line["sales_cents"] - line["discount_cents"]
    return line


def main(bootstrap: str, source: str, target: str, group: str) -> None:
    app = Application(
        bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=1.0,
        auto_create_topics=False,
        producer_extra_config={"linger.ms": 5, "batch.size": 1_000_000},
        loglevel="WARNING",
    )
    lines = app.topic(source, key_deserializer="bytes", value_deserializer="json")
    priced = app.topic(target, key_serializer="bytes", value_serializer="json")
    app.dataframe(lines).apply(price).to_topic(priced)
    app.run()


main(*sys.argv[1:])
