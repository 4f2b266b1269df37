"""Does a notice reach everybody whom the routes of a pipeline name?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex

from farandole.events.incident_record import Incident, NoticeChannel
from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.mail_message import compose_test_mail, notice_message_id
from farandole.notifier.notice_composer import DEFAULT_SENDER
from farandole.notifier.route_targets import RouteTarget, route_targets
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.smtp_delivery import deliver_mail
from farandole.notifier.webhook_delivery import WEBHOOK_RECIPIENT, post_webhook
from farandole.notifier.webhook_payload import webhook_payload
from farandole.operations.errors import NotFoundError, operation
from farandole.operations.installation import Installation
from farandole.operations.results import Result

_AT_A_TIME = 4  # as the notifier


@dataclass(frozen=True, slots=True)
class RouteTestRequest:
    """Which routes are tried, and who asked for it."""

    by: str
    route: int | None = None
    """The number of the only route that is tried, from 1; None for all."""


class TriedTarget(Result):
    """A mailbox or a webhook, and whether a test message has reached it."""

    channel: NoticeChannel
    to: str
    """A mail address, or `webhook`: a webhook's address may contain a secret."""
    places: list[str]
    """Where it is named: `route 2`, or `route 2, step 1`."""
    delivered: bool
    server: str
    """How far the connection came; for a webhook, without its path."""
    answer: str
    """What the server has answered; or why nothing was delivered."""


@operation
async def send_through_routes(
    installation: Installation, request: RouteTestRequest
) -> list[TriedTarget]:
    """Send a test message to each mailbox and webhook of the routes in force, once. Raises
    NotFoundError (`unknown_route`, and if nothing is applied) and UnavailableError."""
    version = await installation.newest_version()
    routes = version.alerts.routes
    if (request.route is not None and request.route > len(routes)) or not routes:
        raise NotFoundError(
            "unknown_route",
            _no_route_text(version.name, len(routes), request.route),
            route=request.route,
            routes=len(routes),
        )
    settings = NotifierSettings.load(installation.folder)
    targets = route_targets(routes, request.route)
    return await try_targets(targets, settings, version.pipeline, request.by)


async def try_targets(
    targets: Sequence[RouteTarget], settings: NotifierSettings, pipeline: str, by: str
) -> list[TriedTarget]:
    """Send a test message to each target, a few at a time, and return the results in the order of
    the targets."""
    free = asyncio.Semaphore(_AT_A_TIME)

    async def tried(target: RouteTarget) -> TriedTarget:
        async with free:
            return await _try_target(target, settings, pipeline, by)

    return list(await asyncio.gather(*map(tried, targets)))


async def _try_target(
    target: RouteTarget, settings: NotifierSettings, pipeline: str, by: str
) -> TriedTarget:
    to = target.address if target.channel == "email" else WEBHOOK_RECIPIENT
    send = _send_mail if target.channel == "email" else _send_post
    outcome = await send(target, settings, pipeline, by)
    reasons = {**outcome.refused, **outcome.deferred}
    return TriedTarget(
        channel=target.channel,
        to=to,
        places=list(target.places),
        delivered=to in outcome.delivered,
        server=outcome.route_text,
        answer=outcome.answer if to in outcome.delivered else reasons[to],
    )


async def _send_mail(
    target: RouteTarget, settings: NotifierSettings, pipeline: str, by: str
) -> DeliveryOutcome:
    sender = settings.mail_from or DEFAULT_SENDER
    mail = compose_test_mail(
        sender=sender,
        recipient=target.address,
        paragraphs=_paragraphs(target, pipeline, by),
        now=datetime.now(UTC),
        message_id=notice_message_id(f"test-{token_hex(8)}", 0, sender),
    )
    return await deliver_mail(settings, mail.encode(), sender, [target.address])


async def _send_post(
    target: RouteTarget, settings: NotifierSettings, pipeline: str, by: str
) -> DeliveryOutcome:
    now = datetime.now(UTC)
    test_id = f"test-{token_hex(8)}"
    test = Incident(
        id=test_id,
        pipeline=pipeline,
        stage="",
        fingerprint="test",
        error="Test",
        title="this is a test of the route: nothing has failed",
        version="",
        opened=now,
        last=now,
        due=now,
        count=1,
        firing=1,
        said=" ".join(_paragraphs(target, pipeline, by)),
        seen=0,
    )
    payload = webhook_payload(test, "opened", now=now)
    return await post_webhook(settings, target.address, test_id, payload, now)


def _paragraphs(target: RouteTarget, pipeline: str, by: str) -> list[str]:
    return [
        f"{by} asked for it by `farandole test-mail --routes`.",
        f"Incidents of {pipeline} come this way: {'; '.join(target.places)} of its"
        " `alerts:`. There is nothing to do.",
    ]


def _no_route_text(version: str, known: int, route: int | None) -> str:
    if known == 0:
        return (
            f"{version}, which is in force, tells nobody; add `email:`, `webhook:` or `routes:`"
            " below `alerts:`, and apply the file"
        )
    counted = "1 route" if known == 1 else f"{known} routes"
    return f"{version}, which is in force, has no route {route}: it has {counted}"
