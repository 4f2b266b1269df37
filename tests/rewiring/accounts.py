"""Was every event handled once, by exactly the stages of its version?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from farandole.catalog.version_boundaries import version_at, version_starts
from farandole.events.event_position import EventPosition, living_name
from farandole.events.record import Record
from farandole.events.topology_version import Version


class Place(NamedTuple):
    topic: str
    """With its life: a topic that was created again has other places."""
    partition: int
    offset: int


class Event(NamedTuple):
    """A record as the accounts see it: where it stands, and, unless it is a root, whose it is."""

    place: Place
    type: str
    version: int | None
    stage: str | None
    cause: EventPosition | None
    run: str = ""


class Ended(NamedTuple):
    """A topic that was deleted."""

    name: str
    id: str
    records: list[Record]
    """What it held then."""
    done: Mapping[tuple[str, int], int]
    """By stage and partition, the offset up to which all was certainly handled."""
    newest: int
    """The newest version then: a later one has written its boundaries into another topic."""


def event(record: Record, types: Mapping[str, str], life: int = 1) -> Event:
    place = Place(living_name(record.topic, life), record.partition, record.offset)
    headers = {name: value.decode() for name, value in record.headers}
    if "ce_source" not in headers:
        return Event(place, types[record.topic], None, None, None)
    return Event(
        place,
        types[record.topic],
        int(headers["ce_topologyversion"].rpartition("@")[2]),
        headers["ce_source"].rpartition("/")[2],
        EventPosition.parse(headers["ce_id"]),
        headers["ce_runid"],
    )


def faults(
    versions: Mapping[int, Version],
    records: Iterable[Record],
    letters: Iterable[Record] = (),
    ended: Iterable[Ended] = (),
) -> list[str]:
    """One line for everything that is not as it must be; `records` and `letters` are all that the
    topics of events and of dead letters hold at `read_committed`. Each event has one end at each
    stage: it is answered, or dead. What a deleted topic held may be lost, never doubled."""
    types = {e.topic: name for v in versions.values() for name, e in v.events.items()}
    lives = {e.topic: e.life for _, v in sorted(versions.items()) for e in v.events.values()}
    life_of = {e.topic_id: e.life for v in versions.values() for e in v.events.values()}
    present = [event(record, types, lives[record.topic]) for record in records]
    past: list[Event] = []  # of lives that a version knows
    unknown: list[Event] = []  # of topics that were gone before any version knew them
    done: dict[tuple[str, str, int], int] = {}
    deleted: dict[str, int] = {}
    for topic in ended:
        life = life_of.get(topic.id)
        of = past if life is not None else unknown
        of += [event(record, types, life or 1) for record in topic.records]
        if life is not None:
            living = living_name(topic.name, life)
            deleted[living] = topic.newest
            then = [v for number, v in versions.items() if number <= topic.newest]
            # Nobody has read a topic before a version has told its id: an offset is another's.
            if any(e.topic_id == topic.id for v in then for e in v.events.values()):
                done |= {(living, *reader): offset for reader, offset in topic.done.items()}
    found = _repeated(versions, present + past + unknown)
    answers = _answers(versions, present + past + unknown)
    dead = Counter(map(_dead, letters))
    for given in present + past:
        number = given.version if given.version is not None else _opened(versions, given, deleted)
        version, at = versions[number], given.place
        wanted = Counter(
            f"{name}>{emitted}"
            for name in version.subscribers(given.type)
            if (at, name) not in dead
            for emitted in version.stages[name].emits
        )
        got = answers.pop((at, number), Counter())
        # Unread when the topic was deleted.
        lost = {edge for edge in wanted
                if at.topic in deleted and at.offset >= done.get(_reader(at, edge), 0)}  # fmt: skip
        if got - wanted or (wanted - got).keys() - lost:
            found.append(f"{at} under @{number}: wanted {dict(wanted)}, got {dict(got)}")
    for (place, number), got in answers.items():
        # A lane may read on in a topic that was created again until it notices: the records there
        # are worked again, under ids of their own.
        if place.topic not in deleted or any(
            place.offset < done.get(_reader(place, edge), 0) for edge in got
        ):
            found.append(f"{place} under @{number}: {dict(got)} of nothing")
    found += [f"{place} died {n} times at {name}" for (place, name), n in dead.items() if n > 1]
    return found


def _reader(place: Place, edge: str) -> tuple[str, str, int]:
    return place.topic, edge.partition(">")[0], place.partition


def _cause(versions: Mapping[int, Version], given: Event) -> Place | None:
    """Return where the event stands that caused this one; None if it is a root."""
    if given.cause is None or given.version is None:
        return None
    topic = versions[given.version].events[given.cause.event_type].topic
    return Place(living_name(topic, given.cause.life), given.cause.partition, given.cause.offset)


def _answers(
    versions: Mapping[int, Version], events: Iterable[Event]
) -> dict[tuple[Place, int], Counter[str]]:
    answers: dict[tuple[Place, int], Counter[str]] = defaultdict(Counter)
    for given in events:
        cause = _cause(versions, given)
        if cause is not None and given.version is not None:
            answers[cause, given.version][f"{given.stage}>{given.type}"] += 1
    return answers


def _repeated(versions: Mapping[int, Version], events: Iterable[Event]) -> list[str]:
    """One line for each event that a stage has answered twice alike, under whatever version, and
    for each run of two roots."""
    alike = Counter((e.stage, e.type, at) for e in events if (at := _cause(versions, e)))
    roots: dict[str, set[Place]] = defaultdict(set)
    for each in events:
        cause = _cause(versions, each)
        if cause is not None and each.cause is not None and each.cause.event_type == "asked":
            roots[each.run].add(cause)
    return [f"{n} events of {of}" for of, n in alike.items() if n > 1] + [
        f"run {run} is that of {places}" for run, places in roots.items() if len(places) > 1
    ]


def _dead(letter: Record) -> tuple[Place, str]:
    said = {name: value.decode() for name, value in letter.headers}
    place = Place(said["dead_topic"], int(said["dead_partition"]), int(said["dead_offset"]))
    return place, said["dead_stage"]


def _opened(versions: Mapping[int, Version], root: Event, deleted: Mapping[str, int]) -> int:
    """The version that a root belongs to, by the rule: the newest whose boundary it has reached."""
    topic, _, life = root.place.topic.partition("~")
    of = [
        version
        for version in versions.values()
        for known in version.events.values()
        if known.topic == topic
        and known.life <= int(life or 1)
        and version.version <= deleted.get(root.place.topic, version.version)
    ]
    starts = version_starts(of, topic, root.place.partition)
    return version_at(starts, root.place.offset).version.version
