"""Which private parts of aiokafka do we use, and why?

Public, and used everywhere: `aiokafka`, `aiokafka.admin`, `aiokafka.errors`, `aiokafka.structs`.
Everything else goes through this module (a test enforces it), and `verify_aiokafka`
compares it with the installed aiokafka when the first client is made.

We also rely on behaviour that no attribute shows:
- aiokafka asserts the state of its transactions: AssertionError (`transactions.py`);
- it logs and swallows what a rebalance listener raises (`lanes/lane_group.py`);
- `stop()` can raise the CancelledError of one of its own tasks (`kafka_clients.py`);
- `ConsumerRecord` has the attributes of `farandole.events.record.Record`;
- the admin client returns raw answers of the protocol: the tuples in `resources`, the members at
  `groups[i][5]` (`cluster_admin.py`).

The module is long because it is the only one that may do this: it shows all that a new aiokafka can
break.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from types import ModuleType
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.broker_errors import BrokerError
from farandole.broker.connection_gate import process_gate
from farandole.broker.silent_peers import give_up_when_silent


class UnsupportedAiokafkaError(BrokerError):
    """The installed aiokafka lacks a part that we need. The message names the part, what it is for,
    and which aiokafka to install."""


_REMEDY = "install aiokafka>=0.14,<0.15"

try:
    # `import X as X` is for others: `cluster_admin.py` (configs of topics), `lane_assignor.py` (our
    # own assignor), `connection_diagnosis.py` (asking a server by hand why it refuses us: aiokafka
    # only logs it), `record_batch.py` (batches whose headers are encoded once for each lane),
    # `fetched_batches.py` (batches that are too large when they are decompressed),
    # `group_offsets.py`, `topic_metadata.py`, `cluster_facts.py` (requests that are newer than
    # aiokafka).
    from aiokafka import client as network
    from aiokafka.admin.config_resource import ConfigResource as ConfigResource
    from aiokafka.admin.config_resource import ConfigResourceType as ConfigResourceType
    from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
    from aiokafka.cluster import ClusterMetadata as ClusterMetadata
    from aiokafka.conn import AIOKafkaConnection
    from aiokafka.conn import collect_hosts as collect_hosts
    from aiokafka.conn import create_conn as create_conn
    from aiokafka.consumer import fetcher as _fetcher_module
    from aiokafka.consumer.fetcher import (
        ABORT_MARKER,
        READ_COMMITTED,
        ControlRecord,
        Fetcher,
        FetchResult,
        PartitionRecords,
    )
    from aiokafka.consumer.group_coordinator import GroupCoordinator
    from aiokafka.consumer.subscription_state import (
        Assignment,
        Subscription,
        SubscriptionState,
        TopicPartitionState,
    )
    from aiokafka.coordinator.assignors.abstract import (
        AbstractPartitionAssignor as AbstractPartitionAssignor,
    )
    from aiokafka.coordinator.protocol import (
        ConsumerProtocolMemberAssignment as ConsumerProtocolMemberAssignment,
    )
    from aiokafka.coordinator.protocol import (
        ConsumerProtocolMemberMetadata as ConsumerProtocolMemberMetadata,
    )
    from aiokafka.producer.message_accumulator import (
        BatchBuilder,
        MessageAccumulator,
        MessageBatch,
    )
    from aiokafka.producer.sender import Sender
    from aiokafka.producer.sender import TxnOffsetCommitHandler as TxnOffsetCommitHandler
    from aiokafka.producer.transaction_manager import TransactionManager, TransactionState
    from aiokafka.protocol import types as types
    from aiokafka.protocol.admin import ApiVersionRequest as ApiVersionRequest
    from aiokafka.protocol.admin import DeleteGroupsRequest
    from aiokafka.protocol.api import Request as Request
    from aiokafka.protocol.api import RequestStruct as RequestStruct
    from aiokafka.protocol.api import Response as Response
    from aiokafka.protocol.commit import OffsetFetchRequest
    from aiokafka.protocol.commit import OffsetFetchRequest_v3 as OffsetFetchRequest_v3
    from aiokafka.protocol.group import LeaveGroupRequest
    from aiokafka.protocol.metadata import MetadataRequest as MetadataRequest
    from aiokafka.protocol.transaction import (
        TxnOffsetCommitRequest_v0 as TxnOffsetCommitRequest_v0,
    )
    from aiokafka.record.memory_records import MemoryRecords as MemoryRecords
    from aiokafka.record.util import calc_crc32c as calc_crc32c
except ImportError as error:
    raise UnsupportedAiokafkaError(
        f"aiokafka {version('aiokafka')} lacks a part that Farandole needs: {error}; {_REMEDY}"
    ) from None


@dataclass(frozen=True, slots=True)
class Use:
    """An attribute of an aiokafka class that we read, set or call."""

    owner: type | ModuleType
    attribute: str
    reason: str


def _uses(reason: str, *used: tuple[type | ModuleType, str]) -> tuple[Use, ...]:
    return tuple(Use(owner, attribute, reason) for owner, attribute in used)


_OWNERSHIP = "proving by a heartbeat that a partition is still ours"
_ERRORS = "seeing coordinator errors of a group that fetches nothing"
_OFFSETS = "committing and reading offsets as a member of the group"
_POSITIONS = "positions of the assignment that a lane has seeked in, not of a newer one"
_UNDECODABLE = "finding the record that cannot be decoded"
_EMPTY_CONTROL = "reading past control batches that compaction has emptied"
_CLUSTER = "speaking to the expected cluster alone"
_CLOSING = "closing a client although the broker is away, when stop() does not return"
_RETRIEVING = "retrieving the errors of futures that aiokafka keeps for itself"
_UNANSWERED = "saying which broker a lane waits for"
_BATCHES = "record batches of our own"
_TRANSACTIONS = "transactions of the router"
_ISOLATION = "Faust's consumer, which would read what was never committed"

USES: tuple[Use, ...] = (
    *_uses(
        _OWNERSHIP,
        (AIOKafkaConsumer, "_coordinator"),
        (GroupCoordinator, "generation"),
        (GroupCoordinator, "_do_heartbeat"),
    ),
    *_uses(_ERRORS, (GroupCoordinator, "check_errors")),
    *_uses(
        _OFFSETS,
        (GroupCoordinator, "member_id"),
        (GroupCoordinator, "ensure_coordinator_known"),
        (GroupCoordinator, "_send_req"),
        (GroupCoordinator, "coordinator_dead"),
        (GroupCoordinator, "request_rejoin"),
        (Sender, "_do_txn_offset_commit"),
        (Sender, "_find_coordinator"),
        (Sender, "_retry_backoff"),
        (Sender, "_txn_manager"),
        (TxnOffsetCommitHandler, "create_request"),
        (TxnOffsetCommitHandler, "handle_response"),
        (TxnOffsetCommitHandler, "_offsets"),
        (TxnOffsetCommitHandler, "_group_id"),
        (TransactionManager, "producer_id"),
        (TransactionManager, "error_transaction"),
        (TransactionManager, "_txn_partitions"),
    ),
    *_uses(
        _POSITIONS,
        (AIOKafkaConsumer, "_subscription"),
        (SubscriptionState, "subscription"),
        (Subscription, "assignment"),
        (Assignment, "active"),
        (Assignment, "state_value"),
        (TopicPartitionState, "position"),
        (TopicPartitionState, "has_valid_position"),
        (TopicPartitionState, "lso"),
        (TopicPartitionState, "timestamp"),
    ),
    *_uses(
        _UNDECODABLE,
        (AIOKafkaConsumer, "_fetcher"),
        (Fetcher, "_records"),
        (FetchResult, "_partition_records"),
        (PartitionRecords, "next_fetch_offset"),
    ),
    *_uses(_EMPTY_CONTROL, (PartitionRecords, "_contains_abort_marker")),
    *_uses(
        _CLOSING,
        (AIOKafkaConsumer, "_client"),
        (AIOKafkaConsumer, "_closed"),
        (AIOKafkaProducer, "client"),
        (AIOKafkaProducer, "_closed"),
        (AIOKafkaAdminClient, "_client"),
        (AIOKafkaAdminClient, "_closed"),
        (AIOKafkaClient, "_conns"),
        (AIOKafkaConnection, "_writer"),
    ),
    *_uses(
        "one gate for the connections of all clients",
        (network, "create_conn"),
        (ClusterMetadata, "broker_metadata"),
    ),
    *_uses(
        _CLUSTER,
        (AIOKafkaClient, "_get_conn"),
        (AIOKafkaClient, "bootstrap"),
        (AIOKafkaClient, "cluster"),
        (ClusterMetadata, "brokers"),
        (AIOKafkaClient, "force_metadata_update"),
    ),
    *_uses(
        _RETRIEVING,
        (AIOKafkaProducer, "_sender"),
        (AIOKafkaProducer, "_message_accumulator"),
        (AIOKafkaProducer, "_txn_manager"),
        (Sender, "sender_task"),
        (MessageAccumulator, "_batches"),
        (MessageAccumulator, "_pending_batches"),
        (MessageBatch, "future"),
        (MessageBatch, "_drain_waiter"),
        (TransactionManager, "_transaction_waiter"),
        (TransactionManager, "_pid_waiter"),
    ),
    *_uses(
        _UNANSWERED,
        (Sender, "_coordinators"),
        (Sender, "_muted_partitions"),
        (TransactionManager, "has_pid"),
        (TransactionManager, "_pending_txn_partitions"),
        (TransactionManager, "_pending_txn_offsets"),
        (TransactionManager, "needs_transaction_commit"),
    ),
    *_uses(
        _BATCHES,
        (BatchBuilder, "record_count"),
        (BatchBuilder, "close"),
        (BatchBuilder, "closed"),
        (BatchBuilder, "_set_producer_state"),
        (BatchBuilder, "_build"),
    ),
    *_uses(
        _TRANSACTIONS,
        (TransactionManager, "producer_epoch"),
        (TransactionManager, "_txn_consumer_group"),
        (TransactionManager, "state"),
    ),
    *_uses(
        _ISOLATION,
        (AIOKafkaConsumer, "_isolation_level"),
        (Fetcher, "_isolation_level"),
    ),
    *_uses(
        "admin requests for which it has no call, or drops errors",
        (AIOKafkaAdminClient, "_send_request"),
    ),
    *_uses("creating topics with the broker's own replication", (NewTopic, "replication_factor")),
)


@cache
def verify_aiokafka() -> None:
    """Compare `USES` with the installed aiokafka. Raises UnsupportedAiokafkaError.

    Needs neither a client nor a loop: an attribute is there if the class has it or `__init__` names
    it.
    """
    for use in USES:
        if not _has_attribute(use.owner, use.attribute):
            raise UnsupportedAiokafkaError(
                f"aiokafka {version('aiokafka')} has no {use.owner.__name__}.{use.attribute}, "
                f"which Farandole uses for {use.reason}; {_REMEDY}"
            )


def _has_attribute(owner: type | ModuleType, attribute: str) -> bool:
    if hasattr(owner, attribute):
        return True
    if not isinstance(owner, type):
        return False
    initializers = [vars(each).get("__init__") for each in owner.__mro__]
    functions = filter(inspect.isfunction, initializers)
    return any(attribute in init.__code__.co_names for init in functions)


# A correction


def _is_abort_marker(_: PartitionRecords, batch: Any) -> bool:
    """Return True if the control batch ends an aborted transaction; False if it has no record.

    Compaction can leave a control batch without a record. aiokafka raises KafkaError at each fetch
    that contains one, until the next compaction; Kafka's own consumer takes it for no marker."""
    record = next(batch, None)
    return record is not None and ControlRecord.parse(record.key) == ABORT_MARKER


