"""Does each notice have a result, for every way in which the lane can end?"""

from __future__ import annotations

import asyncio

from farandole.events.incident_record import Notice
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.delivery_tasks import DeliveryTasks
from tests.notifier.made import OPENED


def notice(number: int) -> Notice:
    return Notice(
        id=f"i.{number}@x", incident="i", pipeline="p", kind="opened", subject="s", sender="f@x",
        recipients=("ops@example.com",), mail="m", channels=("email",), written=OPENED,
    )  # fmt: skip


async def test_an_attempt_cancelled_before_it_began_is_reported_as_not_made() -> None:
    """A notice without a result would count as running for ever."""

    async def deliver(_: Notice) -> AttemptResult:
        raise AssertionError("it was begun")

    sending = DeliveryTasks(deliver)
    sending.start(notice(0))
    await sending.stop(1)
    ((key, attempt),) = sending.take_finished()
    assert key == notice(0).key
    assert (attempt.was_made, attempt.remaining) == (False, notice(0))


async def test_stop_waits_for_running_attempts_and_begins_no_others() -> None:
    ending = asyncio.Event()
    tried = []

    async def deliver(each: Notice) -> AttemptResult:
        tried.append(each.key)
        await ending.wait()
        return AttemptResult(None)

    sending = DeliveryTasks(deliver)
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
    async def deliver(_: Notice) -> AttemptResult:
        await asyncio.Event().wait()
        raise AssertionError

    sending = DeliveryTasks(deliver)
    sending.start(notice(0))
    await asyncio.sleep(0)
    await sending.stop(0.01)
    ((_, attempt),) = sending.take_finished()
    assert (attempt.was_made, attempt.remaining) == (True, notice(0))


async def test_a_cancelled_stop_cancels_all_running_attempts() -> None:
    """Otherwise it would run at the same time as the next owner's attempt."""
    over = asyncio.Event()

    async def deliver(_: Notice) -> AttemptResult:
        try:
            await asyncio.Event().wait()
        finally:
            over.set()
        raise AssertionError

    sending = DeliveryTasks(deliver)
    sending.start(notice(0))
    await asyncio.sleep(0)
    ending = asyncio.create_task(sending.stop(60))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait({ending})
    await asyncio.wait_for(over.wait(), 10)
