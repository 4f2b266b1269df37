"""Which topics of a pipeline are not those that its versions know, although the name is the same?

A topic that was deleted and created again counts its offsets from 0 again. Ids are positions, so
its events would repeat the ids of earlier ones; so would those of an event type that gets another
topic, as it does with another number of partitions. So each of them begins another *life*, whose
number is mixed into the ids (`events/run_ids.py`, `events/event_position.py`). No two topics of an
event type are in one life. The life is a property of the published version: all readers take it
from there, and agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from farandole.broker.broker_errors import TopicMismatchError
from farandole.events.topology_version import EventSpec, Version


def newest_spec(versions: Sequence[Version], topic: str) -> EventSpec | None:
    """Return the event type that has this topic in the newest of these versions (oldest first) that
    knows the topic; None if none does."""
    for version in reversed(versions):
        for event in version.events.values():
            if event.topic == topic:
                return event
    return None


def recreated_topics(
    topics: Iterable[str],
    versions: Sequence[Version],
    existing: Mapping[str, int],
    ids: Mapping[str, str],
) -> frozenset[str]:
    """Return those of `topics` that are not the ones that the versions know: topics that are gone,
    that have another id, or fewer partitions, which Kafka never takes from a topic.

    `existing` has the partition count of each topic of the cluster, `ids` Kafka's ids of topics. An
    id that is not known, or was not when the version was published, is compared with nothing.
    """

    def is_another(topic: str) -> bool:
        known = newest_spec(versions, topic)
        if known is None:
            return False
        if existing.get(topic, 0) < known.partitions:
            return True
        return known.topic_id is not None and ids.get(topic, known.topic_id) != known.topic_id

    return frozenset(filter(is_another, topics))


def require_settled_topics(
    events: Mapping[str, EventSpec],
    versions: Sequence[Version],
    existing: Mapping[str, int],
    recreated: frozenset[str],
) -> None:
    """Raise TopicMismatchError if others have changed a topic of the newest version that a new
    version with these event types would not have, or have with fewer partitions. Events of older
    versions still go through it, and only a version with the topic can say which life it is in."""
    kept = {event.topic: event.partitions for event in events.values()}
    for name, event in versions[-1].events.items() if versions else ():
        is_changed = event.topic in recreated or existing.get(event.topic) != event.partitions
        if is_changed and kept.get(event.topic, 0) < event.partitions:
            raise TopicMismatchError(
                f"the topic {event.topic} is not the one that {versions[-1].name} knows (`farandole"
                f" status` says what has happened to it), and the new file leaves it: apply a file"
                f" in which {name} still has {event.partitions} partitions first, then this one"
            )


def with_lives(
    events: Mapping[str, EventSpec],
    versions: Sequence[Version],
    recreated: frozenset[str],
    ids: Mapping[str, str],
) -> dict[str, EventSpec]:
    """Return the event types with the ids and the lives of their topics, for a new version."""

    def next_life(name: str, topic: str) -> int:
        specs = [(n, spec) for version in versions for n, spec in version.events.items()]
        lives = [spec.life for n, spec in specs if n == name or spec.topic == topic]
        return max(lives, default=0) + 1

    def living(name: str, event: EventSpec) -> EventSpec:
        known = newest_spec(versions, event.topic)
        if known is None or event.topic in recreated:
            life = next_life(name, event.topic)
        else:
            life = known.life
        return event.model_copy(update={"topic_id": ids.get(event.topic), "life": life})

    return {name: living(name, event) for name, event in events.items()}
