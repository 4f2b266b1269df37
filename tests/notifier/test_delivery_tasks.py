"""Does each notice have a result, for every way in which the lane can end?"""

from __future__ import annotations

import asyncio
from functools import partial

from farandole.events.incident_record import Notice
from farandole.notifier.delivery_channels import deliver_notice
from farandole.notifier.delivery_outcome import AttemptResult, DeliveryOutcome
from farandole.notifier.delivery_tasks import DeliveryTasks, OwnershipCheck
from tests.notifier.made import OPENED


def notice(number: int) -> Notice:
    return Notice(
        id=f"i.{number}@x", incident="i", pipeline="p", kind="opened", subject="s", sender="f@x",
        recipients=("ops@example.com",), mail="m", channels=("email",), written=OPENED,
    )  # fmt: skip


async def always() -> bool:
    return True


async def test_an_attempt_cancelled_before_it_began_is_reported_as_not_made() -> None:
    """A notice without a result would count as running for ever."""

    async def deliver(_: Notice, owns_lane: OwnershipCheck) -> AttemptResult:
        raise AssertionError("it was begun")

    sending = DeliveryTasks(deliver, always)
    sending.start(notice(0))
    await sending.stop(1)
    ((key, attempt),) = sending.take_finished()
    assert key == notice(0).key
    assert (attempt.was_made, attempt.remaining) == (False, notice(0))


async def test_stop_waits_for_running_attempts_and_begins_no_others() -> None:
    ending = asyncio.Event()
    tried = []

    async def deliver(each: Notice, owns_lane: OwnershipCheck) -> AttemptResult:
        tried.append(each.key)
        await ending.wait()
        return AttemptResult(None)

    sending = DeliveryTasks(deliver, always)
    for number in range(6):
        sending.start(notice(number))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, ending.set)
    await sending.stop(10)
    ended = dict(sending.take_finished())
    assert {key for key, attempt in ended.items() if attempt.remaining is None} == set(tried)
    assert {key for key, attempt in ended.items() if not attempt.was_made} == ended.keys() - set(
        tried
    )
    assert len(ended) == 6
    assert 0 < len(tried) < 6


async def test_stop_cancels_running_attempts_after_its_time_limit() -> None:
    async def deliver(_: Notice, owns_lane: OwnershipCheck) -> AttemptResult:
        await asyncio.Event().wait()
        raise AssertionError

    sending = DeliveryTasks(deliver, always)
    sending.start(notice(0))
    await asyncio.sleep(0)
    await sending.stop(0.01)
    ((_, attempt),) = sending.take_finished()
    assert (attempt.was_made, attempt.remaining) == (True, notice(0))


async def test_a_cancelled_stop_cancels_all_running_attempts() -> None:
    """Otherwise it would run at the same time as the next owner's attempt."""
    over = asyncio.Event()

    async def deliver(_: Notice, owns_lane: OwnershipCheck) -> AttemptResult:
        try:
            await asyncio.Event().wait()
        finally:
            over.set()
        raise AssertionError

    sending = DeliveryTasks(deliver, always)
    sending.start(notice(0))
    await asyncio.sleep(0)
    ending = asyncio.create_task(sending.stop(60))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait({ending})
    await asyncio.wait_for(over.wait(), 60)


async def test_an_attempt_asks_for_its_lane_when_it_begins_and_not_when_it_is_planned() -> None:
    """It can wait for its slot while a mail server hangs and another notifier takes over."""
    ours = asyncio.Event()
    ours.set()
    ending = asyncio.Event()
    sent = []

    async def owns_lane() -> bool:
        return ours.is_set()

    async def email(each: Notice, _: OwnershipCheck) -> DeliveryOutcome:
        sent.append(each.key)
        await ending.wait()
        return DeliveryOutcome(delivered=each.recipients)

    sending = DeliveryTasks(partial(deliver_notice, channels={"email": email}), owns_lane)
    for number in range(6):
        sending.start(notice(number))
    await asyncio.sleep(0)
    begun = list(sent)
    ours.clear()
    ending.set()
    finished: dict[bytes, AttemptResult] = {}
    async with asyncio.timeout(60):
        while len(finished) < 6:
            await asyncio.sleep(0)
            finished |= sending.take_finished()
    assert 0 < len(begun) < 6
    assert sent == begun
    assert {key for key, attempt in finished.items() if attempt.was_made} == set(begun)


async def test_a_queued_attempt_that_is_cancelled_leaves_the_others_running() -> None:
    async def deliver(_: Notice, owns_lane: OwnershipCheck) -> AttemptResult:
        await asyncio.Event().wait()
        raise AssertionError

    sending = DeliveryTasks(deliver, always)
    for number in range(6):
        sending.start(notice(number))
    await asyncio.sleep(0)
    sending.cancel_queued()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cancelled = sending.take_finished()
    await sending.stop(0)
    assert 0 < len(cancelled) < 6
    assert not any(attempt.was_made for _, attempt in cancelled)
    assert all(attempt.was_made for _, attempt in sending.take_finished())
