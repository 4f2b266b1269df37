"""Was every event handled once, by exactly the stages of its version?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from farandole.events.record import Record
from farandole.events.topology_version import Version


class Place(NamedTuple):
    topic: str
    partition: int
    offset: int


class Event(NamedTuple):
    """A record as the accounts see it: where it stands, and, unless it is a root, whose it is."""

    place: Place
    type: str
    version: int | None
    stage: str | None
    cause: tuple[str, int, int] | None
    """Event type, partition and offset."""


def event(record: Record, types: Mapping[str, str]) -> Event:
    place = Place(record.topic, record.partition, record.offset)
    headers = {name: value.decode() for name, value in record.headers}
    if "ce_source" not in headers:
        return Event(place, types[record.topic], None, None, None)
    kind, partition, offset, _ = headers["ce_id"].rsplit("/", 3)
    return Event(
        place,
        types[record.topic],
        int(headers["ce_topologyversion"].rpartition("@")[2]),
        headers["ce_source"].rpartition("/")[2],
        (kind, int(partition), int(offset)),
    )


def faults(
    versions: Mapping[int, Version], records: Iterable[Record], letters: Iterable[Record] = ()
) -> list[str]:
    """One line for everything that is not as it must be; `records` and `letters` are all that the
    topics of events and of dead letters hold at `read_committed`. Each event has one end at each
    stage: it is answered, or dead."""
    types = {e.topic: name for v in versions.values() for name, e in v.events.items()}
    events = [event(record, types) for record in records]
    answers: dict[tuple[Place, int], Counter[str]] = defaultdict(Counter)
    found: list[str] = []
    for given in events:
        if given.cause is None or given.version is None:
            continue
        kind, partition, offset = given.cause
        topic = versions[given.version].events[kind].topic
        answers[Place(topic, partition, offset), given.version][f"{given.stage}>{given.type}"] += 1
    dead = Counter(map(_dead, letters))
    for given in events:
        number = given.version if given.version is not None else _opened(versions, given)
        version = versions[number]
        wanted = Counter(
            f"{name}>{emitted}"
            for name in version.subscribers(given.type)
            if (given.place, name) not in dead
            for emitted in version.stages[name].emits
        )
        got = answers.pop((given.place, number), Counter())
        if got != wanted:
            found.append(f"{given.place} under @{number}: wanted {dict(wanted)}, got {dict(got)}")
    found += [f"{place} under @{n}: {dict(got)} of nothing" for (place, n), got in answers.items()]
    found += [f"{place} died {n} times at {name}" for (place, name), n in dead.items() if n > 1]
    return found


def _dead(letter: Record) -> tuple[Place, str]:
    said = {name: value.decode() for name, value in letter.headers}
    place = Place(said["dead_topic"], int(said["dead_partition"]), int(said["dead_offset"]))
    return place, said["dead_stage"]


def _opened(versions: Mapping[int, Version], root: Event) -> int:
    """The version that a root belongs to, by the rule: the newest whose boundary it has reached."""
    reached = [
        number
        for number, version in versions.items()
        if root.type in version.events
        and version.events[root.type].topic == root.place.topic
        and version.events[root.type].boundaries[root.place.partition] <= root.place.offset
    ]
    return max(reached)
