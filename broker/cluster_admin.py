"""Which topics, offsets and group members does the cluster have?"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupIdNotFound,
    GroupLoadInProgressError,
    NoError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from farandole.broker import cluster_facts, removal_requests, topic_creation, topic_ids
from farandole.broker.admin_calls import call_until_final
from farandole.broker.aiokafka_internals import (
    assigned_partitions,
    group_offsets,
    require_description,
)
from farandole.broker.broker_errors import BrokerError
from farandole.broker.group_offsets import stable_offsets
from farandole.broker.kafka_clients import (
    make_admin_client,
    make_consumer,
    open_client,
)
from farandole.broker.kept_admins import shared_admins
from farandole.broker.settings import Settings
from farandole.broker.topic_ids import FoundTopic
from farandole.broker.topic_spec import TopicSpec

T = TypeVar("T")


class GroupMember(NamedTuple):
    """A consumer in a group."""

    client_id: str
    partitions: frozenset[TopicPartition]
    """What it is assigned; empty while the group is being assigned anew."""
    host: str = ""
    """Its address, as the broker sees it."""


class TopicMissingError(BrokerError):
    """A partition in a request does not exist."""


class ClusterAdmin:
    """Admin requests to the cluster. Every method raises DeadlineExceededError after the
    deadline of the settings, AccessDeniedError and BrokerError."""

    def __init__(
        self, settings: Settings, client: AIOKafkaAdminClient, stack: AsyncExitStack
    ) -> None:
        self._settings = settings
        self._client = client
        self._stack = stack
        self._readers: dict[str, AIOKafkaConsumer] = {}
        self._opening = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[ClusterAdmin]:
        """Open an admin client, or take one that was opened shortly before (`sharing_admins`).
        Raises UnreachableError, AccessDeniedError and InvalidSettingsError."""
        kept = shared_admins()
        opening = cls._open_new(settings) if kept is None else kept.lease(settings, cls._open_new)
        async with opening as admin:
            yield admin

    @classmethod
    @asynccontextmanager
    async def _open_new(cls, settings: Settings) -> AsyncIterator[ClusterAdmin]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                open_client(make_admin_client(settings), settings)
            )
            yield cls(settings, client, stack)

    async def topics(self, names: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of each of these topics that exists. Raises
        AccessDeniedError if Kafka denies us the description of one. It costs less than `all_topics`
        where there are many others."""
        wanted = set(names)
        found = await topic_ids.existing_partitions(self._client, self._settings, wanted)
        await self._require_description(wanted - found.keys())
        return found

    async def all_topics(self, expected: Iterable[str] = ()) -> dict[str, int]:
        """Return every topic with its number of partitions. Kafka does not show a topic whose
        description it denies us. Raises AccessDeniedError if one of `expected` is missing for this
        reason, and not because it does not exist."""
        described = await self._call(
            lambda: self._client.describe_topics(), "asking for the topics"
        )
        found = {topic["topic"]: len(topic["partitions"]) for topic in described}
        await self._require_description(set(expected) - found.keys())
        return found

    async def _require_description(self, missing: Collection[str]) -> None:
        if missing:
            asked = sorted(missing)
            await self._call(lambda: require_description(self._client, asked), "asking for topics")

    async def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """Return Kafka's id of each topic that exists (`topic_ids.topic_ids`)."""
        return await topic_ids.topic_ids(self._client, self._settings, topics)

    async def find_topics(self, topics: Collection[str]) -> dict[str, FoundTopic]:
        """Return those of the topics that exist and that we may describe. It costs less than
        `all_topics` where there are many others."""
        found = await topic_ids.find_topics(self._client, self._settings, topics)
        if found is None:
            existing = await self.all_topics()
            found = {t: FoundTopic(existing[t], "") for t in topics if t in existing}
        return found

    async def writable_partitions(self, topics: Collection[str]) -> dict[str, int]:
        """Return the number of partitions of each of these topics that exists and that we may
        write, as far as the broker tells. It costs less than `all_topics` where there are
        many others."""
        if not topics:
            return {}
        try:
            return await self._call(
                lambda: cluster_facts.writable_partitions(self._client, topics),
                "asking for topics",
            )
        except NotImplementedError:
            found = await self.all_topics()
            return {topic: found[topic] for topic in topics if topic in found}

    async def cluster_id(self) -> str:
        """Return the id that the cluster got when it was formatted."""
        described = await self._call(self._client.describe_cluster, "asking for the cluster")
        return str(described["cluster_id"])

    async def oldest_release(self) -> tuple[int, int] | None:
        """Return a release of Kafka that a broker has at least (`cluster_facts.oldest_release`)."""
        return await self._call(
            lambda: cluster_facts.oldest_release(self._client), "asking for the release"
        )

    async def clock_skew(self) -> float | None:
        """Return by how many seconds the cluster's clock is before ours; None if no broker tells
        (`cluster_facts.clock_skew`). Raises AccessDeniedError without Describe on the cluster."""
        try:
            return await self._call(
                lambda: cluster_facts.clock_skew(self._client), "asking for the clock"
            )
        except NotImplementedError:
            return None

    async def allowed_operations(
        self, topics: Collection[str]
    ) -> Mapping[str, frozenset[str] | None]:
        """Return what we may do with each topic that we may describe
        (`cluster_facts.allowed_operations`); nothing if the broker is too old to tell."""
        try:
            return await self._call(
                lambda: cluster_facts.allowed_operations(self._client, topics), "asking for rights"
            )
        except NotImplementedError:
            return {}

    async def require_creatable(self, topic: str) -> None:
        """Raise AccessDeniedError if we may not create this topic. Nothing is created."""
        await self._call(
            lambda: cluster_facts.require_creatable(self._client, topic), "asking for rights"
        )

    async def create_topics(self, topics: Mapping[str, TopicSpec]) -> None:
        """Create the topics that are missing (`topic_creation.create_topics`)."""
        await topic_creation.create_topics(self._client, self._settings, topics)

    async def topic_configs(self, topics: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the configs that are set on each topic itself, by Kafka's names. A topic that does
        not exist is not in the result."""
        return await topic_creation.topic_configs(self._client, self._settings, topics)

    async def configure_topics(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Set configs of existing topics (`topic_creation.configure_topics`)."""
        await topic_creation.configure_topics(self._client, self._settings, topics)

    async def delete_topics(self, topics: Collection[str]) -> None:
        """Delete topics (`removal_requests.delete_topics`)."""
        await removal_requests.delete_topics(self._client, self._settings, topics)

    async def delete_group(self, group: str) -> None:
        """Delete a consumer group and its offsets. Raises GroupInUseError if it has members."""
        await removal_requests.delete_group(self._client, self._settings, group)

    async def groups(self) -> set[str]:
        """Return the name of every consumer group of the cluster."""
        return await removal_requests.group_names(self._client, self._settings)

    async def remove_members(self, client_id: str) -> list[str]:
        """Let the consumers of a process that is dead leave their groups, and return the groups
        (`removal_requests.remove_members`)."""
        return await removal_requests.remove_members(self._client, self._settings, client_id)

    async def start_offsets(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return the offset of the first record that is still kept, by partition."""
        reader = await self._reader("read_uncommitted")
        await self._require_partitions(partitions)
        found: dict[TopicPartition, int] = await self._call(
            lambda: reader.beginning_offsets(list(partitions)), "asking for first offsets"
        )
        return found

    async def end_offsets(
        self, partitions: Collection[TopicPartition], *, stable: bool = False
    ) -> dict[TopicPartition, int]:
        """Return the offset that the next record will get, by partition. With `stable`: the offset
        of the first record of an open transaction, if there is one."""
        reader = await self._reader("read_committed" if stable else "read_uncommitted")
        await self._require_partitions(partitions)
        found: dict[TopicPartition, int] = await self._call(
            lambda: reader.end_offsets(list(partitions)), "asking for end offsets"
        )
        return found

    async def offsets_at(
        self, partitions: Collection[TopicPartition], milliseconds: int
    ) -> dict[TopicPartition, int]:
        """Return the offset of the first record of that time or later, by partition; the end offset
        if there is none. `milliseconds` are of the epoch."""
        reader = await self._reader("read_uncommitted")
        if not partitions:
            return {}
        await self._require_partitions(partitions)
        at = max(0, milliseconds)
        found = await self._call(
            lambda: reader.offsets_for_times(dict.fromkeys(partitions, at)),
            "asking for the offsets of a time",
        )
        ends = await self.end_offsets(partitions)
        return {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in partitions}

    async def committed_offsets(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata | None]:
        """Return the committed offset of a group in each partition; None if it has none.

        Kafka acknowledges a transaction before its offsets can be read by this request. A caller
        that must not miss them fences the transactional id first, or calls `wait_for_offsets`.
        """
        if not partitions:
            return {}

        async def ask() -> dict[TopicPartition, OffsetAndMetadata]:
            return await group_offsets(self._client, group, partitions)

        found: dict[TopicPartition, OffsetAndMetadata] = await self._call(
            ask, f"asking for the offsets of {group}"
        )
        return {tp: found[tp] if found[tp].offset >= 0 else None for tp in partitions}

    async def wait_for_offsets(self, group: str, partitions: Sequence[TopicPartition]) -> None:
        """Wait until each transaction that has an offset of these partitions is at its end, so that
        `committed_offsets` returns what it has committed."""
        reader = make_consumer(self._settings, group=group)  # it subscribes to nothing: no member

        async def ask() -> None:
            await stable_offsets(reader, group, partitions)

        async with open_client(reader, self._settings):
            await self._call(ask, f"waiting for the offsets of {group}")

    async def count_members(self, group: str) -> int:
        """Return the number of consumers that a group has now."""
        return len(await self._members(group))

    async def group_members(self, group: str) -> list[GroupMember]:
        """Return the consumers that a group has now."""
        return [
            GroupMember(client_id, assigned_partitions(assignment), host.removeprefix("/"))
            for _, client_id, host, _, assignment in await self._members(group)
        ]

    async def _members(self, group: str) -> list[tuple[str, str, str, bytes, bytes]]:
        """Return of each member its id, its client's id and host, its metadata, its assignment."""

        async def ask() -> list[tuple[str, str, str, bytes, bytes]]:
            answers = await self._client.describe_consumer_groups([group])
            described = [each for answer in answers for each in answer.groups]
            for code, *_ in described:
                # A broker that does not coordinate the group answers as if it were empty.
                if code not in (NoError.errno, GroupIdNotFound.errno):
                    raise for_code(code)(group)
            return [member for each in described for member in each[5]]

        return await self._call(ask, f"asking for {group}")

    async def groups_are_loaded(self) -> bool:
        """Return False as long as a broker loads the offsets of a group."""

        async def ask() -> bool:
            try:
                await self._client.list_consumer_groups()
            except (GroupLoadInProgressError, GroupCoordinatorNotAvailableError):
                return False
            return True

        # All brokers are asked, and one that has just started refuses connections for a moment.
        return await self._call(ask, "asking for groups")

    async def _reader(self, isolation: str) -> AIOKafkaConsumer:
        async with self._opening:
            if isolation not in self._readers:
                self._readers[isolation] = await self._stack.enter_async_context(
                    open_client(
                        make_consumer(self._settings, isolation_level=isolation), self._settings
                    )
                )
        return self._readers[isolation]

    async def _require_partitions(self, partitions: Collection[TopicPartition]) -> None:
        # aiokafka would wait for a missing partition until the deadline.
        topics = await self.topics({topic for topic, _ in partitions})
        for topic, partition in partitions:
            if partition >= topics.get(topic, 0):
                raise TopicMissingError(
                    f"there is no {topic}/{partition} on {self._settings.bootstrap}"
                )

    async def _call(self, call: Callable[[], Awaitable[T]], what: str) -> T:
        return await call_until_final(call, self._settings.deadline, what)
