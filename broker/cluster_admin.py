"""What stands on the cluster, and how do topics come to stand there?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidPartitionsError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.aiokafka_internals import ConfigResource, ConfigResourceType, new_topic
from farandole.broker.broker_errors import AccessDeniedError, BrokerError, TopicMismatchError
from farandole.broker.kafka_clients import (
    make_admin_client,
    make_consumer,
    open_client,
    with_deadline,
)
from farandole.broker.settings import Settings

T = TypeVar("T")

_CONFIG_VISIBLE_SECONDS = 2.0  # seconds that what was configured may take until it can be read
_POLL_INTERVAL = 0.02  # seconds
_TOPIC_CONFIG_SOURCE = (
    1  # where a config comes from: set on the topic itself, no default of the broker
)
_AUTHORIZATION_ERRORS = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)


class TopicMissingError(BrokerError):
    """A partition that was asked about does not exist."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is to be created; `configs` by Kafka's own names."""

    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)
    grows: bool = False
    """Partitions may be added, and are never too many: no key says in which one a record is."""

    def accepts_width(self, partitions: int) -> bool:
        """Has an existing topic with so many what is asked for?"""
        return partitions == self.partitions or (self.grows and partitions > self.partitions)


class ClusterAdmin:
    """The cluster as an administrator sees it. Each call raises DeadlineExceededError after the
    deadline."""

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
        """Raises UnreachableError, Refused and InvalidSettingsError."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                open_client(make_admin_client(settings), settings)
            )
            yield cls(settings, client, stack)

    async def topics(self) -> dict[str, int]:
        """Every topic and its number of partitions."""
        described = await self._call_until_final(
            lambda: self._client.describe_topics(), "asking for the topics"
        )
        return {topic["topic"]: len(topic["partitions"]) for topic in described}

    async def cluster_id(self) -> str:
        """The id that the cluster was given when it was formatted."""
        described = await self._call_until_final(
            self._client.describe_cluster, "asking for the cluster"
        )
        return str(described["cluster_id"])

    async def create_topics(self, topics: Mapping[str, TopicSpec]) -> None:
        """Create those of `topics` that are missing, add partitions where they grow, and return
        when each partition has a leader.

        Of an existing topic only the number of partitions is compared. Raises TopicMismatchError,
        and then nothing was created."""
        if not topics:
            return
        existing = await self.topics()
        check_partition_counts(topics, existing)
        missing = {name: spec for name, spec in topics.items() if name not in existing}
        if missing:
            await self._create_missing(missing)
        for name, spec in topics.items():
            if spec.grows and existing.get(name, spec.partitions) < spec.partitions:
                await self._add_partitions(name, spec.partitions)
        await with_deadline(
            self._await_leaders(topics),
            self._settings.deadline,
            f"waiting for {len(topics)} topics",
        )

    async def _add_partitions(self, name: str, partitions: int) -> None:
        adding = partial(self._client.create_partitions, {name: NewPartitions(partitions)})
        with suppress(InvalidPartitionsError):  # somebody else was faster
            await self._call_until_final(adding, f"adding partitions to the topic {name}")

    async def _create_missing(self, topics: Mapping[str, TopicSpec]) -> None:
        factor = self._settings.replication_factor
        new = [
            new_topic(name, spec.partitions, factor, spec.configs) for name, spec in topics.items()
        ]
        # Kafka's own time-out ends before ours, so that it is Kafka who says what is late.
        patience = int(self._settings.deadline * 900)
        answer = await self._call_until_final(
            lambda: self._client.create_topics(new, timeout_ms=patience),
            f"creating {len(new)} topics",
        )
        for name, code, message in answer.topic_errors:
            error = for_code(code)
            # Somebody else was faster; whether it is the same topic is seen below.
            if error is not TopicAlreadyExistsError:
                _raise_for_code(error, f"cannot create the topic {name}", message)

    async def _await_leaders(self, topics: Mapping[str, TopicSpec]) -> None:
        names = list(topics)
        while True:
            described = await self._call_until_final(
                lambda: self._client.describe_topics(names), "asking for the topics"
            )
            led = {
                topic["topic"]: len(topic["partitions"])
                for topic in described
                if topic["partitions"] and all(p["leader"] >= 0 for p in topic["partitions"])
            }
            check_partition_counts(topics, led)
            if len(led) == len(topics) and all(s.accepts_width(led[n]) for n, s in topics.items()):
                return
            await asyncio.sleep(_POLL_INTERVAL)

    async def topic_configs(self, topics: Collection[str]) -> dict[str, dict[str, str]]:
        """What is set on each topic itself, by Kafka's own names; a topic that does not exist has
        nothing."""
        if not topics:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        answers = await self._call_until_final(
            lambda: self._client.describe_configs(asked), "asking for the topics' configs"
        )
        found = {}
        for answer in answers:
            for code, message, _, topic, entries in answer.resources:
                error = for_code(code)
                if error is UnknownTopicOrPartitionError:
                    continue
                _raise_for_code(error, f"cannot read the configs of the topic {topic}", message)
                found[topic] = {
                    name: value
                    for name, value, _, source, *_ in entries
                    if source == _TOPIC_CONFIG_SOURCE and value is not None
                }
        return found

    async def configure_topics(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Set configs of existing topics, and leave what else is set on them. Whoever sets others
        at the same moment is overwritten: the client knows only the request that replaces all."""
        if not topics:
            return
        before = await self.topic_configs(list(topics))
        wanted = [
            ConfigResource(ConfigResourceType.TOPIC, name, {**before.get(name, {}), **configs})
            for name, configs in topics.items()
        ]
        answers = await self._call_until_final(
            lambda: self._client.alter_configs(wanted), f"configuring {len(topics)} topics"
        )
        for answer in answers:
            for code, message, _, topic in answer.resources:
                _raise_for_code(for_code(code), f"cannot configure the topic {topic}", message)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONFIG_VISIBLE_SECONDS):
                await self._await_configs(topics)

    async def _await_configs(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Return when what was set can be read: the broker learns of it from its controller, and
        who sets something else too soon would undo it."""
        while True:
            found = await self.topic_configs(list(topics))
            if all(found.get(name, {}).items() >= set_.items() for name, set_ in topics.items()):
                return
            await asyncio.sleep(_POLL_INTERVAL)

    async def start_offsets(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The offset of the first record that is still kept."""
        reader = await self._reader("read_uncommitted")
        await self._require_partitions(partitions)
        found: dict[TopicPartition, int] = await self._call_until_final(
            lambda: reader.beginning_offsets(list(partitions)), "asking for first offsets"
        )
        return found

    async def end_offsets(
        self, partitions: Collection[TopicPartition], *, stable: bool = False
    ) -> dict[TopicPartition, int]:
        """The offset that the next record will take; `stable`: the offset of the first record
        that belongs to an open transaction, if there is one."""
        reader = await self._reader("read_committed" if stable else "read_uncommitted")
        await self._require_partitions(partitions)
        found: dict[TopicPartition, int] = await self._call_until_final(
            lambda: reader.end_offsets(list(partitions)), "asking for end offsets"
        )
        return found

    async def offsets_at(
        self, partitions: Collection[TopicPartition], milliseconds: int
    ) -> dict[TopicPartition, int]:
        """The first offset of that time or later; where there is none, the end."""
        reader = await self._reader("read_uncommitted")
        if not partitions:
            return {}
        await self._require_partitions(partitions)
        at = max(0, milliseconds)
        found = await self._call_until_final(
            lambda: reader.offsets_for_times(dict.fromkeys(partitions, at)),
            "asking for the offsets of a time",
        )
        ends = await self.end_offsets(partitions)
        return {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in partitions}

    async def committed_offsets(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata | None]:
        """What the group has committed; None where it never has.

        Kafka acknowledges a transaction before its offsets are to be seen here: who must not read
        them too early fences their transactional id first.
        """
        if not partitions:
            return {}

        async def ask() -> dict[TopicPartition, OffsetAndMetadata]:
            found: dict[TopicPartition, OffsetAndMetadata]
            found = await self._client.list_consumer_group_offsets(
                group, partitions=list(partitions)
            )
            if not found.keys() >= set(partitions):
                # aiokafka drops the error that stands for the whole group: it is still loading.
                raise _GroupLoadingError
            return found

        found: dict[TopicPartition, OffsetAndMetadata] = await self._call_until_final(
            ask, f"asking for the offsets of {group}"
        )
        return {tp: found[tp] if found[tp].offset >= 0 else None for tp in partitions}

    async def count_members(self, group: str) -> int:
        """How many consumers a group has now."""
        answers = await self._call_until_final(
            lambda: self._client.describe_consumer_groups([group]), f"asking for {group}"
        )
        return sum(len(described[5]) for answer in answers for described in answer.groups)

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
        topics = await self.topics()
        for topic, partition in partitions:
            if partition >= topics.get(topic, 0):
                raise TopicMissingError(
                    f"there is no {topic}/{partition} on {self._settings.bootstrap}"
                )

    async def _call_until_final(self, call: Callable[[], Awaitable[T]], what: str) -> T:
        """Ask until the answer is one that lasts. Raises DeadlineExceededError, Refused,
        BrokerError."""

        async def tries() -> T:
            while True:
                try:
                    return await call()
                except KafkaError as error:
                    if not (error.retriable or isinstance(error, NoError)):
                        raise
                await asyncio.sleep(_POLL_INTERVAL)

        try:
            return await with_deadline(tries(), self._settings.deadline, what)
        except KafkaError as error:
            text = f"{what} failed: {error}"
            raise (
                AccessDeniedError(text)
                if isinstance(error, _AUTHORIZATION_ERRORS)
                else BrokerError(text)
            ) from None


def _raise_for_code(error: type[KafkaError], what: str, message: str | None) -> None:
    """Raises Refused or BrokerError, unless there is no error."""
    if error is NoError:
        return
    text = f"{what}: {message or error.description}"
    raise AccessDeniedError(text) if issubclass(error, _AUTHORIZATION_ERRORS) else BrokerError(text)


class _GroupLoadingError(KafkaError):  # type: ignore[misc]
    retriable = True


def check_partition_counts(wanted: Mapping[str, TopicSpec], existing: Mapping[str, int]) -> None:
    """Raises TopicMismatchError where an existing topic has another number of partitions."""
    for name, spec in wanted.items():
        count = existing.get(name, spec.partitions)
        if not spec.grows and count != spec.partitions:
            raise TopicMismatchError(
                f"the topic {name} has {count} partitions and should have {spec.partitions};"
                " change its partitions in topology.yaml, or give the event another name"
            )
