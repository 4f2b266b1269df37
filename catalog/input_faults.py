"""Which inputs of a version can no longer be read as the version says?

A lane that meets one of them stops, and nothing in it is lost in silence: a person decides. The
bookkeeper alerts, `farandole status` shows it, and both take it from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from farandole.events.next_step import NextStep
from farandole.events.topology_version import EventSpec, Version

if TYPE_CHECKING:  # the texts of alerts need no Kafka client
    from aiokafka import TopicPartition

    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.broker.consumer_lag import InputLag

TopicChange = Literal["gone", "recreated", "widened"]


class ChangedTopic(NamedTuple):
    """An event type whose topic is not the one that its version knows."""

    event_type: str
    topic: str
    change: TopicChange
    known: int
    """Partitions that the version knows."""
    found: int
    """Partitions that it has now."""

    @property
    def message(self) -> str:
        """What has happened, and what it means."""
        if self.change == "widened":
            return (
                f"the topic {self.topic} has {self.found} partitions, and the version in force"
                f" knows {self.known}: what stands in the others is not read"
            )
        if self.change == "recreated":
            return (
                f"the topic {self.topic} was deleted and created again: its lanes have stopped,"
                " because their offsets are those of the earlier one"
            )
        return f"the topic {self.topic} is gone, with all that was in it"

    @property
    def next_step(self) -> NextStep:
        """The command that decides."""
        if self.change == "widened":
            lead = f"write `partitions: {self.found}` for {self.event_type} in the file, then"
            return NextStep(lead, ("apply", "--allow", "keys"))
        if self.change == "recreated":
            return NextStep("read it from its beginning with", ("apply",))
        return NextStep("create it again with", ("apply",))


class ExistingTopics(NamedTuple):
    """The topics of some versions that a cluster has."""

    partitions: Mapping[str, int]
    """By topic: how many it has."""
    ids: Mapping[str, str]
    """Kafka's ids of the topics."""

    @classmethod
    async def read(cls, admin: ClusterAdmin, versions: Iterable[Version]) -> ExistingTopics:
        """Ask the cluster once for all of these versions. Raises BrokerError."""
        topics = {event.topic for version in versions for event in version.events.values()}
        found = await admin.find_topics(topics)
        return cls(
            {name: topic.partitions for name, topic in found.items()},
            {name: topic.id for name, topic in found.items() if topic.id},
        )

    def changed(self, version: Version) -> dict[str, ChangedTopic | None]:
        """Return by event type how its topic differs from what the version says; None if it does
        not. The version must be one of those for which the topics were read."""
        return {
            name: None
            if (change := self._change(event)) is None
            else ChangedTopic(
                name, event.topic, change, event.partitions, self.partitions.get(event.topic, 0)
            )
            for name, event in version.events.items()
        }

    def _change(self, event: EventSpec) -> TopicChange | None:
        found = self.partitions.get(event.topic)
        if found is None:
            return "gone"
        is_another = event.topic_id is not None and (
            self.ids.get(event.topic, event.topic_id) != event.topic_id
        )
        if is_another or found < event.partitions:
            return "recreated"
        return "widened" if found > event.partitions else None


async def changed_topics(admin: ClusterAdmin, version: Version) -> dict[str, ChangedTopic | None]:
    """Return by event type how its topic differs from what the version says; None if it does not.
    Raises BrokerError."""
    return (await ExistingTopics.read(admin, [version])).changed(version)


async def lost_inputs(
    admin: ClusterAdmin,
    lags: Sequence[InputLag],
    changed: Mapping[str, ChangedTopic | None],
    firsts: Mapping[TopicPartition, int] | None = None,
) -> list[InputLag]:
    """Return those inputs whose committed offset is missing, or outside of the records that are
    kept. An offset in a topic that was created again, by `changed_topics`, is no case of its own: a
    new version replaces it. `firsts`: by partition, the first offset that is kept, for a caller who
    knows it. Raises BrokerError."""
    asked = [
        each
        for each in lags
        if (change := changed.get(each.event_type)) is None or change.change == "widened"
    ]
    if firsts is None:
        firsts = await admin.start_offsets([each.partition for each in asked]) if asked else {}
    return [
        each
        for each in asked
        if each.committed is None or not firsts[each.partition] <= each.committed <= each.end
    ]


def lost_input_text(stage: str, lost: Sequence[InputLag]) -> str:
    """Return what has happened to a stage with these lost inputs."""
    places = ", ".join(f"{each.event_type}/{each.partition.partition}" for each in lost)
    return (
        f"`{stage}` has stopped at {places}: its offset there is missing, or outside of the records"
        " that are kept"
    )


def lost_input_step(stage: str) -> NextStep:
    """Return the command that decides where a stage goes on."""
    return NextStep("decide where it goes on with", ("seek", stage, "--to earliest|latest|OFFSET"))
