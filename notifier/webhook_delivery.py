"""What is posted of an incident, how, and what does the other side make of it?"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.events.incident_record import Incident, NoticeKind
from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.text_format import clip_line, clip_text, incident_headline

WEBHOOK_RECIPIENT = "webhook"
"""What an outcome calls it: its address may hold a secret."""
MAX_POSTED_ALERTS = 20
"""Incidents in one post; what exceeds them is counted."""

_RETRYABLE_STATUSES = frozenset({408, 425, 429})
_MAX_QUOTED_BYTES = 200  # bytes of the other side's answer
_ANSWER_SECONDS = 1.0  # seconds for it, once its number is there
_NOT_ENDED = "0001-01-01T00:00:00Z"  # how Alertmanager says that an alert has not ended


def webhook_payload(
    incident: Incident,
    kind: NoticeKind,
    *,
    commands: Sequence[tuple[str, str]] = (),
    others: Sequence[Incident] = (),
    now: datetime,
    receiver: str = "farandole",
    url: str = "",
) -> str:
    """JSON in the form of Alertmanager's webhooks (version 4), which pagers and chats read; one
    alert for the incident, and one for each of `others`. `url`: where more is to be seen."""
    told = [incident, *others][:MAX_POSTED_ALERTS]
    alerts = [_alert_json(incident, kind, now, url, commands)]
    alerts += [_alert_json(o, "resolved" if o.resolved else "growing", now, url) for o in told[1:]]
    status = "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved"
    grouped = {name: alerts[0]["labels"][name] for name in ("pipeline", "stage", "incident")}
    return orjson.dumps(
        {
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f'{n}="{v}"' for n, v in grouped.items()) + "}",
            "truncatedAlerts": 1 + len(others) - len(told),
            "status": status,
            "receiver": receiver,
            "groupLabels": grouped,
            "commonLabels": _common_items([alert["labels"] for alert in alerts]),
            "commonAnnotations": _common_items([alert["annotations"] for alert in alerts]),
            "externalURL": url,
            "alerts": alerts,
        }
    ).decode()


async def post_webhook(
    settings: NotifierSettings, url: str, webhook_id: str, payload: str, now: datetime
) -> DeliveryOutcome:
    """Post it within `webhook_timeout` seconds, signed as Standard Webhooks say where there is a
    secret. Never raises for what the other side does.

    2xx is delivered. *Deferred*: 408, 425, 429, 5xx, a passed deadline, a lost connection.
    *Refused*: every other answer; a redirection is not followed, for it would carry the post, and
    its signature, to somewhere that nobody named.
    """
    try:
        parts = urlsplit(url)
        # Not its path: it may be a secret.
        place = f"{parts.scheme}://{clip_line(parts.hostname or '')}"
        possible = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        possible = False
    if not possible:
        return DeliveryOutcome(
            refused={WEBHOOK_RECIPIENT: "the webhook is no http:// or https:// address"}
        )
    body = payload.encode()
    try:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        headers |= signature_headers(settings.webhook_key(), webhook_id, int(now.timestamp()), body)
        async with asyncio.timeout(settings.webhook_timeout):
            status, reason, said = await _send_post(url, body, headers)
    except TimeoutError:
        late = f"no answer within {settings.webhook_timeout:g} s; it may have arrived"
        return DeliveryOutcome(deferred={WEBHOOK_RECIPIENT: f"{place}: {late}"})
    except InvalidSettingsError as error:
        return DeliveryOutcome(
            deferred={WEBHOOK_RECIPIENT: clip_line(str(error), _MAX_QUOTED_BYTES)}
        )
    except aiohttp.InvalidURL:
        return DeliveryOutcome(refused={WEBHOOK_RECIPIENT: "the webhook's address cannot be read"})
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return DeliveryOutcome(deferred={WEBHOOK_RECIPIENT: f"{place}: {_error_text(error)}"})
    answer = clip_line(
        f"{status} {reason}: {said}" if said else f"{status} {reason}", _MAX_QUOTED_BYTES
    )
    if 200 <= status < 300:
        return DeliveryOutcome(delivered=(WEBHOOK_RECIPIENT,), way=place, answer=answer)
    why = {WEBHOOK_RECIPIENT: f"{place}: {answer}"}
    if status in _RETRYABLE_STATUSES or status >= 500:
        return DeliveryOutcome(deferred=why, way=place)
    return DeliveryOutcome(refused=why, way=place)


def signature_headers(key: bytes | None, id: str, timestamp: int, body: bytes) -> dict[str, str]:  # noqa: A002 -- as above
    """The headers of Standard Webhooks; without a key the post is named, not signed."""
    headers = {"webhook-id": id, "webhook-timestamp": str(timestamp)}
    if key is not None:
        content = b".".join((id.encode(), str(timestamp).encode(), body))
        digest = hmac.digest(key, content, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


async def _send_post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """Status, reason, and the beginning of the answer."""
    async with (
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        said = b""
        with suppress(TimeoutError, aiohttp.ClientError):  # the number says enough
            async with asyncio.timeout(_ANSWER_SECONDS):
                said = await response.content.read(4 * _MAX_QUOTED_BYTES)
        return response.status, response.reason or "", said.decode(errors="replace")


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


def _alert_json(
    incident: Incident,
    kind: NoticeKind,
    now: datetime,
    url: str,
    commands: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    labels = {
        "alertname": clip_line(incident.error),
        "pipeline": clip_line(incident.pipeline),
        "stage": clip_line(incident.stage),
        "incident": clip_line(incident.id),
        "severity": "error",
    }
    return {
        "status": "resolved" if kind == "resolved" else "firing",
        "labels": labels,
        "annotations": _alert_annotations(incident, kind, now, commands),
        "startsAt": _rfc3339(incident.opened),
        "endsAt": _rfc3339(incident.resolved or incident.last)
        if kind == "resolved"
        else _NOT_ENDED,
        "generatorURL": url,
        # What receivers tell alerts apart by: of the labels, as Alertmanager's.
        "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
    }


def _alert_annotations(
    incident: Incident, kind: NoticeKind, now: datetime, commands: Sequence[tuple[str, str]]
) -> dict[str, str]:
    said = {
        "summary": incident_headline(incident, kind, now),
        "description": clip_line(incident.title, 300),
        "version": clip_line(incident.version),
        "count": str(incident.count),
    }
    if kind != "resolved" and incident.samples:
        newest = incident.samples[-1]
        said["message"] = clip_text(newest.message, 600)
        said["event"] = f"{clip_line(newest.topic, 160)}/{newest.partition}/{newest.offset}"
    whole = [(what, text) for what, text in commands[:10] if len(text) <= 900]
    if whole:
        said["commands"] = "\n".join(
            f"{clip_line(what)}: {clip_text(text, 4000)}" for what, text in whole
        )
    return said


def _common_items(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first = each[0].items()
    return {name: value for name, value in first if all(e.get(name) == value for e in each)}


def _rfc3339(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
