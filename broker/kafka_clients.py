"""How are Kafka clients made, opened and closed safely?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from farandole.broker.aiokafka_internals import (
    force_close_client,
    gate_connections,
    read_fetches_by,
    require_brokers,
    require_cluster,
    retrieve_exceptions,
    verify_aiokafka,
)
from farandole.broker.broker_errors import (
    DeadlineExceededError,
    ForeignClusterError,
    InvalidSettingsError,
)
from farandole.broker.connection_diagnosis import diagnose_connection, no_answer_error
from farandole.broker.connection_gate import process_gate
from farandole.broker.fetched_batches import BoundedRecords
from farandole.broker.lane_assignor import LaneAssignor
from farandole.broker.record_batch import MAX_BATCH_BYTES
from farandole.broker.settings import Settings
from farandole.events.next_step import NextStep

log = structlog.get_logger()

T = TypeVar("T")
Client = TypeVar("Client", AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient)

# A group learns only from metadata that a topic exists again or has more partitions. The default of
# five minutes would be five minutes of silence.
_GROUP_METADATA_AGE_MS = 10_000
_NO_POLL_LIMIT_MS = 2**53  # ms: a member that fetches nothing is idle, not dead


async def with_deadline(awaitable: Awaitable[T], seconds: float, what: str) -> T:
    """Return the result of an awaitable. Raises DeadlineExceededError after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError:
        raise DeadlineExceededError(f"{what}: no answer within {seconds:g} s") from None


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments that every client of aiokafka takes. Raises InvalidSettingsError, and
    UnsupportedAiokafkaError where the installed aiokafka is not one that we know."""
    verify_aiokafka()
    gate_connections()
    if settings.bootstrap is None:
        raise InvalidSettingsError("no broker is known", NextStep("start one", ("kafka", "start")))
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        # Longer than our deadline: to join a group can take as long as a session.
        "request_timeout_ms": int(max(settings.deadline, settings.session_timeout + 2) * 1000),
        # The default of 100 ms is a visible pause in each hop of a healthy cluster.
        "retry_backoff_ms": 10,
    }
    if settings.client_id is not None:
        arguments["client_id"] = settings.client_id
    if settings.tls:
        arguments["ssl_context"] = _tls_context(settings)
    if settings.sasl_mechanism:
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.password(),
        }
    arguments["security_protocol"] = {
        (False, False): "PLAINTEXT",
        (True, False): "SSL",
        (False, True): "SASL_PLAINTEXT",
        (True, True): "SASL_SSL",
    }[settings.tls, settings.sasl_mechanism is not None]
    return arguments


def _tls_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettingsError(f"TLS certificates cannot be read: {error}") from None
    return context


def make_consumer(settings: Settings, *, group: str | None = None, **over: Any) -> AIOKafkaConsumer:
    """Return a consumer that reads only committed records and never commits or resets offsets by
    itself. `over` overrides its arguments."""
    read_fetches_by(BoundedRecords)
    consumer = AIOKafkaConsumer(
        **connection_arguments(settings)
        | {
            "group_id": group,
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "partition_assignment_strategy": (LaneAssignor,),
            "session_timeout_ms": int(settings.session_timeout * 1000),
            "heartbeat_interval_ms": int(settings.heartbeat_interval * 1000),
            # aiokafka takes a long pause between polls for death; our watchdog knows better.
            "max_poll_interval_ms": _NO_POLL_LIMIT_MS,
            "fetch_max_wait_ms": 100,
        }
        | ({} if group is None else {"metadata_max_age_ms": _GROUP_METADATA_AGE_MS})
        | over
    )
    return pin_cluster(consumer, settings)


def make_producer(
    settings: Settings, *, transactional_id: str | None = None, **over: Any
) -> AIOKafkaProducer:
    """Return an idempotent producer that waits for all replicas. `over` overrides its arguments."""
    arguments: dict[str, Any] = {
        "acks": "all",
        "enable_idempotence": True,
        "max_batch_size": MAX_BATCH_BYTES,
        "max_request_size": 16 * 1024 * 1024,
    }
    if transactional_id is not None:
        arguments |= {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": int(settings.transaction_timeout * 1000),
        }
    producer = AIOKafkaProducer(**connection_arguments(settings) | arguments | over)
    return pin_cluster(producer, settings)


def make_admin_client(settings: Settings) -> AIOKafkaAdminClient:
    return pin_cluster(AIOKafkaAdminClient(**connection_arguments(settings)), settings)


def pin_cluster(client: Client, settings: Settings) -> Client:
    """Return the client, which must not have started. It speaks to no other cluster than that of
    the settings, if they name one."""
    expected = settings.cluster_id
    if expected is not None:

        def refused(host: str, port: int, found: str | None) -> None:
            why = ForeignClusterError(f"{host}:{port}", found, expected)
            process_gate().record_failure((host, port), why)
            log.error("kafka.foreign", why=str(why))

        require_cluster(client, expected, refused)
    require_brokers(client)
    return client


@asynccontextmanager
async def open_client(client: Client, settings: Settings) -> AsyncIterator[Client]:
    """Start a client, and close it at the end of the block. Raises UnreachableError and
    AccessDeniedError. Closing raises nothing: await inside the block what must reach Kafka."""
    try:
        async with asyncio.timeout(settings.deadline):
            await client.start()
    except TimeoutError:
        await force_close_client(client)
        raise no_answer_error(settings.bootstrap, settings.deadline) from None
    except (KafkaError, OSError) as error:
        await force_close_client(client)
        # aiokafka only logs the reason: ask the servers again, without it.
        raise await diagnose_connection(
            connection_arguments(settings), settings.deadline, error, settings.cluster_id
        ) from None
    except BaseException:
        await force_close_client(client)
        raise
    try:
        yield client
    finally:
        await close_client(client)


async def close_client(client: Any, patience: float = 2.0) -> None:
    """Stop a client; close it hard after `patience` seconds. Raises nothing of its own."""
    stop = client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop()
    task = asyncio.current_task()
    cancel_requests = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(patience):
            await stop
    except (TimeoutError, KafkaError, OSError):
        await force_close_client(client)
    except asyncio.CancelledError:
        await force_close_client(client)
        if task and task.cancelling() > cancel_requests:
            raise
        # Otherwise aiokafka has cancelled a task inside of it, and we are not cancelled.
    retrieve_exceptions(client)
