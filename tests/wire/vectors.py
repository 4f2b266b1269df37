"""What do our own functions make of the inputs of docs/wire/*.json?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from farandole.events.event_key import event_key
from farandole.events.event_position import EventPosition
from farandole.events.key_partitioner import partition_for_key
from farandole.events.ledger_entry import hash_event_ids, ledger_partition
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import StageSpec
from tests.events.made import Made
from tests.worker.made import In, Lane, Out, emitted, text_headers, version

Vector = dict[str, Any]


def run_id(vector: Vector) -> Mapping[str, Any]:
    generator = RunIdGenerator(UUID(vector["installation"]), vector["topic"], vector["life"])
    return {"run": generator.run_id(vector["partition"], vector["offset"], vector["format"])}


def event_id(vector: Vector) -> Mapping[str, Any]:
    cause = (vector["cause_type"], vector["partition"], vector["offset"], vector["index"])
    return {"id": str(EventPosition(*cause, vector["more"], vector["life"]))}


def key_of_data(vector: Vector) -> Mapping[str, Any]:
    key = event_key(vector["data"].encode(), vector["field"], vector["format"])
    return {"key": None if key is None else key.decode()}


def key_partition(vector: Vector) -> Mapping[str, Any]:
    return {"partition": partition_for_key(vector["key"].encode(), vector["partitions"])}


def ids_hash(vector: Vector) -> Mapping[str, Any]:
    # As text: most readers of JSON round a number of 64 bits.
    return {"hash": str(hash_event_ids(each.encode() for each in vector["ids"]))}


def run_partition(vector: Vector) -> Mapping[str, Any]:
    return {"partition": ledger_partition(vector["run"].encode(), vector["partitions"])}


def repeat(event: In) -> Iterator[Out]:
    """Emit as many events as the data say."""
    for household in range(event.n):
        yield Out(n=event.n, household=household)


async def transaction() -> Vector:
    """Return what a stage reads in one transaction, and what it writes: its outputs, and the
    ledger entries of the two runs."""
    events: list[Made] = [
        emitted(7, run="a" * 13, partition=1, key=b"x", timestamp=1_764_412_345_601),
        emitted(8, run="z" * 13, partition=1, timestamp=1_764_412_345_602),
    ]
    events = [each._replace(value=b'{"n": %d}' % n) for each, n in zip(events, (2, 0), strict=True)]
    stages = {
        "stage": StageSpec(run="m:f", subscribes=("in",), emits=("keyed",)),
        "next": StageSpec(run="m:f", subscribes=("keyed",)),
    }
    published = version(stages=stages).model_copy(update={"ledger": 4})
    lane = Lane(repeat, emits=("keyed",), lane=1, versions=[published])
    done = await lane.handle(*events)
    written = [
        {
            "topic": partition.topic,
            "partition": partition.partition,
            "key": None if each.key is None else each.key.decode(),
            "headers": text_headers(each) | {"ce_time": "…"} if each.headers != b"\0" else {},
            "value": _without_times(json.loads(each.value or b"")),
        }
        for partition in sorted(done.writes)
        for each in done.writes[partition]
    ]
    read = [
        {
            "topic": each.topic,
            "partition": each.partition,
            "offset": each.offset,
            "timestamp": each.timestamp,
            "key": None if each.key is None else each.key.decode(),
            "headers": {name: value.decode() for name, value in each.headers},
            "value": json.loads(each.value or b""),
        }
        for each in events
    ]
    return {"reads": read, "writes": written}


def _without_times(value: Any) -> Any:
    """Return a ledger entry with its hashes as text, and without the times of this machine."""
    if "runs" not in value:
        return value
    for part in value["runs"]:
        for counts in (*part["in"].values(), *part["out"].values()):
            counts["hash"] = str(counts["hash"])
    return value | {"at": "…", "seconds": "…"}


PURE: Mapping[str, Callable[[Vector], Mapping[str, Any]]] = {
    "run-ids": run_id,
    "event-ids": event_id,
    "event-keys": key_of_data,
    "key-partitions": key_partition,
    "id-hashes": ids_hash,
    "ledger-partitions": run_partition,
}
