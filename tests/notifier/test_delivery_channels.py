"""Is a notice delivered through one of its channels, and is no recipient lost?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.incident_record import Notice, NoticeChannel
from farandole.notifier.delivery_channels import (
    ChannelSender,
    build_channels,
    deliver_notice,
    settle_attempt,
)
from farandole.notifier.delivery_outcome import AttemptResult, DeliveryOutcome
from farandole.notifier.delivery_tasks import OwnershipCheck
from farandole.notifier.mail_message import compose_mail, notice_message_id
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.webhook_delivery import WEBHOOK_RECIPIENT
from tests.notifier.made import NOW, SENDER, incident
from tests.notifier.servers import serving

A, B, C = "a@example.com", "b@example.com", "c@example.com"
POSTED = DeliveryOutcome(delivered=(WEBHOOK_RECIPIENT,))
LATER = DeliveryOutcome(deferred={WEBHOOK_RECIPIENT: "503"})


def notice(
    *recipients: str,
    channels: tuple[NoticeChannel, ...] = ("email", "webhook"),
    written_to: tuple[str, ...] = (),
) -> Notice:
    subject, mail = compose_mail(
        incident(), "opened", 0, sender=SENDER, recipients=written_to or recipients, now=NOW
    )
    return Notice(
        id=notice_message_id("b2x7k4qdm5c3a", 0, SENDER),
        incident="b2x7k4qdm5c3a", pipeline="order-lines",
        kind="opened", subject=subject, sender=SENDER, recipients=recipients, mail=mail,
        webhook="http://127.0.0.1:1/", payload="{}", channels=channels, written=NOW, attempts=3,
    )  # fmt: skip


def sender_of(outcome: DeliveryOutcome, asked: list[str], name: str) -> ChannelSender:
    async def send(_: Notice, owns_lane: OwnershipCheck) -> DeliveryOutcome:
        asked.append(name)
        return outcome

    return send


async def always() -> bool:
    return True


async def tried(
    which: Notice,
    email: DeliveryOutcome = POSTED,
    hook: DeliveryOutcome = POSTED,
    owns_lane: OwnershipCheck = always,
) -> tuple[AttemptResult, list[str]]:
    asked: list[str] = []
    attempt = await deliver_notice(
        which,
        owns_lane,
        {"email": sender_of(email, asked, "email"), "webhook": sender_of(hook, asked, "webhook")},
    )
    return attempt, asked


async def test_a_mail_that_reaches_all_recipients_finishes_the_notice() -> None:
    attempt, asked = await tried(notice(A, B), DeliveryOutcome(delivered=(A, B)))
    assert attempt == AttemptResult(None, (A, B))
    assert asked == ["email"]


async def test_without_the_lane_nothing_is_sent_and_no_attempt_counts() -> None:
    async def never() -> bool:
        return False

    attempt, asked = await tried(notice(A), owns_lane=never)
    assert asked == []
    assert not attempt.was_made


async def test_nothing_is_posted_if_the_lane_was_lost_while_the_mail_was_tried() -> None:
    answers = iter([True, False])

    async def once() -> bool:
        return next(answers)

    attempt, asked = await tried(notice(A), DeliveryOutcome(deferred={A: "down"}), owns_lane=once)
    assert asked == ["email"]
    assert attempt.remaining is not None
    assert attempt.failures["email"] == "down"


async def test_a_notice_is_posted_in_the_same_attempt_if_the_mail_reaches_nobody() -> None:
    attempt, asked = await tried(notice(A, B), DeliveryOutcome(deferred={A: "down", B: "down"}))
    assert asked == ["email", "webhook"]
    assert attempt == AttemptResult(None, (WEBHOOK_RECIPIENT,), failures={"email": "down"})


async def test_channels_are_tried_in_the_order_of_the_notice() -> None:
    first = notice(A, channels=("webhook", "email"))
    attempt, asked = await tried(first, hook=LATER, email=DeliveryOutcome(delivered=(A,)))
    assert asked == ["webhook", "email"]
    assert attempt == AttemptResult(None, (A,), failures={"webhook": "503"})


async def test_a_deferred_recipient_remains_and_nothing_is_posted() -> None:
    attempt, asked = await tried(notice(A, B), DeliveryOutcome((A,), deferred={B: "450"}))
    assert asked == ["email"]
    assert attempt.remaining is not None
    assert attempt.remaining.recipients == (B,)
    assert attempt.remaining.failures == {B: "450"}


async def test_a_refused_recipient_is_given_up_if_another_has_the_mail() -> None:
    attempt, _ = await tried(notice(A, B), DeliveryOutcome((A,), refused={B: "550"}))
    assert attempt == AttemptResult(None, (A,), {B: "550"}, {B: "550"})


async def test_if_nobody_is_reached_all_remain_with_the_reasons_of_both_channels() -> None:
    attempt, asked = await tried(notice(A, B), DeliveryOutcome(refused={A: "550", B: "550"}), LATER)
    assert asked == ["email", "webhook"]
    assert attempt.remaining is not None
    assert attempt.remaining.recipients == (A, B)
    assert attempt.remaining.failures == {"email": "550", "webhook": "503"}


async def test_different_reasons_are_reported_by_address() -> None:
    attempt, _ = await tried(
        notice(A, B), DeliveryOutcome(refused={A: "550"}, deferred={B: "450"}), LATER
    )
    assert attempt.failures == {A: "550", B: "450", "webhook": "503"}


async def test_a_recipient_refused_later_is_given_up_if_another_has_the_mail() -> None:
    rest = notice(B, written_to=(A, B))
    attempt, _ = await tried(rest, DeliveryOutcome(refused={B: "550"}), LATER)
    assert attempt.remaining is None
    assert attempt.given_up == {B: "550"}


async def test_a_notice_without_addresses_is_finished_by_its_post() -> None:
    attempt, _ = await tried(notice(channels=("webhook",)), hook=LATER)
    assert attempt.remaining is not None
    attempt, _ = await tried(notice(channels=("webhook",)))
    assert attempt == AttemptResult(None, (WEBHOOK_RECIPIENT,))


async def test_a_notice_without_channels_remains() -> None:
    attempt, _ = await tried(notice(A, channels=()))
    assert attempt.remaining is not None
    assert attempt.failures == {"channels": "the route names no channel"}


fates = st.sampled_from(["delivered", "refused", "deferred"])


@given(st.lists(fates, min_size=1, max_size=3), fates, st.booleans())
def test_a_notice_is_finished_only_if_every_recipient_has_a_result(
    each: list[str], hook: str, mail_first: bool
) -> None:
    people = (A, B, C)[: len(each)]
    mail = DeliveryOutcome(
        tuple(p for p, f in zip(people, each, strict=True) if f == "delivered"),
        {p: "5" for p, f in zip(people, each, strict=True) if f == "refused"},
        {p: "4" for p, f in zip(people, each, strict=True) if f == "deferred"},
    )
    post = {
        "delivered": POSTED,
        "refused": DeliveryOutcome(refused={WEBHOOK_RECIPIENT: "404"}),
        "deferred": LATER,
    }[hook]
    both: list[tuple[NoticeChannel, DeliveryOutcome]] = [("email", mail), ("webhook", post)]
    tried = []
    for channel, outcome in both if mail_first else both[::-1]:
        tried.append((channel, outcome))
        if outcome.delivered:
            break
    attempt = settle_attempt(notice(*people), tried)
    left = set(attempt.remaining.recipients) if attempt.remaining else set()
    if attempt.remaining is None:
        assert attempt.delivered
    if not attempt.delivered:
        assert left == set(people)
    if WEBHOOK_RECIPIENT not in attempt.delivered:
        assert left | set(attempt.delivered) | set(attempt.given_up) == set(people)
        assert not left & (set(attempt.delivered) | set(attempt.given_up))
    if attempt.remaining:
        assert attempt.remaining.failures
        assert attempt.remaining.attempts == 3


@pytest.mark.usefixtures("unset")
async def test_with_real_channels_the_mail_arrives_and_nothing_is_posted() -> None:
    async with serving() as server:
        settings = NotifierSettings(
            smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", mail_from=SENDER
        )
        attempt = await deliver_notice(
            notice(A), always, build_channels(settings, lambda: datetime.now(UTC))
        )
    assert attempt.remaining is None
    assert server.got == [((A,), notice(A).mail.encode())]


@pytest.mark.usefixtures("unset")
async def test_with_real_channels_and_no_server_everything_remains() -> None:
    attempt = await deliver_notice(
        notice(A), always, build_channels(NotifierSettings(), lambda: datetime.now(UTC))
    )
    assert attempt.remaining is not None
    assert "FARANDOLE_SMTP_HOST" in attempt.failures["email"]
    assert "cannot be reached" in attempt.failures["webhook"]
