"""How are lanes assigned to the members of a group?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farandole.broker.aiokafka_internals import (
    AbstractPartitionAssignor,
    ClusterMetadata,
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)


class LaneAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is untyped
    """Assigns index *i* of every topic to one member, however many partitions each topic has.

    Kafka's `range` does so only for topics with equal numbers of partitions; after a topic has
    grown, a stage reads the old topic and the new one side by side. While members differ in what
    they subscribe to (they learn of a new version one after the other) only those that subscribe to
    most topics get partitions: all inputs of a lane must be in one process.
    """

    name = "farandole-lanes"
    version = 0

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        topics = {member: set(metadata.subscription) for member, metadata in members.items()}
        most = max(map(len, topics.values()), default=0)
        eligible = sorted(member for member, names in topics.items() if len(names) == most)
        given: dict[str, dict[str, list[int]]] = {member: {} for member in members}
        for topic in sorted(set().union(*topics.values())):
            for index in sorted(cluster.partitions_for_topic(topic) or ()):
                member = eligible[index % len(eligible)]
                if topic in topics[member]:
                    given[member].setdefault(topic, []).append(index)
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, sorted(parts.items()), b"")
            for member, parts in given.items()
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        pass