PartitionRecords._contains_abort_marker = _is_abort_marker


# Connections


@cache
def gate_connections() -> None:
    """Let every client of this process connect through its gate, and give up connections to silent
    machines. A client connects by a function that it finds in its module."""
    gate, opening = process_gate(), network.create_conn

    async def connect(host: str, port: int, **options: Any) -> AIOKafkaConnection:
        connection: AIOKafkaConnection = await gate.connect(
            (host, port), partial(opening, host, port, **options)
        )
        if connection._writer is not None:  # it may have been closed at once
            give_up_when_silent(connection._writer.get_extra_info("socket"))
        return connection

    network.create_conn = connect

    # A client connects to one broker at a time. Those of its requests that are for a dead one wait
    # for their turn before that: one after the other they would hold up all others.
    getting = AIOKafkaClient._get_conn

    async def get_connection(
        client: AIOKafkaClient, node_id: Any, **options: Any
    ) -> AIOKafkaConnection | None:
        broker = client.cluster.broker_metadata(node_id)
        known = client._conns.get((node_id, options.get("group", ConnectionGroup.DEFAULT)))
        if broker is not None and not (known is not None and known.connected()):
            try:
                await gate.wait((broker.host, broker.port))
            except KafkaConnectionError:
                client.force_metadata_update()
                return None
        return await getting(client, node_id, **options)

    AIOKafkaClient._get_conn = get_connection


