"""Do schedules fire as planned on a real Kafka: once, by whatever scheduler, and by what is
published?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.events.alert_record import Alert, parse_alert
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.record import Record
from farandole.operations.runs.run_rows import read_run_records
from farandole.router.version_publisher import publish_version
from farandole.scheduler import service
from farandole.scheduler.facts import Facts, TriggerPlace
from farandole.scheduler.service import OutdatedZonesError, run_scheduler
from tests.books.clean import books_read, until
from tests.cli.worked import STAGES
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import at_rest, at_work, put
from tests.router.made import derived

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

MINUTE = timedelta(minutes=1)


@dataclass
class Clock:
    """How far the broker's clock is ahead of what it shows."""

    ahead: timedelta = timedelta()


class ShiftedFacts:
    """The facts of a scheduler for which it is later."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._facts, name)

    def now(self) -> datetime | None:
        now = self._facts.now()
        return None if now is None else now + self._clock.ahead

    async def find_triggers(
        self, wanted: Mapping[str, Collection[str]], since: datetime
    ) -> Mapping[str, TriggerPlace]:
        return await self._facts.find_triggers(wanted, since - self._clock.ahead)


@asynccontextmanager
async def scheduler(settings: Settings, clock: Clock) -> AsyncIterator[asyncio.Task[None]]:
    """A scheduler, which ends in good order if it has not been killed."""
    stopping = asyncio.Event()

    def shifted(facts: Facts) -> Facts:
        return cast(Facts, ShiftedFacts(facts, clock))

    running = asyncio.create_task(run_scheduler(settings, Path(), stopping, facts_of=shifted))
    try:
        yield running
    finally:
        stopping.set()
        await asyncio.wait({running})
        if not running.cancelled():
            running.result()


async def firings(settings: Settings, schedule: str = "each-minute") -> list[FiringRecord]:
    """Those of a schedule, by planned time."""
    table = await read_table(settings, settings.names.firings_topic)
    found = [parse_firing(value) for value in table.values()]
    return sorted((f for f in found if f.schedule == schedule), key=lambda each: each.planned)


async def triggers(settings: Settings, topic: str) -> list[Record]:
    return [each async for records in scan(settings, [topic]) for each in records]


def ids(records: list[Record]) -> list[str]:
    return [(dict(each.headers)["ce_id"] or b"").decode() for each in records]


async def until_fired(
    settings: Settings, is_it: Callable[[FiringRecord], bool], schedule: str = "each-minute"
) -> None:
    async def fired() -> bool:
        found = await firings(settings, schedule)
        return any(each.outcome == "fired" and is_it(each) for each in found)

    await until(fired, "nothing has fired")


def assert_each_minute_once(found: list[FiringRecord], sent: list[str]) -> None:
    """Each planned time from the first to the last has one record, and one trigger if it fired."""
    times = [each.planned for each in found]
    assert times == [times[0] + n * MINUTE for n in range(len(times))]
    assert sorted(sent) == sorted(each.event for each in found if each.outcome == "fired")


EACH_MINUTE = """\
schedules:
  each-minute:
    cron: "* * * * *"
    triggers: asked
    overlap: allow-all
    catch_up: {runs: all, within: 1d}
    data: {n: 1, household: 3}
"""


async def test_a_run_in_the_books_is_the_one_that_its_firing_names(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "stages").symlink_to(STAGES)
    version = await put(settings, tmp_path, text(PLAIN) + EACH_MINUTE)
    clock = Clock()
    with bookkeeper(settings):
        async with at_work(settings, tmp_path, 1):
            async with scheduler(settings, clock):
                clock.ahead = MINUTE
                await until_fired(settings, lambda firing: firing.run is not None)
            await at_rest(settings)
        await books_read(settings)
    found = await firings(settings)
    assert_each_minute_once(found, ids(await triggers(settings, version.events["asked"].topic)))
    rows: dict[str, str] = {}
    async for batch in read_run_records(settings):
        rows |= {each.run: each.row["status"] for each in batch if each.row is not None}
    assert rows == {each.run: "completed" for each in found if each.outcome == "fired"}


TWO = """\
pipeline: p
package: work
events: {asked: {partitions: 1}, told: {partitions: 1}}
stages:
  read: {subscribes: asked}
  hear: {subscribes: told}
"""
AWAY = (
    EACH_MINUTE
    + """\
  away: {cron: "* * * * *", triggers: told, overlap: allow-all, catch_up: all}
