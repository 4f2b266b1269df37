"""How is a Kafka client made safe: its defaults, its deadlines, its end?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from farandole.broker.aiokafka_internals import (
    force_close_client,
    retrieve_exceptions,
    verify_aiokafka,
)
from farandole.broker.broker_errors import DeadlineExceededError, InvalidSettingsError
from farandole.broker.connection_diagnosis import diagnose_connection, no_answer_error
from farandole.broker.lane_assignor import LaneAssignor
from farandole.broker.record_batch import MAX_BATCH_BYTES
from farandole.broker.settings import Settings
from farandole.events.next_step import NextStep

T = TypeVar("T")
Client = TypeVar("Client", AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient)

_NO_POLL_LIMIT_MS = 2**53  # ms: a member with nothing to fetch is idle, not dead


async def with_deadline(awaitable: Awaitable[T], seconds: float, what: str) -> T:
    """The result. Raises DeadlineExceededError after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError:
        raise DeadlineExceededError(f"{what}: no answer within {seconds:g} s") from None


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments that every client of aiokafka takes. Raises InvalidSettingsError, and
    UnsupportedAiokafkaError where the installed aiokafka is not one that we know."""
    verify_aiokafka()
    if settings.bootstrap is None:
        raise InvalidSettingsError("no broker is known", NextStep("start one", ("kafka", "start")))
    told: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        # Not our deadline: a group may take as long as a session to let a member join.
        "request_timeout_ms": int(max(settings.deadline, settings.session_timeout + 2) * 1000),
        # 100 ms, the default, is a visible pause in each hop of a healthy cluster.
        "retry_backoff_ms": 10,
    }
    if settings.tls:
        told["ssl_context"] = _tls_context(settings)
    if settings.sasl_mechanism:
        told |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.password(),
        }
    told["security_protocol"] = {
        (False, False): "PLAINTEXT",
        (True, False): "SSL",
        (False, True): "SASL_PLAINTEXT",
        (True, True): "SASL_SSL",
    }[settings.tls, settings.sasl_mechanism is not None]
    return told


def _tls_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettingsError(f"TLS certificates cannot be read: {error}") from None
    return context


def make_consumer(settings: Settings, *, group: str | None = None, **over: Any) -> AIOKafkaConsumer:
    """Reads what is committed, decides nothing by itself about offsets."""
    return AIOKafkaConsumer(
        **connection_arguments(settings)
        | {
            "group_id": group,
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "partition_assignment_strategy": (LaneAssignor,),
            "session_timeout_ms": int(settings.session_timeout * 1000),
            "heartbeat_interval_ms": int(settings.heartbeat_interval * 1000),
            # aiokafka can only take "too long between polls" as death; our watchdog knows better.
            "max_poll_interval_ms": _NO_POLL_LIMIT_MS,
            "fetch_max_wait_ms": 100,
        }
        | over
    )


def make_producer(
    settings: Settings, *, transactional_id: str | None = None, **over: Any
) -> AIOKafkaProducer:
    """Waits for all replicas, numbers what it sends."""
    told: dict[str, Any] = {
        "acks": "all",
        "enable_idempotence": True,
        "max_batch_size": MAX_BATCH_BYTES,
        "max_request_size": 16 * 1024 * 1024,
    }
    if transactional_id is not None:
        told |= {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": int(settings.transaction_timeout * 1000),
        }
    return AIOKafkaProducer(**connection_arguments(settings) | told | over)


def make_admin_client(settings: Settings) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(**connection_arguments(settings))


@asynccontextmanager
async def open_client(client: Client, settings: Settings) -> AsyncIterator[Client]:
    """A started client, closed at the end. Raises UnreachableError, Refused; nothing when it
    closes: what must have reached Kafka is to be awaited inside."""
    try:
        async with asyncio.timeout(settings.deadline):
            await client.start()
    except TimeoutError:
        await force_close_client(client)
        raise no_answer_error(settings.bootstrap, settings.deadline) from None
    except (KafkaError, OSError) as error:
        await force_close_client(client)
        # aiokafka has only logged why: ask again, by hand.
        raise await diagnose_connection(
            connection_arguments(settings), settings.deadline, error
        ) from None
    except BaseException:
        await force_close_client(client)
        raise
    try:
        yield client
    finally:
        await close_client(client)


async def close_client(client: Any, patience: float = 2.0) -> None:
    """Stop a client in good order, or leave it behind after `patience` seconds; never raises."""
    stop = client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop()
    task = asyncio.current_task()
    asked_to_end = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(patience):
            await stop
    except (TimeoutError, KafkaError, OSError):
        await force_close_client(client)
    except asyncio.CancelledError:
        await force_close_client(client)
        if task and task.cancelling() > asked_to_end:
            raise
        # Else it is a task of aiokafka's own that was cancelled, and not we.
    retrieve_exceptions(client)
