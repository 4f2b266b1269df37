"""Why does Kafka not accept a client: wrong address, TLS, password or rights?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka.errors import (
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

from farandole.broker.aiokafka_internals import MetadataRequest, collect_hosts, create_conn
from farandole.broker.broker_errors import (
    AccessDeniedError,
    BrokerError,
    ForeignClusterError,
    NoAnswerError,
    UnreachableError,
)
from farandole.broker.connection_gate import process_gate
from farandole.broker.missing_rights import denial_text, missing_right
from farandole.broker.settings import ENV_PREFIX
from farandole.events.next_step import NextStep

_ACCESS_DENIED_ERRORS = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
_TLS_PROTOCOLS = ("SSL", "SASL_SSL")


def is_access_denied(error: type[BaseException]) -> bool:
    """Return True if an error of this type means that the broker refuses our user or our rights."""
    return issubclass(error, _ACCESS_DENIED_ERRORS)


def no_answer_error(servers: str | None, seconds: float) -> NoAnswerError:
    """Return the error for servers that do not answer in time."""
    return NoAnswerError(
        f"Kafka at {servers} does not answer within {seconds:g} s;"
        f" is it up, and is {ENV_PREFIX}BOOTSTRAP right?"
    )


async def diagnose_connection(
    arguments: dict[str, Any], seconds: float, error: Exception, cluster_id: str | None = None
) -> BrokerError:
    """Return an error with the most exact reason why a client with these `arguments`
    (`kafka_clients.connection_arguments`) cannot connect. `error` is what the client raised,
    `cluster_id` the cluster that must answer; None for any."""
    servers = arguments["bootstrap_servers"]
    hosts = collect_hosts(servers, randomize=False)
    found: BrokerError | None = None
    reasons: list[str] = []
    answering: tuple[str, int] | None = None
    try:
        async with asyncio.timeout(seconds):
            for host, port, _ in hosts:
                problem = await _probe_in_turn(host, port, arguments, cluster_id)
                if isinstance(problem, AccessDeniedError | ForeignClusterError):
                    return problem
                found = problem or found
                reasons += [problem.message] if problem else []
                answering = answering if problem else (host, port)
            if answering is not None:
                found = await _probe_advertised(*answering, arguments, cluster_id)
    except TimeoutError:
        if len(hosts) > 1 or found is None:
            return no_answer_error(servers, seconds)
        return found
    if len(reasons) == len(hosts) > 1:
        return _none_answers_error(reasons)
    if found is None and is_access_denied(type(error)):
        right = missing_right(error) if isinstance(error, KafkaError) else None
        if right is not None:
            return AccessDeniedError(f"{denial_text(right)}, at {servers}")
        return AccessDeniedError(f"Kafka at {servers} refuses us: {_one_line(error)}")
    return found or UnreachableError(
        f"Kafka at {servers} answers and then fails: {_one_line(error)}"
    )


async def _probe_in_turn(
    host: str, port: int, arguments: dict[str, Any], cluster_id: str | None
) -> BrokerError | None:
    """Return what `probe_server` returns or, if the server has just failed, why."""
    try:
        await process_gate().wait((host, port))
    except KafkaConnectionError as error:
        known = error.__cause__ or error
        if isinstance(known, BrokerError):
            return known
        return _explain_error(f"{host}:{port}", arguments, known)
    return await probe_server(host, port, arguments, cluster_id)


async def _probe_advertised(
    host: str, port: int, arguments: dict[str, Any], cluster_id: str | None
) -> BrokerError | None:
    """Connect to each broker that a server advertises. Return None if all answer, otherwise an
    error that names one that does not."""
    try:
        connected = await _connect(host, port, arguments)
        brokers = (await connected.send(MetadataRequest([]))).brokers
        connected.close()
    except (KafkaError, OSError):
        return None
    for number, name, advertised_port, *_ in brokers:
        problem = await probe_server(name, advertised_port, arguments, cluster_id)
        if problem is not None:
            return UnreachableError(
                f"Kafka at {host}:{port} answers, and advertises {name}:{advertised_port} for its"
                f" broker {number}, which cannot be reached from here ({problem.message}): make"
                " that name known here, or correct advertised.listeners of the broker"
            )
    return None


async def _connect(host: str, port: int, arguments: dict[str, Any]) -> Any:
    """Return a connection to one server."""
    common = {
        key: value
        for key, value in arguments.items()
        if key not in ("bootstrap_servers", "retry_backoff_ms")
    }
    return await create_conn(host, port, **common)


def _none_answers_error(reasons: Sequence[str]) -> UnreachableError:
    return UnreachableError(
        f"none of the {len(reasons)} servers takes us: {'; '.join(reasons)};"
        f" are they up, and is {ENV_PREFIX}BOOTSTRAP right?"
    )


async def probe_server(
    host: str, port: int, arguments: dict[str, Any], cluster_id: str | None = None, brokers: int = 1
) -> BrokerError | None:
    """Connect to one server and request its metadata. Return None if it answers and knows so many
    brokers, otherwise an error with the reason. ForeignClusterError: it is not of the cluster
    `cluster_id`."""
    server = f"{host}:{port}"
    connected = None
    try:
        connected = await _connect(host, port, arguments)
        answer = await connected.send(MetadataRequest([]))
        if cluster_id is not None and answer.cluster_id != cluster_id:
            return ForeignClusterError(server, answer.cluster_id, cluster_id)
        if len(answer.brokers) < brokers:
            return UnreachableError(f"{server} is still starting")
    except (KafkaError, OSError, ValueError, EOFError) as error:
        # aiokafka wraps the cause of a broken connection.
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        return _explain_error(server, arguments, cause)
    finally:
        if connected is not None:
            connected.close()
    return None


def _explain_error(server: str, arguments: dict[str, Any], error: BaseException) -> BrokerError:
    match error:
        case UnsupportedSaslMechanismError():
            return AccessDeniedError(
                f"{server} does not offer {arguments['sasl_mechanism']};"
                f" set {ENV_PREFIX}SASL_MECHANISM to one that it does"
            )
        case SaslAuthenticationFailed():
            return AccessDeniedError(
                f"{server} refuses the user {arguments['sasl_plain_username']!r}: wrong user name"
                f" or password; see {ENV_PREFIX}SASL_USERNAME and {ENV_PREFIX}SASL_PASSWORD"
            )
        case KafkaError() if is_access_denied(type(error)):
            return AccessDeniedError(f"{server} refuses us: {_one_line(error)}")
        case ssl.SSLCertVerificationError():
            return AccessDeniedError(
                f"the certificate of {server} is not to be trusted ({error.verify_message});"
                f" set {ENV_PREFIX}TLS_CA to the CA that signed it"
            )
        case ssl.SSLError() if "CERTIFICATE" in (error.reason or ""):
            return AccessDeniedError(
                f"{server} asks for a client certificate that it trusts;"
                f" set {ENV_PREFIX}TLS_CERT and {ENV_PREFIX}TLS_KEY"
            )
        case ssl.SSLError() | ConnectionResetError() if (
            arguments["security_protocol"] in _TLS_PROTOCOLS
        ):
            return UnreachableError(
                f"{server} does not speak TLS ({_one_line(error)}); is {ENV_PREFIX}TLS "
                "or the port wrong?"
            )
        case OSError() if not isinstance(error, ConnectionResetError):
            return UnreachableError(
                f"no broker answers at {server} ({error.strerror or _one_line(error)})",
                NextStep("start one", ("kafka", "start"), f", or set {ENV_PREFIX}BOOTSTRAP"),
            )
    if arguments["security_protocol"] in _TLS_PROTOCOLS:
        # The client does not see the alert with which TLS 1.3 requires a certificate.
        return AccessDeniedError(
            f"{server} speaks TLS and hangs up on us: does it want a client certificate"
            f" ({ENV_PREFIX}TLS_CERT, {ENV_PREFIX}TLS_KEY) or a password "
            f"({ENV_PREFIX}SASL_MECHANISM)?"
        )
    return UnreachableError(
        f"{server} hangs up on us: it is no Kafka broker, or it wants TLS or a password;"
        f" see {ENV_PREFIX}TLS and {ENV_PREFIX}SASL_MECHANISM"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
