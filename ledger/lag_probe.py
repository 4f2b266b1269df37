"""How far is each stage behind, how many processes work on it, how old are its unread events?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import structlog

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin, TopicMissingError
from farandole.broker.consumer_lag import (
    InputLag,
    has_older_unread,
    program_input_lag,
    stage_input_lag,
    total_unread,
    unread_entries,
    unread_ranges,
    without_passed,
)
from farandole.broker.settings import Settings
from farandole.catalog.input_faults import (
    ChangedTopic,
    ExistingTopics,
    lost_input_text,
    lost_inputs,
)
from farandole.catalog.topology_table import TopologyDecoder
from farandole.events.ledger_entry import LEDGER_LAG_SECONDS
from farandole.events.topology_version import Version
from farandole.ledger.stage_alerts import LagSample, TopicSample

log = structlog.get_logger()

PROBE_INTERVAL = 5.0  # seconds between two probes


class ProbeResult(NamedTuple):
    """What one probe of everything has measured."""

    stages: Sequence[LagSample]
    topics: Sequence[TopicSample]
    schedules: Mapping[bytes, bytes]
    """The rows of `farandole.schedules`."""
    schedulers: int
    """Processes of the scheduler."""


class LagProbe:
    """Measures the lag of every stage and of the ledger every few seconds, and keeps the newest
    result until `take_latest` returns it."""

    def __init__(
        self,
        settings: Settings,
        rows: Callable[[], Mapping[bytes, bytes]],
        is_wanted: Callable[[], bool],
        read_schedules: Callable[[ClusterAdmin], Awaitable[Mapping[bytes, bytes]]],
        is_drained: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`rows` returns the rows of `farandole.topology`, `read_schedules` reads those of
        `farandole.schedules`. Nothing is measured while `is_wanted` returns False. `is_drained`
        returns True for a pipeline whose roots wait: they are not late, and nobody needs to work on
        them."""
        self._settings = settings
        self._rows = rows
        self._is_wanted = is_wanted
        self._read_schedules = read_schedules
        self._is_drained = is_drained
        self._latest: ProbeResult | None = None
        self._decoder = TopologyDecoder()

    def take_latest(self) -> ProbeResult | None:
        """Return the newest result; None if nothing was measured since the last call."""
        latest, self._latest = self._latest, None
        return latest

    async def run(self) -> None:
        """Measure until cancelled."""
        failures = 0  # in a row
        while True:
            try:
                async with ClusterAdmin.open(self._settings) as admin:
                    while True:
                        self._latest = await self._probe_all(admin) if self._is_wanted() else None
                        failures = 0
                        await asyncio.sleep(PROBE_INTERVAL)
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("watching.unanswered", why=str(error))
                await asyncio.sleep(PROBE_INTERVAL)

    async def _probe_all(self, admin: ClusterAdmin) -> ProbeResult:
        versions = self._decoder.decode(self._rows()).newest_versions()
        if not versions:
            return ProbeResult((), (), {}, 0)
        stages: list[LagSample] = []
        topics: list[TopicSample] = []
        existing = await ExistingTopics.read(admin, versions)
        for version in versions:
            changed = existing.changed(version)
            stages += [await self._probe_stage(admin, version, s, changed) for s in version.stages]
            relayed = [name for name, stage in version.stages.items() if stage.is_relayed]
            stages += [await self._probe_program(admin, version, s, changed) for s in relayed]
            topics += [
                TopicSample(version.pipeline, name, each and each.message, each and each.next_step)
                for name, each in changed.items()
            ]
        ledger = await self._probe_ledger(admin)
        stages += [ledger._replace(pipeline=v.pipeline) for v in versions]
        schedules = await self._read_schedules(admin)
        schedulers = await admin.count_members(self._settings.names.scheduler_group)
        return ProbeResult(stages, topics, schedules, schedulers)

    async def _probe_stage(
        self,
        admin: ClusterAdmin,
        version: Version,
        stage: str,
        changed: Mapping[str, ChangedTopic | None],
    ) -> LagSample:
        names, age = self._settings.names, version.stages[stage].age
        try:
            lags = await stage_input_lag(admin, names, version, stage)
            lost = await lost_inputs(admin, lags, changed)
            waiting = version.roots() if self._is_drained(version.pipeline) else ()
            unread = await unread_ranges(admin, without_roots(lags, waiting))
            old = age is not None and await has_older_unread(admin, unread, age)
        except TopicMissingError:
            return LagSample(version.pipeline, stage, 0, 0, age=age, measured=False, lost="")
        members = await admin.count_members(names.stage_group(version.pipeline, stage))
        return LagSample(
            version.pipeline,
            stage,
            members,
            total_unread(unread),
            old,
            age,
            lost=lost_input_text(stage, lost) if lost else "",
        )

    async def _probe_program(
        self,
        admin: ClusterAdmin,
        version: Version,
        stage: str,
        changed: Mapping[str, ChangedTopic | None],
    ) -> LagSample:
        """Return a sample of the program of a relayed stage."""
        names = self._settings.names
        group = names.outside_group(version.pipeline, stage)
        sample = LagSample(version.pipeline, stage, 0, 0, lost="", program=group)
        try:
            lags = await program_input_lag(admin, names, version, stage)
            lost = await lost_inputs(admin, lags, changed)
            lanes = await stage_input_lag(admin, names, version, stage)
            unread = total_unread(await unread_ranges(admin, without_passed(lags, lanes)))
        except TopicMissingError:
            return sample._replace(measured=False)
        return sample._replace(
            members=await admin.count_members(group),
            unread=unread,
            lost=lost_input_text(stage, lost) if lost else "",
        )

    async def _probe_ledger(self, admin: ClusterAdmin) -> LagSample:
        names = self._settings.names
        unread = await unread_entries(admin, names)
        if unread is None:
            return LagSample("", None, 0, 0, age=LEDGER_LAG_SECONDS, measured=False)
        return LagSample(
            "",
            None,
            1,
            total_unread(unread),
            await has_older_unread(admin, unread, LEDGER_LAG_SECONDS),
            LEDGER_LAG_SECONDS,
        )


def without_roots(lags: Sequence[InputLag], roots: Collection[str]) -> list[InputLag]:
    """Return the lags of other event types than these roots, which wait."""
    return [each for each in lags if each.event_type not in roots]
