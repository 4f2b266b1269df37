"""Does a post have the documented form and signature, and what does each answer mean?"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.webhook_delivery import (
    WEBHOOK_RECIPIENT,
    post_webhook,
    signature_headers,
)
from farandole.notifier.webhook_payload import MAX_POSTED_ALERTS, webhook_payload
from tests.notifier.made import COMMANDS, NOW, incident, sample

pytestmark = pytest.mark.usefixtures("unset")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def read(kind: str = "opened", **given: Any) -> dict[str, Any]:
    fields = given.pop("fields", {})
    payload = webhook_payload(incident(**fields), kind, commands=COMMANDS, now=NOW, **given)  # type: ignore[arg-type]
    parsed: dict[str, Any] = json.loads(payload)
    return parsed


def test_the_payload_has_the_form_of_alertmanager() -> None:
    post = read()
    assert post["version"] == "4"
    assert post["status"] == "firing"
    assert post["truncatedAlerts"] == 0
    assert post["groupLabels"]["incident"] == "b2x7k4qdm5c3a"
    (alert,) = post["alerts"]
    assert alert["labels"]["alertname"] == "Reject"
    assert alert["annotations"]["summary"] == "1\u202f204 events died in validate since 12:03 UTC"
    assert alert["annotations"]["commands"].count("\n") == len(COMMANDS) - 1
    assert alert["startsAt"] == "2026-11-24T12:03:11Z"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"


def test_a_resolved_alert_has_an_end() -> None:
    post = read("resolved", fields={"resolved": NOW})
    assert post["status"] == post["alerts"][0]["status"] == "resolved"
    assert post["alerts"][0]["endsAt"] == "2026-11-24T12:09:45Z"


def test_an_alert_keeps_its_fingerprint_until_it_is_resolved() -> None:
    kept = [read(), read("growing", fields={"count": 9}), read("resolved")]
    assert len({each["alerts"][0]["fingerprint"] for each in kept}) == 1
    assert len({each["groupKey"] for each in kept}) == 1
    other = read(fields={"id": "another"})
    assert other["alerts"][0]["fingerprint"] != kept[0]["alerts"][0]["fingerprint"]


def test_other_incidents_are_further_alerts_and_common_labels_are_listed_once() -> None:
    post = read(others=[incident(id=f"o{n}", stage="load") for n in range(MAX_POSTED_ALERTS + 4)])
    assert len(post["alerts"]) == MAX_POSTED_ALERTS
    assert post["truncatedAlerts"] == 5
    assert post["commonLabels"] == {
        "alertname": "Reject", "pipeline": "order-lines", "severity": "notify"
    }  # fmt: skip


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_gives_safe_json(text: str) -> None:
    names = ("id", "pipeline", "stage", "error", "title", "version")
    found = incident(**dict.fromkeys(names, text), samples=(sample(message=text, topic=text),))
    payload = webhook_payload(found, "opened", commands=[(text, text)], now=NOW)
    json.loads(payload)
    assert not set(payload) & {"\x1b", "\u202e", "\0"}


def test_the_largest_post_is_bounded() -> None:
    worst = "\U0001f4a3" * 100_000
    names = ("id", "pipeline", "stage", "error", "title", "version")
    full = incident(**dict.fromkeys(names, worst), samples=(sample(message=worst, topic=worst),))
    payload = webhook_payload(
        full, "opened", commands=[(worst, worst)] * 99, others=[full] * 99, now=NOW
    )
    assert len(payload.encode()) < 100_000


def test_the_signature_equals_the_example_of_the_standard() -> None:
    key = NotifierSettings(webhook_secret=SECRET).webhook_key()  # type: ignore[arg-type]
    headers = signature_headers(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http://127.0.0.1:{port}/hooks/secret-token"
    finally:
        await runner.cleanup()


async def send(url: str, **given: Any) -> DeliveryOutcome:
    return await post_webhook(NotifierSettings(**given), url, "msg_1", '{"a": "ü"}', NOW)


def why(outcome: DeliveryOutcome) -> str:
    reason = {**outcome.refused, **outcome.deferred}[WEBHOOK_RECIPIENT]
    assert "secret-token" not in reason
    assert reason == " ".join(reason.split())
    return reason


async def test_the_post_that_arrives_has_the_right_signature() -> None:
    got: list[tuple[bytes, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        got.append((await request.read(), {k.lower(): v for k, v in request.headers.items()}))
        return web.Response(status=204)

    async with answering(handler) as url:
        outcome = await send(url, webhook_secret=SECRET)
    assert outcome.delivered == (WEBHOOK_RECIPIENT,)
    ((body, headers),) = got
    assert body == '{"a": "ü"}'.encode()
    assert headers["content-type"] == "application/json"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    content = f"msg_1.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"


async def test_without_a_secret_it_is_not_signed() -> None:
    got: list[set[str]] = []

    async def handler(request: web.Request) -> web.Response:
        got.append({name.lower() for name in request.headers})
        return web.Response()

    async with answering(handler) as url:
        await send(url)
    assert "webhook-id" in got[0]
    assert "webhook-signature" not in got[0]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_temporary_error_is_deferred(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text="not now")

    async with answering(handler) as url:
        outcome = await send(url)
    assert set(outcome.deferred) == {WEBHOOK_RECIPIENT}
    assert f"{status} " in why(outcome)
    assert "not now" in why(outcome)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 410])
async def test_a_permanent_error_is_refused_and_no_redirection_is_followed(status: int) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with answering(handler) as url:
        outcome = await send(url)
    assert set(outcome.refused) == {WEBHOOK_RECIPIENT}
    assert asked == ["/hooks/secret-token"]


async def test_an_answer_is_escaped_and_cut() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=400, body=b"\x1b[31m\r\n\xff" + b"x" * 1_000_000)

    async with answering(handler) as url:
        reason = why(await send(url))
    assert "\\x1b[31m" in reason
    assert len(reason) < 300


async def test_an_answer_whose_body_never_ends_is_judged_by_its_status() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=404)
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with answering(handler) as url:
        assert "404" in (await send(url)).refused[WEBHOOK_RECIPIENT]


async def test_no_answer_is_deferred_and_may_have_arrived() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with answering(handler) as url:
        outcome = await send(url, webhook_timeout=0.2)
    assert "no answer within 0.2 s; it may have arrived" in why(outcome)
    assert WEBHOOK_RECIPIENT in outcome.deferred


@pytest.mark.parametrize("answer", [b"", b"not http at all\r\n\r\n", b"HTTP/1.1 2"])
async def test_an_invalid_answer_is_deferred(answer: bytes) -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(f"http://127.0.0.1:{port}/secret-token")
    assert WEBHOOK_RECIPIENT in outcome.deferred
    assert why(outcome)


async def test_a_refused_connection_is_deferred() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await send(f"http://127.0.0.1:{taken.getsockname()[1]}/secret-token")
    assert "cannot be reached" in why(outcome)
    assert WEBHOOK_RECIPIENT in outcome.deferred


@pytest.mark.parametrize(
    "url", ["", "ftp://a/b", "file:///etc/passwd", "http://", "//a", "http://[::1", "a b"]
)
async def test_an_invalid_address_is_refused(url: str) -> None:
    assert WEBHOOK_RECIPIENT in (await send(url)).refused


async def test_a_secret_that_cannot_be_read_is_deferred(tmp_path: Any) -> None:
    outcome = await send("http://127.0.0.1:1/", webhook_secret_file=tmp_path / "gone")
    assert "WEBHOOK_SECRET_FILE" in outcome.deferred[WEBHOOK_RECIPIENT]
