"""How far is each stage behind, who works it, and how old is what is unread?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka import TopicPartition
from pydantic import ValidationError

from farandole.broker.admin import Admin, TopicMissing
from farandole.broker.errors import BrokerError
from farandole.broker.lag import Unread, inputs, looked, total, unread
from farandole.broker.settings import Settings
from farandole.events.topology import Version, row
from farandole.ledger.stuck import LAG, Seen

log = structlog.get_logger()

EVERY = 5.0  # seconds between two looks


class Watching:
    """Looks at everything every few seconds, and keeps the newest look until it is taken."""

    def __init__(
        self,
        settings: Settings,
        rows: Callable[[], Mapping[bytes, bytes]],
        wanted: Callable[[], bool],
    ) -> None:
        """`rows`: those of `farandole.topology`; `wanted`: does anybody here ask for it now?"""
        self._settings = settings
        self._rows = rows
        self._wanted = wanted
        self._look: list[Seen] | None = None
        self._known: tuple[Mapping[bytes, bytes], list[Version]] = ({}, [])

    def taken(self) -> Sequence[Seen] | None:
        """The newest look, once; None: there is none since the last time."""
        look, self._look = self._look, None
        return look

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            try:
                async with Admin.open(self._settings) as admin:
                    while True:
                        self._look = await self._looked(admin) if self._wanted() else None
                        await asyncio.sleep(EVERY)
            except BrokerError as error:
                log.warning("watching.unanswered", why=str(error))
                await asyncio.sleep(EVERY)

    async def _looked(self, admin: Admin) -> list[Seen]:
        versions = self._newest()
        found = [await self._stage(admin, v, stage) for v in versions for stage in v.stages]
        if versions:
            ledger = await self._ledger(admin)
            found += [ledger._replace(pipeline=v.pipeline) for v in versions]
        return found

    async def _stage(self, admin: Admin, version: Version, stage: str) -> Seen:
        names, age = self._settings.names, version.stages[stage].age
        try:
            left = await unread(admin, await inputs(admin, names, version, stage))
            old = age is not None and await _older(admin, left, age)
        except TopicMissing:
            return Seen(version.pipeline, stage, 0, 0, age=age, known=False)
        members = await admin.members(names.group(version.pipeline, stage))
        return Seen(version.pipeline, stage, members, total(left), old, age)

    async def _ledger(self, admin: Admin) -> Seen:
        names = self._settings.names
        width = (await admin.topics()).get(names.ledger, 0)
        if not width:
            return Seen("", None, 0, 0, age=LAG, known=False)
        partitions = {TopicPartition(names.ledger, index): "" for index in range(width)}
        left = await unread(admin, await looked(admin, names.bookkeeper, partitions))
        return Seen("", None, 1, total(left), await _older(admin, left, LAG), LAG)

    def _newest(self) -> list[Version]:
        """The version in force of each pipeline."""
        rows = self._rows()
        if rows is not self._known[0]:
            newest: dict[str, Version] = {}
            for key, value in rows.items():
                try:
                    said = row(key, value)
                except ValidationError:
                    continue  # whoever reads versions to work by them says so
                if isinstance(said, Version):
                    other = newest.get(said.pipeline)
                    if other is None or other.version < said.version:
                        newest[said.pipeline] = said
            self._known = rows, [*newest.values()]
        return self._known[1]


async def _older(admin: Admin, left: Unread, age: float) -> bool:
    """Is something unread that is older than so many seconds?"""
    if not left:
        return False
    younger = await admin.offsets_at(list(left), int((time.time() - age) * 1000))
    return any(first < younger[tp] for tp, (first, _) in left.items())
