"""Which event caused which?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.event_position import EventPosition
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Header, Record
from farandole.events.topology_version import Version


class RecordPosition(NamedTuple):
    """Where an event stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def of(cls, record: Record) -> RecordPosition:
        return cls(record.topic, record.partition, record.offset)


class TraceTarget(NamedTuple):
    """What a person has named: the place of an event, or of its cause and its id."""

    name: str
    """An event type or a topic."""
    partition: int
    offset: int
    id: str | None = None


def parse_trace_target(text: str) -> TraceTarget:
    """`line.ingested/3/10482/0` is an id, and names its cause's place; without the index it is the
    place of an event. Raises ValueError."""
    parts = text.rsplit("/", 3)
    if len(parts) == 4:
        position = EventPosition.parse(text)
        found = TraceTarget(position.event_type, position.partition, position.offset, text)
    else:
        name, partition, offset = parts
        found = TraceTarget(name, int(partition), int(offset))
    if not found.name or found.partition < 0 or found.offset < 0:
        raise ValueError(text)
    return found


def event_topics(versions: Iterable[Version], name: str) -> list[str]:
    """Those that an event type has had, newest version first; a topic itself is one."""
    found: dict[str, None] = {}
    for version in sorted(versions, key=lambda v: -v.version):
        for event_type, event in version.events.items():
            if name in (event_type, event.topic):
                found[event.topic] = None
    return [*found]


def cause_position(headers: Mapping[str, bytes], version: Version) -> RecordPosition | None:
    """Where the cause of an event that a stage of ours emitted stands; None: its id names none."""
    try:
        position = EventPosition.parse(headers.get("ce_id", b"").decode())
        return RecordPosition(version.events[position.event_type].topic, *position[1:3])
    except (ValueError, KeyError):
        return None


class EffectTopics(NamedTuple):
    """Where what an event has caused can stand."""

    outputs: Sequence[str]
    """Topics of events."""
    dead: Sequence[str]


def effect_topics(version: Version, names: KafkaNames, event_types: Iterable[str]) -> EffectTopics:
    stages = dict.fromkeys(s for t in event_types for s in version.subscribers(t))
    emitted = dict.fromkeys(t for s in stages for t in version.stages[s].emits)
    return EffectTopics(
        [version.events[t].topic for t in emitted],
        [names.dead_topic(version.pipeline, s) for s in stages],
    )


class CauseMatcher:
    """Events whose effects are looked for."""

    def __init__(self, installation: UUID, events: Iterable[tuple[str, RecordPosition]]) -> None:
        """`events`: types and places."""
        self._ours = f"farandole://{installation}/".encode()
        self._places = {place for _, place in events}
        self._offsets: dict[tuple[bytes, int], list[int]] = {}
        for event_type, place in events:
            key = event_type.encode(), place.partition
            self._offsets.setdefault(key, []).append(place.offset)

    def caused(self, headers: Sequence[Header]) -> bool:
        """Did one of them cause the event with these headers?"""
        event_id = source = b""
        for name, value in headers:
            if name == "ce_id":
                event_id = value
            elif name == "ce_source":
                source = value
        if not (event_id and source and source.startswith(self._ours)):
            return False
        parts = event_id.rsplit(b"/", 3)
        if len(parts) != 4 or not parts[1].isdigit():
            return False
        offsets = self._offsets.get((parts[0], int(parts[1])))
        if offsets is None:
            return False
        first, _, more = parts[2].partition(b"+")
        if not first.isdigit() or (more and not more.isdigit()):
            return False
        begin = int(first)
        return any(begin <= offset <= begin + int(more or 0) for offset in offsets)

    def buried(self, headers: Sequence[Header]) -> bool:
        """Is this a dead letter of one of them?"""
        said = {n: v for n, v in headers if n.startswith(DEAD_HEADER_PREFIX)}
        try:
            return (
                RecordPosition(
                    said[f"{DEAD_HEADER_PREFIX}topic"].decode(),
                    int(said[f"{DEAD_HEADER_PREFIX}partition"]),
                    int(said[f"{DEAD_HEADER_PREFIX}offset"]),
                )
                in self._places
            )
        except (KeyError, ValueError, AttributeError):
            return False
