"""Why does a broker not let us in?"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from farandole.broker.errors import BrokerError, Refused, Unreachable
from farandole.broker.settings import PREFIX

_REFUSALS = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
_TLS = ("SSL", "SASL_SSL")


def is_refusal(error: BaseException) -> bool:
    """Does the broker say that we may not?"""
    return isinstance(error, _REFUSALS)


def silent(servers: str | None, seconds: float) -> Unreachable:
    """What to say of servers that take a connection, or not even that, and then say nothing."""
    return Unreachable(
        f"Kafka at {servers} does not answer within {seconds:g} s;"
        f" is it up, and is {PREFIX}BOOTSTRAP right?"
    )


async def diagnosed(arguments: dict[str, Any], seconds: float, error: Exception) -> BrokerError:
    """The clearest of the reasons that the servers give for not serving a client made with these
    `arguments` of `broker.clients.connection`; `error` is what the client said."""
    servers = arguments["bootstrap_servers"]
    found: BrokerError | None = None
    try:
        async with asyncio.timeout(seconds):
            for host, port, _ in collect_hosts(servers, randomize=False):
                found = await asked(host, port, arguments)
                if isinstance(found, Refused):
                    return found
    except TimeoutError:
        return found or silent(servers, seconds)
    if found is None and is_refusal(error):
        return Refused(f"Kafka at {servers} refuses us: {_line(error)}")
    return found or Unreachable(f"Kafka at {servers} answers and then fails: {_line(error)}")


async def asked(host: str, port: int, arguments: dict[str, Any]) -> BrokerError | None:
    """What one server says to the first two words of a client; None if it serves us."""
    server = f"{host}:{port}"
    common = {
        key: value
        for key, value in arguments.items()
        if key not in ("bootstrap_servers", "retry_backoff_ms")
    }
    connected = None
    try:
        connected = await create_conn(host, port, **common)
        answer = await connected.send(MetadataRequest([]))
        if not answer.brokers:
            return Unreachable(f"{server} is still starting")
    except (KafkaError, OSError, ValueError, EOFError) as error:
        # What broke a connection stands behind what aiokafka makes of it.
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        return _verdict(server, arguments, cause)
    finally:
        if connected is not None:
            connected.close()
    return None


def _verdict(server: str, arguments: dict[str, Any], error: BaseException) -> BrokerError:
    match error:
        case UnsupportedSaslMechanismError():
            return Refused(
                f"{server} does not offer {arguments['sasl_mechanism']};"
                f" set {PREFIX}SASL_MECHANISM to one that it does"
            )
        case SaslAuthenticationFailed():
            return Refused(
                f"{server} refuses the user {arguments['sasl_plain_username']!r}: wrong user name"
                f" or password; see {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
            )
        case KafkaError() if is_refusal(error):
            return Refused(f"{server} refuses us: {_line(error)}")
        case ssl.SSLCertVerificationError():
            return Refused(
                f"the certificate of {server} is not to be trusted ({error.verify_message});"
                f" set {PREFIX}TLS_CA to the CA that signed it"
            )
        case ssl.SSLError() if "CERTIFICATE" in (error.reason or ""):
            return Refused(
                f"{server} asks for a client certificate that it trusts;"
                f" set {PREFIX}TLS_CERT and {PREFIX}TLS_KEY"
            )
        case ssl.SSLError() | ConnectionResetError() if arguments["security_protocol"] in _TLS:
            return Unreachable(
                f"{server} does not speak TLS ({_line(error)}); is {PREFIX}TLS or the port wrong?"
            )
        case OSError() if not isinstance(error, ConnectionResetError):
            return Unreachable(
                f"no broker answers at {server} ({error.strerror or _line(error)});"
                f" start one (farandole kafka start) or set {PREFIX}BOOTSTRAP"
            )
    if arguments["security_protocol"] in _TLS:
        # The alert by which TLS 1.3 asks for a certificate gets lost on its way to us.
        return Refused(
            f"{server} speaks TLS and hangs up on us: does it want a client certificate"
            f" ({PREFIX}TLS_CERT, {PREFIX}TLS_KEY) or a password ({PREFIX}SASL_MECHANISM)?"
        )
    return Unreachable(
        f"{server} hangs up on us: it is no Kafka broker, or it wants TLS or a password;"
        f" see {PREFIX}TLS and {PREFIX}SASL_MECHANISM"
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
