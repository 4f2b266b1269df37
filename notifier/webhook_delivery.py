"""How is a notice posted to a webhook, and is the post accepted?"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.text_format import clip_line

WEBHOOK_RECIPIENT = "webhook"
"""The name of the webhook in outcomes, because its address may contain a secret."""

_RETRYABLE_STATUSES = frozenset({408, 425, 429})
_MAX_QUOTED_BYTES = 200  # of the receiver's answer
_ANSWER_SECONDS = 1.0  # for the body of the answer, after its status has arrived


async def post_webhook(
    settings: NotifierSettings, url: str, webhook_id: str, payload: str, now: datetime
) -> DeliveryOutcome:
    """Post the payload within `webhook_timeout` seconds, and return whether it was accepted. It is
    signed by Standard Webhooks if there is a secret. A failure of the receiver never raises an
    exception.

    *Delivered*: 2xx. *Deferred*: 408, 425, 429, 5xx, a deadline that passed, a lost connection.
    *Refused*: every other answer. A redirection is not followed, because it would send the post and
    its signature to an address that nobody configured.
    """
    try:
        parts = urlsplit(url)
        # Without the path, which may contain a secret.
        server = f"{parts.scheme}://{clip_line(parts.hostname or '')}"
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_http = False
    if not is_http:
        return DeliveryOutcome(
            refused={WEBHOOK_RECIPIENT: "the webhook is no http:// or https:// address"}
        )
    body = payload.encode()
    try:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        headers |= signature_headers(settings.webhook_key(), webhook_id, int(now.timestamp()), body)
        async with asyncio.timeout(settings.webhook_timeout):
            status, reason, content = await _send_post(url, body, headers)
    except TimeoutError:
        reason = f"no answer within {settings.webhook_timeout:g} s; it may have arrived"
        return DeliveryOutcome(deferred={WEBHOOK_RECIPIENT: f"{server}: {reason}"})
    except InvalidSettingsError as error:
        return DeliveryOutcome(
            deferred={WEBHOOK_RECIPIENT: clip_line(str(error), _MAX_QUOTED_BYTES)}
        )
    except aiohttp.InvalidURL:
        return DeliveryOutcome(refused={WEBHOOK_RECIPIENT: "the webhook's address cannot be read"})
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return DeliveryOutcome(deferred={WEBHOOK_RECIPIENT: f"{server}: {_error_text(error)}"})
    answer = clip_line(
        f"{status} {reason}: {content}" if content else f"{status} {reason}", _MAX_QUOTED_BYTES
    )
    if 200 <= status < 300:
        return DeliveryOutcome(delivered=(WEBHOOK_RECIPIENT,), route_text=server, answer=answer)
    reasons = {WEBHOOK_RECIPIENT: f"{server}: {answer}"}
    if status in _RETRYABLE_STATUSES or status >= 500:
        return DeliveryOutcome(deferred=reasons, route_text=server)
    return DeliveryOutcome(refused=reasons, route_text=server)


def signature_headers(key: bytes | None, id: str, timestamp: int, body: bytes) -> dict[str, str]:  # noqa: A002 -- as above
    """Return the headers of Standard Webhooks. Without a key they have an id and no signature."""
    headers = {"webhook-id": id, "webhook-timestamp": str(timestamp)}
    if key is not None:
        content = b".".join((id.encode(), str(timestamp).encode(), body))
        digest = hmac.digest(key, content, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


async def _send_post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """Post the body, and return status, reason, and the beginning of the answer."""
    async with (
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        content = b""
        with suppress(TimeoutError, aiohttp.ClientError):  # the status is enough
            async with asyncio.timeout(_ANSWER_SECONDS):
                content = await response.content.read(4 * _MAX_QUOTED_BYTES)
        return response.status, response.reason or "", content.decode(errors="replace")


def _error_text(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the connection was closed before an answer; it may have arrived"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            "its certificate is not believed: "
            f"{clip_line(str(error.certificate_error), _MAX_QUOTED_BYTES)}"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {clip_line(str(error.os_error), _MAX_QUOTED_BYTES)}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"its answer is no HTTP: {clip_line(error.message, _MAX_QUOTED_BYTES)}"
    return clip_line(f"{type(error).__name__}: {error}", _MAX_QUOTED_BYTES)
