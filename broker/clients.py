"""How is a Kafka client made safe: its defaults, its deadlines, its end?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from broker.errors import BadSettings, Refused, Unanswered, Unreachable
from broker.settings import Settings

T = TypeVar("T")
Client = TypeVar("Client", AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient)

_NOT_LET_IN = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
_DAY = 24 * 60 * 60 * 1000  # ms


async def within(awaitable: Awaitable[T], seconds: float, what: str) -> T:
    """The result. Raises Unanswered after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError:
        raise Unanswered(f"{what}: no answer within {seconds:g} s") from None


def connection(settings: Settings) -> dict[str, Any]:
    """What every client is told. Raises BadSettings."""
    if settings.bootstrap is None:
        raise BadSettings("no broker is known; start one: farandole kafka start")
    told: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "request_timeout_ms": int(settings.deadline * 1000),
        # 100 ms, the default, is a visible pause in each hop of a healthy cluster.
        "retry_backoff_ms": 10,
    }
    if settings.tls:
        told["ssl_context"] = _tls(settings)
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


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"TLS certificates cannot be read: {error}") from None
    return context


def consumer(settings: Settings, *, group: str | None = None, **over: Any) -> AIOKafkaConsumer:
    """Reads what is committed, decides nothing by itself about offsets."""
    return AIOKafkaConsumer(
        **connection(settings)
        | {
            "group_id": group,
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "session_timeout_ms": int(settings.session_timeout * 1000),
            "heartbeat_interval_ms": int(settings.heartbeat_interval * 1000),
            # aiokafka can only take "too long between polls" as death; our watchdog knows better.
            "max_poll_interval_ms": _DAY,
            "fetch_max_wait_ms": 100,
        }
        | over
    )


def producer(
    settings: Settings, *, transactional_id: str | None = None, **over: Any
) -> AIOKafkaProducer:
    """Waits for all replicas, numbers what it sends."""
    told: dict[str, Any] = {
        "acks": "all",
        "enable_idempotence": True,
        "max_batch_size": 900_000,  # below Kafka's default of 1 MiB for what a topic takes at once
        "max_request_size": 16 * 1024 * 1024,
    }
    if transactional_id is not None:
        told |= {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": int(settings.transaction_timeout * 1000),
        }
    return AIOKafkaProducer(**connection(settings) | told | over)


def admin(settings: Settings) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(**connection(settings))


@asynccontextmanager
async def opened(client: Client, settings: Settings) -> AsyncIterator[Client]:
    """A started client, stopped at the end. Raises Unreachable, Refused, Unanswered."""
    start = client.start()
    try:
        async with asyncio.timeout(settings.deadline):
            await start
    except BaseException as error:
        await close_hard(client)
        if isinstance(error, _NOT_LET_IN):
            raise refused(settings, error) from None
        if isinstance(error, KafkaConnectionError | TimeoutError | OSError):
            raise unreachable(settings) from None
        if isinstance(error, KafkaError):
            raise Unreachable(f"{settings.bootstrap}: {type(error).__name__}: {error}") from None
        raise
    try:
        yield client
    finally:
        stop = client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop()
        try:
            async with asyncio.timeout(2):
                await stop
        except (TimeoutError, KafkaError):
            await close_hard(client)


def unreachable(settings: Settings) -> Unreachable:
    return Unreachable(
        f"no Kafka answers at {settings.bootstrap}; is it running? "
        "`farandole kafka start` starts one here, FARANDOLE_BOOTSTRAP names another"
    )


def refused(settings: Settings, error: BaseException) -> Refused:
    said = str(error).partition("\n")[0] or type(error).__name__
    return Refused(
        f"Kafka at {settings.bootstrap} does not let us in ({said}); "
        "check FARANDOLE_SASL_USERNAME and its password, or ask for the rights"
    )


async def close_hard(client: Any) -> None:
    """Leave nothing of a client behind, whatever it waits for; never waits for the broker.

    `stop()` of a client whose broker is away does not return, and cancelling it leaks its tasks.
    """
    inner = client._client
    parts = [client, inner] + [
        getattr(client, name, None)
        for name in ("_sender", "_message_accumulator", "_coordinator", "_fetcher", "_subscription")
    ]
    client._closed = True
    owners = {id(part) for part in parts if part is not None}
    mine = [
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task() and id(_owner(task)) in owners
    ]
    for task in mine:
        task.cancel()
    if mine:
        await asyncio.wait(mine, timeout=0.5)
    try:
        async with asyncio.timeout(1):
            await inner.close()
    except Exception:  # noqa: BLE001, S110 -- nothing is left that we could do
        pass


def _owner(task: asyncio.Task[Any]) -> Any:
    """The object whose method a task runs."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame.f_locals.get("self") if frame is not None else None