"""
)


async def test_another_scheduler_goes_on_where_the_first_one_was_killed(
    settings: Settings,
) -> None:
    await publish_version(settings, derived(settings.names, TWO + EACH_MINUTE), "ann")
    clock = Clock(MINUTE)
    async with scheduler(settings, clock) as first:
        await until_fired(settings, lambda _: True)
        async with scheduler(settings, clock):
            first.cancel()
            await asyncio.wait({first})
            before = (await firings(settings))[-1].planned
            clock.ahead += 2 * MINUTE
            await until_fired(settings, lambda firing: firing.planned > before + MINUTE)
            await until_named(settings)
    found = await firings(settings)
    sent = ids(await triggers(settings, settings.names.event_topic("p", "asked")))
    assert_each_minute_once(found, sent)


async def until_named(settings: Settings) -> None:
    """Until each firing has its run."""

    async def all_named() -> bool:
        return all(each.run for each in await firings(settings) if each.outcome == "fired")

    await until(all_named, "a firing has no run")


async def test_each_time_is_planned_by_the_version_in_force_then(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "asked")
    await publish_version(settings, derived(settings.names, TWO + EACH_MINUTE), "ann")
    clock = Clock(MINUTE)
    async with scheduler(settings, clock):
        await until_fired(settings, lambda firing: firing.version == 1)
        later = (TWO + EACH_MINUTE).replace("n: 1", "n: 2")
        await publish_version(settings, derived(settings.names, later), "ann")
        clock.ahead += 2 * MINUTE
        await until_fired(settings, lambda firing: firing.version == 2)
    sent = await triggers(settings, topic)
    data = {(dict(r.headers)["ce_id"] or b"").decode(): orjson.loads(r.value or b"") for r in sent}
    for firing in await firings(settings):
        assert data[firing.event]["n"] == firing.version


async def test_a_schedule_whose_topic_is_away_stops_no_other(settings: Settings) -> None:
    names = settings.names
    await publish_version(settings, derived(names, TWO + AWAY), "ann")
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics([names.event_topic("p", "told")])
    clock = Clock(MINUTE)
    async with scheduler(settings, clock):
        await until_fired(settings, lambda _: True)

        async def is_told() -> bool:
            return any(
                each.schedule == "away" for each in await alerts(settings, "schedule.failed")
            )

        await until(is_told, "nobody is told")
        before = (await firings(settings))[-1].planned
        clock.ahead += MINUTE
        await until_fired(settings, lambda firing: firing.planned > before)
    assert not any(each.outcome == "fired" for each in await firings(settings, "away"))


async def test_an_event_that_its_topic_does_not_take_stops_no_other_schedule(
    settings: Settings,
) -> None:
    names = settings.names
    large = AWAY.replace("triggers: told", f"triggers: told, data: {{text: {'x' * 2000}}}")
    await publish_version(settings, derived(names, TWO + large), "ann")
    async with ClusterAdmin.open(settings) as admin:
        small = {"max.message.bytes": "1000"}
        await admin.configure_topics({names.event_topic("p", "told"): small})
    clock = Clock(MINUTE)
    async with scheduler(settings, clock):
        await until_fired(settings, lambda _: True)

        async def is_missed() -> bool:
            found = await firings(settings, "away")
            return any("Kafka refuses the event" in each.reason for each in found)

        await until(is_missed, "nobody knows of the event that was refused")
        before = (await firings(settings))[-1].planned
        clock.ahead += MINUTE
        await until_fired(settings, lambda firing: firing.planned > before)
    sent = ids(await triggers(settings, names.event_topic("p", "asked")))
    assert_each_minute_once(await firings(settings), sent)
    assert not any(each.outcome == "fired" for each in await firings(settings, "away"))


async def alerts(settings: Settings, kind: str) -> list[Alert]:
    """The alerts of a kind that were published."""
    topic = settings.names.alerts_topic
    found = [parse_alert(r.value or b"") async for of in scan(settings, [topic]) for r in of]
    return [each for each in found if each.kind == kind]


async def test_a_scheduler_with_older_time_zones_leaves_and_the_next_one_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_version(settings, derived(settings.names, TWO + EACH_MINUTE), "ann")
    clock = Clock(MINUTE)
    async with scheduler(settings, clock):
        await until_fired(settings, lambda _: True)
    before = await firings(settings)
    clock.ahead += MINUTE
    with monkeypatch.context() as older:
        older.setattr(service, "tzdata_version", lambda: "2020a")
        with pytest.raises(OutdatedZonesError, match="pip install --upgrade tzdata"):
            async with scheduler(settings, clock) as running:
                await asyncio.wait({running})
    assert await firings(settings) == before
    async with scheduler(settings, clock):
        await until_fired(settings, lambda firing: firing.planned > before[-1].planned)

        async def is_over() -> bool:
            return [each.state for each in await alerts(settings, "scheduler.tzdata")] == [
                "firing", "resolved",
            ]  # fmt: skip

        await until(is_over, "the alert is not resolved")
