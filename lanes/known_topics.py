"""Are a lane's input topics still those that its host knows?

A topic of the same name may be another one by now, or have partitions that no published version
knows. A lane stops there, because its offsets are not those of this topic, or because nobody has
said which version begins where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from farandole.events.record import Partition


class KnownTopic(NamedTuple):
    """An input topic as whoever hosts the lanes knows it."""

    partitions: int
    id: str | None
    """Kafka's id of the topic; None if it is not known."""


def find_unknown_partition(
    inputs: Iterable[Partition], known: Mapping[str, KnownTopic]
) -> str | None:
    """Return what is wrong if an input is a partition that somebody else has added; else None."""
    for topic, index in inputs:
        if topic in known and index >= known[topic].partitions:
            return (
                f"the topic {topic} has a partition {index}, and the published version knows"
                f" {known[topic].partitions} partitions"
            )
    return None


def find_changed_topic(
    inputs: Iterable[Partition], known: Mapping[str, KnownTopic], found: Mapping[str, str]
) -> str | None:
    """Return what is wrong if an input topic is another one, by the ids that were `found`; else
    None. An id that is not known, or was not found, is compared with nothing."""
    for topic, _ in inputs:
        expected = known[topic].id if topic in known else None
        if expected is not None and found.get(topic, expected) != expected:
            return f"the topic {topic} was deleted and created again: its offsets begin anew"
    return None