_NODE_PATIENCE = 2.0  # seconds for one of several brokers


def require_brokers(client: Any) -> None:
    """Let a client start only if it can connect to one of the brokers that the cluster advertises.
    It would otherwise start, because the bootstrap servers answer, and then wait for ever."""
    inner = _network_client(client)
    bootstrap = inner.bootstrap

    async def bootstrap_and_connect() -> None:
        await bootstrap()
        nodes = [broker.nodeId for broker in inner.cluster.brokers()] or ["bootstrap"]
        random.shuffle(nodes)
        for node in nodes:
            with suppress(TimeoutError):
                async with asyncio.timeout(_NODE_PATIENCE):
                    if await inner._get_conn(node) is not None:
                        return
        raise KafkaConnectionError("no broker of the cluster can be reached")

    inner.bootstrap = bootstrap_and_connect


def require_cluster(
    client: Any, cluster_id: str, refused: Callable[[str, int, str | None], None]
) -> None:
    """Let a client that has not started speak to the brokers of this cluster alone.

    Each new connection is asked whose it is before anything else is sent over it: a broker's port
    can be taken by a stranger while the client lives. `refused` is called with host, port and the
    cluster that was found there instead; for the client that broker is then away.
    """
    inner = _network_client(client)
    connect = inner._get_conn
    verified: weakref.WeakSet[AIOKafkaConnection] = weakref.WeakSet()

    async def connect_verified(node_id: Any, **options: Any) -> AIOKafkaConnection | None:
        connection = await connect(node_id, **options)
        if connection is None or connection in verified:
            return connection
        try:
            found = (await connection.send(MetadataRequest([]))).cluster_id
        except (KafkaError, TimeoutError):
            return None
        if found == cluster_id:
            verified.add(connection)
            return connection
        connection.close()
        refused(connection.host, connection.port, found)
        inner.force_metadata_update()
        return None

    inner._get_conn = connect_verified


