"""Through which channel does a notice reach somebody, and what of it is still to be delivered?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from farandole.events.incident_record import Notice, NoticeChannel
from farandole.notifier import smtp_delivery, webhook_delivery
from farandole.notifier.delivery_outcome import AttemptResult, DeliveryOutcome
from farandole.notifier.mail_message import named_recipients
from farandole.notifier.settings import NotifierSettings

ChannelSender = Callable[[Notice], Awaitable[DeliveryOutcome]]
"""One attempt through one channel."""


def build_channels(
    settings: NotifierSettings, now: Callable[[], datetime]
) -> Mapping[NoticeChannel, ChannelSender]:
    """The channels that there are. `now` is asked at each post: its signature grows old."""

    async def email(notice: Notice) -> DeliveryOutcome:
        return await smtp_delivery.deliver_mail(
            settings, notice.mail.encode(), notice.sender, notice.recipients
        )

    async def hook(notice: Notice) -> DeliveryOutcome:
        if notice.webhook is None:
            return DeliveryOutcome(
                refused={webhook_delivery.WEBHOOK_RECIPIENT: "the route names no webhook"}
            )
        # Standard Webhooks sign `id.time.body`: no dot may stand in an id.
        name = notice.id.replace(".", "_")
        return await webhook_delivery.post_webhook(
            settings, notice.webhook, name, notice.payload, now()
        )

    return {"email": email, "webhook": hook}


async def deliver_notice(
    notice: Notice, ways: Mapping[NoticeChannel, ChannelSender]
) -> AttemptResult:
    """Try the notice's channels in their order until one of them reaches somebody.

    1. The channels stand in for each other. The first one through which anybody is reached ends the
       attempt; one that reaches nobody hands over to the next within the same attempt.
    2. A post stands for the whole notice: nothing is left.
    3. A mail stands for those whose mail was taken. Who was deferred is left, for the next attempt.
       Who was refused is given up, for somebody else knows.
    4. If nobody was reached by any channel, all recipients are left, the refused ones as well: a
       notice that nobody got is never forgotten.
    5. At a later attempt, the mail tells whom it was written to. If that is more than are left,
       somebody was told already, and who is refused now is given up as in 3.
    """
    outcomes: list[tuple[NoticeChannel, DeliveryOutcome]] = []
    for channel in notice.channels:
        outcome = await ways[channel](notice)
        outcomes.append((channel, outcome))
        if outcome.delivered:
            break
    return settle_attempt(notice, outcomes)


def settle_attempt(
    notice: Notice, outcomes: Sequence[tuple[NoticeChannel, DeliveryOutcome]]
) -> AttemptResult:
    """What is left of a notice after its channels were tried, by the rules of `deliver`. Its
    `attempts` and `due` are as they were."""
    failures: dict[str, str] = {}
    for channel, outcome in outcomes:
        failures |= _failure_reasons(channel, outcome)
    if not outcomes:
        failures = {"channels": "the route names no channel"}
    reached = next((o.delivered for _, o in outcomes if o.delivered), ())
    if any(channel == "webhook" and o.delivered for channel, o in outcomes):
        return AttemptResult(None, reached, failures=failures)
    told_before = bool(set(named_recipients(notice.mail)) - set(notice.recipients))
    refused = {
        a: why for _, o in outcomes for a, why in o.refused.items() if a in notice.recipients
    }
    given_up = refused if reached or told_before else {}
    done = {*reached, *given_up}
    rest = tuple(address for address in notice.recipients if address not in done)
    # A notice without any recipient of mail is its post, and that was not delivered.
    over = not rest and bool(notice.recipients)
    left = None if over else notice.model_copy(update={"recipients": rest, "failures": failures})
    return AttemptResult(left, reached, given_up, failures)


def _failure_reasons(channel: NoticeChannel, outcome: DeliveryOutcome) -> dict[str, str]:
    """By address; by channel where all of it failed for one reason."""
    each = {**outcome.refused, **outcome.deferred}
    reasons = set(each.values())
    if not outcome.delivered and len(reasons) == 1:
        return {channel: reasons.pop()}
    return each
