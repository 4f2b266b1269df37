"""In which topic does each event type of a file stand, once numbers of partitions have changed?"""

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
    """The same, with the topics that its events really have.

    Partitions are never added to a topic, that would move its keys: another number of them is
    another topic. The first topic of a type keeps the plain name, and who goes back to an earlier
    number uses that earlier topic again. `existing` are the cluster's topics and how many
    partitions each has; it counts where no version remembers.
    """
    said = {
        event.topic: event.partitions for version in versions for event in version.events.values()
    }
    events, topics = {}, dict(derived.topics)
    for event_type, event in derived.events.items():
        plain = names.event_topic(derived.pipeline, event_type)
        wide = names.widened_topic(derived.pipeline, event_type, event.partitions)
        differs = existing.get(plain, event.partitions) != event.partitions
        other = said[plain] != event.partitions if plain in said else differs and wide in existing
        topic = wide if other else plain
        events[event_type] = event.model_copy(update={"topic": topic})
        topics[topic] = topics.pop(event.topic)
    return replace(derived, events=events, topics=topics)
