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

from farandole.broker.errors import BadSettings
from farandole.events.incident import Incident, Kind
from farandole.notifier.outcome import Outcome
from farandole.notifier.settings import Settings
from farandole.notifier.words import cut, headline, line

RECIPIENT = "webhook"
"""What an outcome calls it: its address may hold a secret."""
ALERTS = 20
"""Incidents in one post; what exceeds them is counted."""

_LATER = frozenset({408, 425, 429})
_QUOTED = 200  # bytes of the other side's answer
_EXPLANATION = 1.0  # seconds for it, once its number is there
_NEVER = "0001-01-01T00:00:00Z"  # how Alertmanager says that an alert has not ended


def payload(
    incident: Incident,
    kind: Kind,
    *,
    commands: Sequence[tuple[str, str]] = (),
    others: Sequence[Incident] = (),
    now: datetime,
    receiver: str = "farandole",
    url: str = "",
) -> str:
    """JSON in the form of Alertmanager's webhooks (version 4), which pagers and chats read; one
    alert for the incident, and one for each of `others`. `url`: where more is to be seen."""
    told = [incident, *others][:ALERTS]
    alerts = [_alert(incident, kind, now, url, commands)]
    alerts += [_alert(o, "resolved" if o.resolved else "growing", now, url) for o in told[1:]]
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
            "commonLabels": _common([alert["labels"] for alert in alerts]),
            "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
            "externalURL": url,
            "alerts": alerts,
        }
    ).decode()


async def post(settings: Settings, url: str, id: str, payload: str, now: datetime) -> Outcome:  # noqa: A002 -- Standard Webhooks' word
    """Post it within `webhook_timeout` seconds, signed as Standard Webhooks say where there is a
    secret. Never raises for what the other side does.

    2xx is delivered. *Deferred*: 408, 425, 429, 5xx, a passed deadline, a lost connection.
    *Refused*: every other answer; a redirection is not followed, for it would carry the post, and
    its signature, to somewhere that nobody named.
    """
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{line(parts.hostname or '')}"  # not its path: it may be a secret
        possible = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        possible = False
    if not possible:
        return Outcome(refused={RECIPIENT: "the webhook is no http:// or https:// address"})
    body = payload.encode()
    try:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        headers |= signed(settings.webhook_key(), id, int(now.timestamp()), body)
        async with asyncio.timeout(settings.webhook_timeout):
            status, reason, said = await _posted(url, body, headers)
    except TimeoutError:
        late = f"no answer within {settings.webhook_timeout:g} s; it may have arrived"
        return Outcome(deferred={RECIPIENT: f"{place}: {late}"})
    except BadSettings as error:
        return Outcome(deferred={RECIPIENT: line(str(error), _QUOTED)})
    except aiohttp.InvalidURL:
        return Outcome(refused={RECIPIENT: "the webhook's address cannot be read"})
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(deferred={RECIPIENT: f"{place}: {_told(error)}"})
    answer = line(f"{status} {reason}: {said}" if said else f"{status} {reason}", _QUOTED)
    if 200 <= status < 300:
        return Outcome(delivered=(RECIPIENT,), way=place, answer=answer)
    why = {RECIPIENT: f"{place}: {answer}"}
    if status in _LATER or status >= 500:
        return Outcome(deferred=why, way=place)
    return Outcome(refused=why, way=place)


def signed(key: bytes | None, id: str, timestamp: int, body: bytes) -> dict[str, str]:  # noqa: A002 -- as above
    """The headers of Standard Webhooks; without a key the post is named, not signed."""
    headers = {"webhook-id": id, "webhook-timestamp": str(timestamp)}
    if key is not None:
        content = b".".join((id.encode(), str(timestamp).encode(), body))
        digest = hmac.digest(key, content, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


async def _posted(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """Status, reason, and the beginning of the answer."""
    async with (
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        said = b""
        with suppress(TimeoutError, aiohttp.ClientError):  # the number says enough
            async with asyncio.timeout(_EXPLANATION):
                said = await response.content.read(4 * _QUOTED)
        return response.status, response.reason or "", said.decode(errors="replace")


def _told(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "the connection was closed before an answer; it may have arrived"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not believed: {line(str(error.certificate_error), _QUOTED)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {line(str(error.os_error), _QUOTED)}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"its answer is no HTTP: {line(error.message, _QUOTED)}"
    return line(f"{type(error).__name__}: {error}", _QUOTED)


def _alert(
    incident: Incident,
    kind: Kind,
    now: datetime,
    url: str,
    commands: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    labels = {
        "alertname": line(incident.error),
        "pipeline": line(incident.pipeline),
        "stage": line(incident.stage),
        "incident": line(incident.id),
        "severity": "error",
    }
    return {
        "status": "resolved" if kind == "resolved" else "firing",
        "labels": labels,
        "annotations": _annotations(incident, kind, now, commands),
        "startsAt": _time(incident.opened),
        "endsAt": _time(incident.resolved or incident.last) if kind == "resolved" else _NEVER,
        "generatorURL": url,
        # What receivers tell alerts apart by: of the labels, as Alertmanager's.
        "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
    }


def _annotations(
    incident: Incident, kind: Kind, now: datetime, commands: Sequence[tuple[str, str]]
) -> dict[str, str]:
    said = {
        "summary": headline(incident, kind, now),
        "description": line(incident.title, 300),
        "version": line(incident.version),
        "count": str(incident.count),
    }
    if kind != "resolved" and incident.samples:
        newest = incident.samples[-1]
        said["message"] = cut(newest.message, 600)
        said["event"] = f"{line(newest.topic, 160)}/{newest.partition}/{newest.offset}"
    whole = [(what, text) for what, text in commands[:10] if len(text) <= 900]
    if whole:
        said["commands"] = "\n".join(f"{line(what)}: {cut(text, 4000)}" for what, text in whole)
    return said


def _common(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first = each[0].items()
    return {name: value for name, value in first if all(e.get(name) == value for e in each)}


def _time(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
