"""Which event caused which other event?"""

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
    """The topic, partition and offset of an event."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def of(cls, record: Record) -> RecordPosition:
        """Return the position of a record."""
        return cls(record.topic, record.partition, record.offset)


class TraceTarget(NamedTuple):
    """What to trace: an event at a position, or the event with an id.

    The id of an event that a stage emitted contains the position of the event that caused it."""

    name: str
    """An event type or a topic."""
    partition: int
    offset: int
    id: str | None = None
    """The id of the event; the position is then that of its cause. None if the position is that of
    the event itself."""
    life: int | None = None
    """The life of the topic that the id names; None if there is no id, which means the topic as it
    is now."""


def parse_trace_target(text: str) -> TraceTarget:
    """Return the target in a text: an id, `line.ingested/3/10482/0`, or a position, which is the
    same without the index at the end. Raises ValueError if the text is neither."""
    parts = text.rsplit("/", 3)
    if len(parts) == 4:
        position = EventPosition.parse(text)
        found = TraceTarget(
            position.event_type, position.partition, position.offset, text, position.life
        )
    else:
        name, partition, offset = parts
        found = TraceTarget(name, int(partition), int(offset))
    if not found.name or found.partition < 0 or found.offset < 0:
        raise ValueError(text)
    return found


def event_topics(versions: Iterable[Version], name: str) -> list[str]:
    """Return the topics that an event type has under these versions, those of the newest version
    first. `name` may be a topic as well. Empty if no version has it."""
    found: dict[str, None] = {}
    for version in sorted(versions, key=lambda v: -v.version):
        for event_type, event in version.events.items():
            if name in (event_type, event.topic):
                found[event.topic] = None
    return [*found]


class CauseRange(NamedTuple):
    """Where the causes of an event are: at one offset, or between two for a batch."""

    topic: str
    partition: int
    first: int
    last: int
    life: int
    """The life of the topic that the event's id names."""


def cause_range(headers: Mapping[str, bytes], version: Version) -> CauseRange | None:
    """Return where the causes of an event of a stage are, by its headers and its version. None if
    its id contains no position of a topic of this version."""
    try:
        position = EventPosition.parse((headers.get("ce_id") or b"").decode())
        topic = version.events[position.event_type].topic
    except (ValueError, KeyError):
        return None
    first, more = position.offset, position.more
    if min(position.partition, first, more) < 0:
        return None
    return CauseRange(topic, position.partition, first, first + more, position.life)


class EffectTopics(NamedTuple):
    """The topics in which effects of an event can be found."""

    outputs: Sequence[str]
    """Topics of events that its subscribers emit."""
    dead: Sequence[str]
    """Dead-letter topics of its subscribers."""


def effect_topics(version: Version, names: KafkaNames, event_types: Iterable[str]) -> EffectTopics:
    """Return where to look for effects of events of these types under a version."""
    stages = dict.fromkeys(s for t in event_types for s in version.subscribers(t))
    emitted = dict.fromkeys(t for s in stages for t in version.stages[s].emits)
    return EffectTopics(
        [version.events[t].topic for t in emitted],
        [names.dead_topic(version.pipeline, s) for s in stages],
    )


class CauseMatcher:
    """Finds the effects and the dead letters of given events among other records."""

    def __init__(self, installation: UUID, events: Iterable[tuple[str, RecordPosition]]) -> None:
        """`events` are pairs of the name that stands in ids for the event type, and a position."""
        self._source_prefix = f"farandole://{installation}/".encode()
        self._positions = {position for _, position in events}
        self._offsets: dict[tuple[bytes, int], list[int]] = {}
        """By that name and partition."""
        for event_type, position in events:
            key = event_type.encode(), position.partition
            self._offsets.setdefault(key, []).append(position.offset)

    def matches_effect(self, headers: Sequence[Header]) -> bool:
        """Return True if one of the events caused the event with these headers. An event that a
        stage emitted for a batch has an id with a range of offsets, `a/0/7+3/12`."""
        event_id = source = b""
        for name, value in headers:
            if name == "ce_id":
                event_id = value
            elif name == "ce_source":
                source = value
        if not (event_id and source and source.startswith(self._source_prefix)):
            return False
        parts = event_id.rsplit(b"/", 3)
        if len(parts) != 4 or not _is_number(parts[1]):
            return False
        offsets = self._offsets.get((parts[0], int(parts[1])))
        if offsets is None:
            return False
        first, _, more = parts[2].partition(b"+")
        if not _is_number(first) or (more and not _is_number(more)):
            return False
        begin = int(first)
        return any(begin <= offset <= begin + int(more or 0) for offset in offsets)

    def matches_dead_letter(self, headers: Sequence[Header]) -> bool:
        """Return True if these are the headers of a dead letter of one of the events."""
        account = {n: v for n, v in headers if n.startswith(DEAD_HEADER_PREFIX)}
        try:
            return (
                RecordPosition(
                    account[f"{DEAD_HEADER_PREFIX}topic"].decode(),
                    int(account[f"{DEAD_HEADER_PREFIX}partition"]),
                    int(account[f"{DEAD_HEADER_PREFIX}offset"]),
                )
                in self._positions
            )
        except (KeyError, ValueError, AttributeError):
            return False


def _is_number(text: bytes) -> bool:
    # No offset has more digits, and Python reads no number of thousands of them.
    return text.isdigit() and len(text) < 20
