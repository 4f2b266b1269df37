"""Through which channel does a notice reach somebody, and which recipients remain?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from farandole.events.incident_record import Notice, NoticeChannel
from farandole.notifier import smtp_delivery, webhook_delivery
from farandole.notifier.delivery_outcome import AttemptResult, DeliveryOutcome
from farandole.notifier.delivery_tasks import OwnershipCheck
from farandole.notifier.mail_message import named_recipients
from farandole.notifier.settings import NotifierSettings

ChannelSender = Callable[[Notice, OwnershipCheck], Awaitable[DeliveryOutcome]]
"""One attempt through one channel."""
_LANE_LOST = "another notifier has taken over"


def build_channels(
    settings: NotifierSettings, now: Callable[[], datetime]
) -> Mapping[NoticeChannel, ChannelSender]:
    """Return the sender of each channel. `now` is called for each post, because the signature of a
    post expires."""

    async def email(notice: Notice, owns_lane: OwnershipCheck) -> DeliveryOutcome:
        return await smtp_delivery.deliver_mail(
            settings, notice.mail.encode(), notice.sender, notice.recipients, owns_lane
        )

    async def webhook(notice: Notice, _: OwnershipCheck) -> DeliveryOutcome:
        if notice.webhook is None:
            return DeliveryOutcome(
                refused={webhook_delivery.WEBHOOK_RECIPIENT: "the route names no webhook"}
            )
        # Standard Webhooks sign `id.time.body`, so an id may contain no dot.
        webhook_id = notice.id.replace(".", "_")
        return await webhook_delivery.post_webhook(
            settings, notice.webhook, webhook_id, notice.payload, now()
        )

    return {"email": email, "webhook": webhook}


async def deliver_notice(
    notice: Notice,
    owns_lane: OwnershipCheck,
    channels: Mapping[NoticeChannel, ChannelSender],
) -> AttemptResult:
    """Try the notice's channels in their order until one of them reaches somebody.

    1. The channels are alternatives. The first one that reaches anybody ends the attempt; after one
       that reaches nobody, the next one is tried in the same attempt.
    2. A webhook post delivers the whole notice: nothing remains.
    3. A mail is delivered to the recipients that the server accepted. Those that it deferred remain
       for the next attempt. Those that it refused are given up, because somebody else has the
       notice.
    4. If no channel reached anybody, all recipients remain, the refused ones as well: a notice that
       nobody received is never dropped.
    5. At a later attempt, the header of the mail shows all recipients. If fewer of them remain,
       somebody has the notice already, and refused recipients are given up as in 3.
    6. `owns_lane` is asked before each channel. Once it returns False nothing more is sent, because
       the next owner makes the same attempt.
    """
    outcomes: list[tuple[NoticeChannel, DeliveryOutcome]] = []
    for channel in notice.channels:
        if not await owns_lane():
            if not outcomes:
                return AttemptResult(notice, was_made=False)
            outcomes.append((channel, DeliveryOutcome(deferred={channel: _LANE_LOST})))
            break
        outcome = await channels[channel](notice, owns_lane)
        outcomes.append((channel, outcome))
        if outcome.delivered:
            break
    return settle_attempt(notice, outcomes)


def settle_attempt(
    notice: Notice, outcomes: Sequence[tuple[NoticeChannel, DeliveryOutcome]]
) -> AttemptResult:
    """Return what remains of a notice after its channels were tried, by the rules of
    `deliver_notice`. The notice's `attempts` and `due` stay unchanged."""
    failures: dict[str, str] = {}
    for channel, outcome in outcomes:
        failures |= _failure_reasons(channel, outcome)
    if not outcomes:
        failures = {"channels": "the route names no channel"}
    reached = next((o.delivered for _, o in outcomes if o.delivered), ())
    if any(channel == "webhook" and o.delivered for channel, o in outcomes):
        return AttemptResult(None, reached, failures=failures)
    reached_before = bool(set(named_recipients(notice.mail)) - set(notice.recipients))
    refused = {
        a: reason for _, o in outcomes for a, reason in o.refused.items() if a in notice.recipients
    }
    given_up = refused if reached or reached_before else {}
    done = {*reached, *given_up}
    rest = tuple(address for address in notice.recipients if address not in done)
    # A notice without mail recipients has only a webhook, and here the post was not delivered.
    is_finished = not rest and bool(notice.recipients)
    remaining = (
        None
        if is_finished
        else notice.model_copy(update={"recipients": rest, "failures": failures})
    )
    return AttemptResult(remaining, reached, given_up, failures)


def _failure_reasons(channel: NoticeChannel, outcome: DeliveryOutcome) -> dict[str, str]:
    """Return the reasons by address, or by channel if everything failed for the same reason."""
    by_address = {**outcome.refused, **outcome.deferred}
    reasons = set(by_address.values())
    if not outcome.delivered and len(reasons) == 1:
        return {channel: reasons.pop()}
    return by_address
