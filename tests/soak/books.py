"""Does every topic of a pipeline hold what it must: each result once, none missing, in order?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.event_position import EventPosition
from farandole.events.record import Record
from farandole.events.topology_version import Version

Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class Events:
    """What a topic of events holds at `read_committed`."""

    places: set[Place] = field(default_factory=set)
    ids: set[tuple[bytes, bytes]] = field(default_factory=set)
    causes: dict[str, set[Place]] = field(default_factory=dict)
    """By the stage that emitted: the places of the events that caused these."""
    disorder: int = 0
    """Events that stand behind one that was caused later in the same partition."""


@dataclass
class Letters:
    """What a stage's dead letters are of."""

    places: dict[str, set[Place]] = field(default_factory=dict)
    """By topic."""
    reasons: Counter[str] = field(default_factory=Counter)
    count: int = 0


@dataclass
class Books:
    """All topics, read by a reader of its own: it knows the wire format, and no worker."""

    version: Version
    events: Mapping[str, Events]
    letters: Mapping[str, Letters]

    def edges(self) -> dict[str, int]:
        return {name: len(events.places) for name, events in self.events.items()}

    def dead(self) -> dict[str, int]:
        return dict(sum((found.reasons for found in self.letters.values()), Counter()))

    def faults(self) -> list[str]:
        """One line for everything that is not as it must be."""
        found = []
        for name, events in self.events.items():
            if name not in self.version.roots() and len(events.ids) != len(events.places):
                found.append(f"{name}: {len(events.places)} events, {len(events.ids)} ids")
            if events.disorder:
                found.append(f"{name}: {events.disorder} out of order")
        for name, stage in self.version.stages.items():
            letters = self.letters[name]
            if letters.count != sum(map(len, letters.places.values())):
                found.append(f"{name}: two dead letters of one event")
            for event_type in stage.subscribes:
                found += self._edge(name, event_type, stage.emits)
        return found

    def _edge(self, stage: str, event_type: str, emits: tuple[str, ...]) -> list[str]:
        given = self.events[event_type]
        dead = self.letters[stage].places.get(self.version.events[event_type].topic, set())
        caused = {p for e in emits for p in self.events[e].causes.get(stage, ())}
        strange = (caused | dead) - given.places
        twice = caused & dead
        # Of a stage that may stay silent, only that nobody else's events are answered.
        missing = given.places - caused - dead if emits and stage not in SILENT else set()
        return [
            f"{event_type} -> {stage}: {len(places)} {what}"
            for what, places in (
                ("answered and never given", strange),
                ("answered and dead", twice),
                ("neither answered nor dead", missing),
            )
            if places
        ]


SILENT = ("flag_coupon",)
"""Stages that have nothing to say of most events."""


async def read(settings: Settings, version: Version) -> Books:
    """Raises AssertionError where a record is none of ours."""
    names = settings.names
    return Books(
        version,
        {name: await _events(settings, version, name) for name in version.events},
        {name: await _letters(settings, names.dead_topic(version.pipeline, name))
         for name in version.stages},
    )  # fmt: skip


async def _events(settings: Settings, version: Version, name: str) -> Events:
    found = Events()
    stages = {version.source(stage).encode(): stage for stage in version.stages}
    last: dict[tuple[int, str, int], tuple[int, int]] = {}
    async for records in scan(settings, [version.events[name].topic]):
        for record in records:
            found.places.add((record.partition, record.offset))
            headers = dict(record.headers)
            if name in version.roots():
                continue
            id_, source = headers["ce_id"], headers["ce_source"]
            found.ids.add((source, id_))
            cause = EventPosition.parse(id_.decode())
            place = (cause.partition, cause.offset)
            found.causes.setdefault(stages[source], set()).add(place)
            path = (record.partition, cause.event_type, cause.partition)
            now = (cause.offset, cause[3])
            if now <= last.get(path, (-1, -1)):
                found.disorder += 1
            last[path] = now
    return found


async def _letters(settings: Settings, topic: str) -> Letters:
    found = Letters()
    async for records in scan(settings, [topic]):
        for record in records:
            said = _said(record)
            place = (int(said["partition"]), int(said["offset"]))
            found.places.setdefault(said["topic"], set()).add(place)
            found.reasons[said["message"]] += 1
            found.count += 1
    return found


def _said(record: Record) -> dict[str, str]:
    return {n[5:]: v.decode() for n, v in record.headers if n.startswith("dead_")}
