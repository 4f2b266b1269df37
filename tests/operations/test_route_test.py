"""Does a test message reach each target of the routes, and is each failure told?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from farandole.events.topology_version import AlertRoute, EscalationStep
from farandole.notifier.route_targets import route_targets
from farandole.notifier.settings import NotifierSettings
from farandole.operations.incidents.route_test import TriedTarget, try_targets
from tests.notifier.servers import serving
from tests.notifier.test_webhook_delivery import answering

pytestmark = pytest.mark.usefixtures("unset")

GONE = "gone@example.com"
SENDER = "f@example.com"


async def tried(hook: str, **settings: Any) -> list[TriedTarget]:
    route = AlertRoute(
        email=("ann@example.com", GONE),
        channels=("email",),
        escalate=(EscalationStep(after=300, webhook=hook, channels=("webhook",)),),
    )
    given = NotifierSettings(smtp_security="none", **settings)
    return await try_targets(route_targets((route,)), given, "order-lines", "me")


async def test_each_target_gets_one_message_and_a_failure_stops_none() -> None:
    posts = []

    async def take(request: web.Request) -> web.Response:
        posts.append(await request.json())
        return web.Response(text="thanks")

    async with serving({f"RCPT {GONE}": "550 5.1.1 nobody"}) as mail, answering(take) as hook:
        ann, gone, posted = await tried(
            hook, smtp_host="127.0.0.1", smtp_port=mail.port, mail_from=SENDER
        )
    assert [(ann.to, ann.delivered), (gone.to, gone.delivered)] == [
        ("ann@example.com", True),
        (GONE, False),
    ]
    assert "550 5.1.1 nobody" in gone.answer
    ((recipients, content),) = mail.got
    assert recipients == ("ann@example.com",)
    assert b"Farandole can write to you" in content
    assert (posted.to, posted.places, posted.delivered) == ("webhook", ["route 1, step 1"], True)
    assert posted.answer == "200 OK: thanks"
    assert "secret-token" not in json.dumps(posted.to_data())
    (post,) = posts
    assert post["alerts"][0]["labels"]["alertname"] == "Test"
    assert "this is a test" in post["alerts"][0]["annotations"]["description"]


async def test_without_a_mail_server_the_setting_is_named_and_webhooks_are_tried() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=404)

    async with answering(refuse) as hook:
        ann, _, posted = await tried(hook)
    assert not ann.delivered
    assert "set FARANDOLE_SMTP_HOST" in ann.answer
    assert not posted.delivered
    assert "404 Not Found" in posted.answer
