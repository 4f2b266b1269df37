"""How does the notifier run: one lane over alerts and every dead-letter topic that there is?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from farandole.broker.admin import Admin
from farandole.broker.errors import BrokerError
from farandole.broker.follower import Follower, followed
from farandole.broker.settings import Settings
from farandole.events.incident import Incident, Notice
from farandole.lanes.group import Group, run_beside
from farandole.lanes.kafka import KafkaPort
from farandole.lanes.port import Port
from farandole.notifier.casebook import Casebook
from farandole.notifier.composing import compose
from farandole.notifier.directory import Directory
from farandole.notifier.incidents import Word
from farandole.notifier.sending import Deliver, Sending
from farandole.notifier.work import Notifying, now

log = structlog.get_logger()

DRAIN = 10.0  # seconds that the lane has to end
_AGAIN = 10.0  # seconds after which topics that were not there are looked for again


async def notify(
    settings: Settings,
    sender: str | None,
    deliver: Deliver,
    stopping: asyncio.Event,
    *,
    clock: Callable[[], datetime] = now,
    port: Callable[[KafkaPort], Port] = lambda port: port,
) -> None:
    """Notify until `stopping` is set. Any number of these may run: one is at work, and another
    takes over when it ends.

    `sender`: the address that mails come from; `deliver` makes one attempt at a notice. `clock` and
    `port` are a test's: time that it drives, and what it puts between the lane and its Kafka.
    Raises lanes.group.Broken or BrokerError when Kafka is out of reach for good.
    """
    directory = Directory(settings.names)

    def composed(word: Word, others: Sequence[Incident]) -> Notice | None:
        alerts = directory.alerts(word.incident.pipeline)
        return compose(
            word,
            alerts,
            others,
            sender=sender,
            bootstrap=settings.bootstrap or "",
            options=settings.options,
        )

    casebook = Casebook(directory.alerts, composed)
    work = Notifying(settings.names, casebook, Sending(deliver), directory.personal, clock)
    names = settings.names
    async with followed(settings, names.topology) as table:
        directory.learn(table.rows)
        group = Group(
            settings,
            names.notifier,
            await _topics(settings, directory) or [names.control],
            lambda lane: f"{names.notifier}:{lane}",
            lambda _: work,
            alone=asyncio.Lock(),
            patience=DRAIN,
            state=[names.incidents, names.outbox, names.control],
            from_start=True,
            port=port,
        )
        await run_beside(group, _learn(settings, directory, table, group), stopping)


async def _learn(settings: Settings, directory: Directory, table: Follower, group: Group) -> None:
    """Take up the dead-letter topics of each new version, and those that somebody has made anew,
    until cancelled."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN):
                directory.learn(await table.changed())
        topics = await _topics(settings, directory)
        if topics is not None:
            group.subscribe(topics)


async def _topics(settings: Settings, directory: Directory) -> list[str] | None:
    """Those that exist; None: Kafka does not answer."""
    try:
        async with Admin.open(settings) as admin:
            existing = await admin.topics()
    except BrokerError as error:
        log.warning("notifier.unanswered", why=str(error))
        return None
    wanted = [settings.names.alerts, *directory.dead_topics()]
    return [settings.names.control, *(topic for topic in wanted if topic in existing)]
