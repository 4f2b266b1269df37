"""What does the record of a root look like?

A root is an event that no stage emits: a person, a schedule or a repetition publishes it, and it
opens a run. This module builds the record and sends nothing, so that a lane can write a root in its
own transaction; `operations/events/root_publisher.py` sends one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from farandole.events.envelope import REPEATED_RUN_HEADER, time_header, trigger_headers
from farandole.events.event_key import event_key
from farandole.events.record import Header, Record
from farandole.events.topology_version import EventSpec, Version

# Not under our own scheme `farandole://`: what people and schedules publish is no stage's result.
TRIGGER_SOURCE = "urn:farandole:trigger"
SCHEDULE_SOURCE = "urn:farandole:schedule:"  # the beginning of it: `schedule_source`


class RootRecord(NamedTuple):
    """A record that is to be published as a root."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    partition: int | None = None
    """The partition; None if the producer chooses it by the key."""

    @property
    def event_id(self) -> str:
        """The event's id, or "" for a bare record, which carries none."""
        found = next((value for name, value in self.headers if name == "ce_id"), None)
        return (found or b"").decode(errors="replace")


def schedule_source(version: Version) -> str:
    """Return the `ce_source` of what the schedules of a pipeline publish. With it their ids, which
    name no pipeline, are unique."""
    return f"{SCHEDULE_SOURCE}{version.installation}:{version.pipeline}"


def new_root(
    version: Version,
    event_type: str,
    data: bytes,
    *,
    key: str | None = None,
    headers: Sequence[Header] = (),
    source: str = TRIGGER_SOURCE,
    event_id: str | None = None,
    time: datetime | None = None,
) -> RootRecord:
    """Return the record of a new root of this type; `data` are its JSON. The event has `headers`
    beside its own; without `event_id` it gets a new id, without `time` the time of now. Without
    `key` its key is derived from its data, where the version says how."""
    event = version.events[event_type]
    if key is not None:
        raw_key: bytes | None = key.encode()
    else:
        raw_key = None if event.key is None else event_key(data, event.key, version.format)
    own = new_root_headers(event_type, source, event_id=event_id, time=time)
    return RootRecord(event.topic, raw_key, data, [*own, *headers])


def new_root_headers(
    event_type: str,
    source: str = TRIGGER_SOURCE,
    *,
    event_id: str | None = None,
    time: datetime | None = None,
) -> list[Header]:
    """Return the headers of a root of this type: by default a new id, and the time of now."""
    return trigger_headers(source, event_type, event_id or str(uuid4()), time or datetime.now(UTC))


def root_at(root: RootRecord, time: datetime) -> RootRecord:
    """Return the root as `new_root` makes it at another time."""
    at = time_header(time)
    return root._replace(headers=[at if each[0] == at[0] else each for each in root.headers])


def repeated_root(record: Record, run_id: str, event: EventSpec) -> RootRecord:
    """Return what publishes the root of a run once more; `record` is that root as it was read, and
    `event` its type in the version that is in force now."""
    # In the same topic it keeps its partition, because another partitioner may have chosen it.
    partition = record.partition if event.topic == record.topic else None
    headers = repeat_headers(record.headers, run_id)
    return RootRecord(event.topic, record.key, record.value, headers, partition)


def repeat_headers(headers: Sequence[Header], run_id: str) -> list[Header]:
    """Return the headers of a root that repeats a run: its own, and the run's id."""
    return [
        *((name, value) for name, value in headers if name != REPEATED_RUN_HEADER),
        (REPEATED_RUN_HEADER, run_id.encode()),
    ]
