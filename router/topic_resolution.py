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
    of each topic of the cluster; it is used if no version contains the topic.
    """
    published = {
        event.topic: event.partitions for version in versions for event in version.events.values()
    }
    events, topics = {}, dict(derived.topics)
    for event_type, event in derived.events.items():
        plain = names.event_topic(derived.pipeline, event_type)
        wide = names.widened_topic(derived.pipeline, event_type, event.partitions)
        differs = existing.get(plain, event.partitions) != event.partitions
        other = (
            published[plain] != event.partitions
            if plain in published
            else differs and wide in existing
        )
        topic = wide if other else plain
        events[event_type] = event.model_copy(update={"topic": topic})
        topics[topic] = topics.pop(event.topic)
    return replace(derived, events=events, topics=topics)