# The consumer's group


def generation(consumer: AIOKafkaConsumer) -> int:
    """Return the generation in which the consumer is a member of its group."""
    current: int = consumer._coordinator.generation
    return current


async def heartbeat(consumer: AIOKafkaConsumer) -> bool:
    """Send a heartbeat now and return True if Kafka accepted it."""
    accepted: bool = await consumer._coordinator._do_heartbeat()
    return accepted


def raise_coordinator_error(consumer: AIOKafkaConsumer) -> None:
    """Raise the error that ended the coordination of the group, if there is one. aiokafka raises it
    only from a fetch."""
    consumer._coordinator.check_errors()


def generation_and_id(consumer: AIOKafkaConsumer) -> tuple[int, str]:
    """Return the generation in which the consumer is a member of its group, and its id there; -1
    and an empty text if it is no member."""
    coordinator = consumer._coordinator
    return getattr(coordinator, "generation", -1), getattr(coordinator, "member_id", "")


async def ask_coordinator(consumer: AIOKafkaConsumer, request: Any) -> Any:
    """Return the answer of the group's coordinator. Raises KafkaError if it gives none."""
    await consumer._coordinator.ensure_coordinator_known()
    return await consumer._coordinator._send_req(request)


def forget_coordinator(consumer: AIOKafkaConsumer) -> None:
    """Let the consumer ask Kafka again which broker coordinates its group."""
    consumer._coordinator.coordinator_dead()


def rejoin_group(consumer: AIOKafkaConsumer) -> None:
    """Let the consumer find the coordinator of its group anew and join the group again."""
    consumer._coordinator.coordinator_dead()
    consumer._coordinator.request_rejoin()


