"""Which topic does each event type have after partition counts have changed?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.router.topology_derivation import DerivedTopology


def resolve_topics(
    derived: DerivedTopology,
    versions: Iterable[Version],
    existing: Mapping[str, int],
    names: KafkaNames,
) -> DerivedTopology:
    """Return the same topology with the topics that its events really have.

    Partitions are never added to a topic, because that would move its keys: another partition count
    is another topic. The first topic of an event type keeps the plain name. A file that goes back
    to an earlier partition count uses that earlier topic again. `existing` has the partition count
    of each topic of the cluster.

    Somebody else may have added partitions to a topic. A file that says the new number accepts it,
    and keeps the topic. A topic that has lost partitions was created again: the missing ones may be
    added, because no earlier event stands in it.
    """
    published: dict[str, int] = {}
    current: dict[str, str] = {}
    for version in versions:
        published |= {event.topic: event.partitions for event in version.events.values()}
        current |= {event_type: event.topic for event_type, event in version.events.items()}
    events, topics = {}, dict(derived.topics)
    for event_type, event in derived.events.items():
        plain = names.event_topic(derived.pipeline, event_type)
        wide = names.widened_topic(derived.pipeline, event_type, event.partitions)
        differs = existing.get(plain, event.partitions) != event.partitions
        newest = current.get(event_type, "")
        if existing.get(newest) == event.partitions:
            topic = newest
        elif plain in published:
            topic = wide if published[plain] != event.partitions else plain
        else:
            topic = wide if differs and wide in existing else plain
        events[event_type] = event.model_copy(update={"topic": topic})
        spec = topics.pop(event.topic)
        lost_partitions = existing.get(topic, spec.partitions) < published.get(topic, 0)
        topics[topic] = replace(spec, grows=True) if lost_partitions else spec
    return replace(derived, events=events, topics=topics)
