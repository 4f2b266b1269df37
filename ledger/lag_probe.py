"""How far is each stage behind, who works it, and how old is what is unread?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka import TopicPartition

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin, TopicMissingError
from farandole.broker.consumer_lag import (
    UnreadRanges,
    partition_lag,
    stage_input_lag,
    total_unread,
    unread_ranges,
)
from farandole.broker.settings import Settings
from farandole.catalog.topology_table import TopologyDecoder
from farandole.events.topology_version import Version
from farandole.ledger.stage_alerts import LEDGER_LAG_SECONDS, LagSample

log = structlog.get_logger()

PROBE_INTERVAL = 5.0  # seconds between two looks


class LagProbe:
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
        self._look: list[LagSample] | None = None
        self._decoder = TopologyDecoder()

    def taken(self) -> Sequence[LagSample] | None:
        """The newest look, once; None: there is none since the last time."""
        look, self._look = self._look, None
        return look

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            try:
                async with ClusterAdmin.open(self._settings) as admin:
                    while True:
                        self._look = await self._looked(admin) if self._wanted() else None
                        await asyncio.sleep(PROBE_INTERVAL)
            except BrokerError as error:
                log.warning("watching.unanswered", why=str(error))
                await asyncio.sleep(PROBE_INTERVAL)

    async def _looked(self, admin: ClusterAdmin) -> list[LagSample]:
        versions = self._decoder.decode(self._rows()).newest_versions()
        found = [await self._stage(admin, v, stage) for v in versions for stage in v.stages]
        if versions:
            ledger = await self._ledger(admin)
            found += [ledger._replace(pipeline=v.pipeline) for v in versions]
        return found

    async def _stage(self, admin: ClusterAdmin, version: Version, stage: str) -> LagSample:
        names, age = self._settings.names, version.stages[stage].age
        try:
            left = await unread_ranges(admin, await stage_input_lag(admin, names, version, stage))
            old = age is not None and await _has_older_unread(admin, left, age)
        except TopicMissingError:
            return LagSample(version.pipeline, stage, 0, 0, age=age, known=False)
        members = await admin.count_members(names.stage_group(version.pipeline, stage))
        return LagSample(version.pipeline, stage, members, total_unread(left), old, age)

    async def _ledger(self, admin: ClusterAdmin) -> LagSample:
        names = self._settings.names
        width = (await admin.topics()).get(names.ledger_topic, 0)
        if not width:
            return LagSample("", None, 0, 0, age=LEDGER_LAG_SECONDS, known=False)
        partitions = {TopicPartition(names.ledger_topic, index): "" for index in range(width)}
        left = await unread_ranges(
            admin, await partition_lag(admin, names.bookkeeper_group, partitions)
        )
        return LagSample(
            "",
            None,
            1,
            total_unread(left),
            await _has_older_unread(admin, left, LEDGER_LAG_SECONDS),
            LEDGER_LAG_SECONDS,
        )


async def _has_older_unread(admin: ClusterAdmin, left: UnreadRanges, age: float) -> bool:
    """Is something unread that is older than so many seconds?"""
    if not left:
        return False
    younger = await admin.offsets_at(list(left), int((time.time() - age) * 1000))
    return any(first < younger[tp] for tp, (first, _) in left.items())