async def require_description(client: AIOKafkaAdminClient, topics: Sequence[str]) -> None:
    """Raise TopicAuthorizationFailedError for those of `topics` that Kafka may not describe to us;
    return if they are visible or do not exist. (The public `describe_topics` would let a cluster
    create them.)"""
    asked = MetadataRequest(list(topics), allow_auto_topic_creation=False)
    answer = await client._send_request(asked)
    denied = {
        name for code, name, *_ in answer.topics if for_code(code) is TopicAuthorizationFailedError
    }
    if denied:
        raise TopicAuthorizationFailedError(denied)


async def group_offsets(
    client: AIOKafkaAdminClient, group: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return the committed offset of a group in each partition; offset -1 where it has none. Raises
    KafkaError also for an error of the whole group, such as a coordinator that is still loading.
    (The public `list_consumer_group_offsets` returns no offsets then.)"""
    asked: dict[str, list[int]] = {}
    for topic, partition in partitions:
        asked.setdefault(topic, []).append(partition)
    node = await client.find_coordinator(group)
    answer = await client._send_request(OffsetFetchRequest(group, list(asked.items())), node)
    if answer.error_code:
        raise for_code(answer.error_code)(group)
    found = {}
    for topic, offsets in answer.topics:
        for partition, offset, metadata, code in offsets:
            if code:
                raise for_code(code)(topic)
            found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
    return found


def assigned_partitions(assignment: bytes) -> frozenset[TopicPartition]:
    """Return the partitions in the assignment of a group's member, as the coordinator keeps it;
    none if another kind of client wrote it."""
    if not assignment:
        return frozenset()
    try:
        return frozenset(ConsumerProtocolMemberAssignment.decode(assignment).partitions())
    except ValueError:
        return frozenset()


# What a consumer has read


def current_assignment(consumer: AIOKafkaConsumer) -> Any:
    """Return the current assignment, for `assigned_positions`; None after a new subscription, until
    the rebalance that follows it."""
    return consumer._subscription.subscription.assignment


def assigned_positions(assignment: Any, partitions: Sequence[tuple[str, int]]) -> list[int] | None:
    """Return the position in each of the partitions; None if the assignment is no longer active,
    also where a newer one has the same partitions."""
    if assignment is None or not assignment.active:
        return None
    return [assignment.state_value(TopicPartition(*p)).position for p in partitions]


def stable_end_reached_at(assignment: Any, partitions: Sequence[tuple[str, int]]) -> float | None:
    """Return when the consumer had read every partition to its last stable offset, in seconds of
    the epoch by our clock: the time of the oldest of the last fetches. None if it has not read one
    to there, or has not fetched from it yet."""
    if assignment is None or not assignment.active:
        return None
    states = [assignment.state_value(TopicPartition(*p)) for p in partitions]
    if not all(s.has_valid_position and s.lso is not None for s in states):
        return None
    if any(s.position < s.lso for s in states):
        return None
    return float(min(state.timestamp for state in states)) / 1000


def unread_offsets(
    assignment: Any, partitions: Sequence[tuple[str, int]], ends: Mapping[Any, int]
) -> list[int]:
    """Return for each partition how many offsets lie between the position and its end: the last
    stable offset as of the last fetch, or what `ends` says of it; 0 where that is not known."""
    if assignment is None or not assignment.active:
        return [0] * len(partitions)
    states = [assignment.state_value(TopicPartition(*p)) for p in partitions]
    return [
        max(0, max(state.lso or 0, ends.get(p, 0)) - state.position)
        if state.has_valid_position
        else 0
        for p, state in zip(partitions, states, strict=True)
    ]


def valid_positions(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the positions in those of the partitions that are assigned and have one."""
    assignment = current_assignment(consumer)
    if assignment is None:
        return {}
    states = {tp: assignment.state_value(tp) for tp in partitions if tp in assignment.tps}
    return {tp: state.position for tp, state in states.items() if state.has_valid_position}


def undecodable_offset(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    """Return the offset of the record at which decoding has just failed, while reading one record
    at a time.

    The position alone does not move over the markers and aborted records in between; how far the
    client has decoded does.
    """
    assignment = current_assignment(consumer)
    position: int = assignment.state_value(partition).position
    fetched = consumer._fetcher._records.get(partition)
    decoded = getattr(fetched, "_partition_records", None)
    return max(position, decoded.next_fetch_offset if decoded is not None else position)


def read_fetches_by(make: Callable[[bytes], Any]) -> None:
    """Let the consumers of this process read what they have fetched by `make(raw)`, an object with
    the methods of MemoryRecords. The name is looked up for each fetch."""
    _fetcher_module.MemoryRecords = make


def set_read_committed(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that has not started read only what is committed."""
    consumer._isolation_level = "read_committed"


def reads_committed(consumer: Any) -> bool:
    """Return True if a started consumer reads only what is committed: what its fetcher asks for,
    not what it was made with. False if it is no consumer."""
    level = getattr(getattr(consumer, "_fetcher", None), "_isolation_level", None)
    return bool(level == READ_COMMITTED)


# A producer's transaction

_OPEN_STATES = (TransactionState.IN_TRANSACTION, TransactionState.ABORTABLE_ERROR)


def producer_epoch(producer: AIOKafkaProducer) -> int:
    """Return the epoch that Kafka gave to a started transactional producer."""
    epoch: int = producer._txn_manager.producer_epoch
    return epoch


def is_transaction_open(producer: AIOKafkaProducer) -> bool:
    """Return True if the producer has begun a transaction that it can still abort."""
    return producer._txn_manager.state in _OPEN_STATES


def announce_next_group(producer: AIOKafkaProducer) -> None:
    """Let the open transaction take the offsets of one more group.

    Kafka wants each group to be announced. aiokafka remembers one group for each transaction and
    announces only that one. Made to forget it, it announces the next group as well.
    """
    producer._txn_manager._txn_consumer_group = None


def transaction_identity(sender: Any) -> tuple[str, int, int]:
    """Return the transactional id of a producer's sender, its producer id and its epoch."""
    manager = sender._txn_manager
    return manager.transactional_id, manager.producer_id, manager.producer_epoch


def fail_transaction(sender: Any, error: Exception) -> None:
    """Let the open transaction of a producer's sender end with this error: it can only be
    aborted."""
    manager = sender._txn_manager
    partitions, group = set(manager._txn_partitions), manager._txn_consumer_group
    manager.error_transaction(error)
    # aiokafka forgets what the transaction contains, and then takes its abort for needless.
    manager._txn_partitions.update(partitions)
    manager._txn_consumer_group = group


def unanswered_requests(producer: AIOKafkaProducer) -> list[str]:
    """Return what a transactional producer waits for, and from which broker, for a person."""
    sender, manager = producer._sender, producer._txn_manager

    def coordinator(kind: CoordinationType) -> str:
        node = sender._coordinators.get(kind)
        return "a coordinator that is not known yet" if node is None else f"broker {node}"

    transactions = coordinator(CoordinationType.TRANSACTION)
    waits = []
    if not manager.has_pid():
        waits.append(f"its producer id, from {transactions}")
    if manager._pending_txn_partitions:
        waits.append(f"a place in its transaction, from {transactions}")
    leaders: dict[Any, list[str]] = {}
    for tp in sorted(sender._muted_partitions):
        leader = producer.client.cluster.leader_for_partition(tp)
        leaders.setdefault(leader, []).append(f"{tp.topic}/{tp.partition}")
    for leader, names in leaders.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        waits.append(f"records of {names[0]}{more}, from broker {leader}")
    groups = dict.fromkeys(group for group, _, _ in manager._pending_txn_offsets)
    offsets = coordinator(CoordinationType.GROUP)
    waits += [f"offsets of {group}, from {offsets}" for group in groups]
    if manager.needs_transaction_commit() is not None:
        waits.append(f"the end of its transaction, from {transactions}")
    return waits


def set_offset_commit_handler(producer: AIOKafkaProducer, handler: type) -> None:
    """Let the producer send the offsets of its transactions by `handler`, a class derived from
    TxnOffsetCommitHandler."""
    sender = producer._sender

    async def send(offsets: Any, group: str) -> None:
        if not offsets:
            return
        try:
            node = await sender._find_coordinator(CoordinationType.GROUP, group)
        except GroupAuthorizationFailedError as error:
            fail_transaction(sender, error)
            return
        except KafkaError:  # the broker that was asked has just died: the sender asks again
            await asyncio.sleep(sender._retry_backoff)
            return
        await handler(sender, offsets, group).do(node)

    sender._do_txn_offset_commit = send


# Topics


def new_topic(
    name: str, partitions: int, replication_factor: int | None, configs: Mapping[str, str]
) -> NewTopic:
    """Return what `create_topics` takes. `replication_factor`: None for the broker's default, which
    is -1 in the protocol and which the constructor refuses."""
    topic = NewTopic(name, partitions, 1, topic_configs=dict(configs))
    topic.replication_factor = -1 if replication_factor is None else replication_factor
    return topic


async def send_admin_request(client: AIOKafkaAdminClient, request: Any) -> Any:
    """Return the answer of a broker to a request. Raises KafkaError, and NotImplementedError if the
    broker knows none of its versions."""
    return await client._send_request(request)


async def send_consumer_request(consumer: AIOKafkaConsumer, request: Any) -> Any:
    """Return the answer of a broker to a request over a connection of the consumer. Raises as
    `send_admin_request`."""
    client = consumer._client
    node = client.get_random_node()
    if node is None:
        raise NodeNotReadyError("no broker is known")
    return await client.send(node, request)


# Groups


async def send_delete_group(client: AIOKafkaAdminClient, group: str) -> type[KafkaError]:
    """Ask for the deletion of a group and return the error in the answer, NoError at success.
    Raises KafkaError if its coordinator cannot be found."""
    coordinator = await client.find_coordinator(group)
    answer = await client._send_request(DeleteGroupsRequest([group]), coordinator)
    error: type[KafkaError] = for_code(answer.results[0][1])
    return error


async def send_leave_group(
    client: AIOKafkaAdminClient, group: str, member_id: str
) -> type[KafkaError]:
    """Let a member leave its group, in its name, and return the error in the answer, NoError at
    success. Raises KafkaError if the coordinator cannot be found."""
    coordinator = await client.find_coordinator(group)
    answer = await client._send_request(LeaveGroupRequest(group, member_id), coordinator)
    error: type[KafkaError] = for_code(answer.error_code)
    return error


# The end of a client

_CLIENT_PARTS = ("_sender", "_message_accumulator", "_coordinator", "_fetcher", "_subscription")


async def force_close_client(client: Any) -> None:
    """Leave nothing of a client behind, whatever it waits for; never waits for the broker.

    `stop()` of a client whose broker is away does not return, and cancelling it leaks its tasks.
    """
    inner = _network_client(client)
    parts = [client, inner, *(getattr(client, name, None) for name in _CLIENT_PARTS)]
    client._closed = True
    owners = {id(part) for part in parts if part is not None}
    own_tasks = [
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task() and id(_task_owner(task)) in owners
    ]
    for task in own_tasks:
        task.cancel()
    if own_tasks:
        await asyncio.wait(own_tasks, timeout=0.5)
    for connection in list(inner._conns.values()):
        # A plain close waits for a peer that may be frozen to take what is still buffered.
        if connection is not None and connection._writer is not None:
            connection._writer.transport.abort()
    try:
        async with asyncio.timeout(1):
            await inner.close()
    except Exception:  # noqa: BLE001, S110 -- nothing is left that we could do
        pass
    retrieve_exceptions(client, *own_tasks)


def retrieve_exceptions(client: Any, *tasks: asyncio.Future[Any]) -> None:
    """Retrieve the errors of the given tasks and of the futures that a client keeps for itself:
    asyncio prints an error that nobody has retrieved, with a traceback."""
    futures: list[Any] = [*tasks]
    manager = getattr(client, "_txn_manager", None)
    if manager is not None:
        futures += [manager._transaction_waiter, manager._pid_waiter]
    sender = getattr(client, "_sender", None)
    if sender is not None:
        futures.append(sender.sender_task)
    accumulator = getattr(client, "_message_accumulator", None)
    if accumulator is not None:
        batches = [batch for waiting in accumulator._batches.values() for batch in waiting]
        for batch in (*batches, *accumulator._pending_batches):
            futures += [batch.future, batch._drain_waiter]
    for future in futures:
        if future is not None and future.done() and not future.cancelled():
            future.exception()


def _network_client(client: Any) -> Any:
    return client.client if isinstance(client, AIOKafkaProducer) else client._client


def _task_owner(task: asyncio.Task[Any]) -> Any:
    """Return the object whose method a task runs; None if its coroutine is no method."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame.f_locals.get("self") if frame is not None else None
