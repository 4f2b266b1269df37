"""How are topics, consumer groups and members of groups removed?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupIdNotFound,
    NonEmptyGroup,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
    for_code,
)

from farandole.broker.admin_calls import POLL_INTERVAL, call_until_final, raise_for_code
from farandole.broker.aiokafka_internals import send_delete_group, send_leave_group
from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import with_deadline
from farandole.broker.missing_rights import Right
from farandole.broker.settings import Settings
from farandole.broker.topic_ids import existing_partitions

T = TypeVar("T")


class GroupInUseError(BrokerError):
    """A consumer group has members, so Kafka does not delete it."""


async def delete_topics(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> None:
    """Delete topics and return when the broker knows none of them any more. Topics that do not
    exist are skipped."""
    if not topics:
        return
    patience = int(settings.deadline * 900)  # shorter than ours: Kafka can report what is late
    answer = await _call(
        settings,
        lambda: client.delete_topics(list(topics), timeout_ms=patience),
        f"deleting {len(topics)} topics",
    )
    for name, code in answer.topic_error_codes:
        error = for_code(code)
        if error is not UnknownTopicOrPartitionError:
            right = Right("Delete", "topic", name)
            raise_for_code(error, f"cannot delete the topic {name}", None, right)
    await with_deadline(
        _await_gone(client, settings, topics),
        settings.deadline,
        f"waiting until {len(topics)} topics are deleted",
    )


async def _await_gone(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> None:
    while True:
        if not await existing_partitions(client, settings, topics):
            return
        await asyncio.sleep(POLL_INTERVAL)


async def delete_group(client: AIOKafkaAdminClient, settings: Settings, group: str) -> None:
    """Delete a consumer group with its offsets; a group that does not exist is skipped. Raises
    GroupInUseError if it has members."""

    async def delete() -> None:
        error = await send_delete_group(client, group)
        if error is NonEmptyGroup:
            raise GroupInUseError(f"the group {group} has members")
        if error.retriable:
            raise error
        if error is not GroupIdNotFound:
            right = Right("Delete", "group", group)
            raise_for_code(error, f"cannot delete the group {group}", None, right)

    await _call(settings, delete, f"deleting the group {group}")


async def group_names(client: AIOKafkaAdminClient, settings: Settings) -> set[str]:
    """Return the name of every consumer group of the cluster."""
    listed = await _call(settings, client.list_consumer_groups, "asking for the groups")
    return {name for name, *_ in listed}


async def remove_members(
    client: AIOKafkaAdminClient, settings: Settings, client_id: str
) -> list[str]:
    """Let every consumer with this client id leave its group, and return the groups that had one.
    Only groups of our namespace are asked."""

    async def remove() -> list[str]:
        names = [name for name, *_ in await client.list_consumer_groups()]
        ours = [name for name in names if name.startswith(settings.names.prefix)]
        left = []
        for group in ours:  # one by one: aiokafka cannot decode the answer about several
            for member_id in await _member_ids(client, group, client_id):
                await _leave(client, group, member_id)
                left.append(group)
        return left

    return await _call(settings, remove, f"removing {client_id} from its groups")


async def _member_ids(client: AIOKafkaAdminClient, group: str, client_id: str) -> list[str]:
    (answer,) = await client.describe_consumer_groups([group])
    ((_, _, _, _, _, members, *_),) = answer.groups
    return [member_id for member_id, its_client, *_ in members if its_client == client_id]


async def _leave(client: AIOKafkaAdminClient, group: str, member_id: str) -> None:
    error = await send_leave_group(client, group, member_id)
    if error.retriable:
        raise error
    if error is not UnknownMemberIdError:  # its session has run out meanwhile
        right = Right("Read", "group", group)
        raise_for_code(error, f"cannot remove {member_id} from the group {group}", None, right)


async def _call(settings: Settings, call: Callable[[], Awaitable[T]], what: str) -> T:
    return await call_until_final(call, settings.deadline, what)
