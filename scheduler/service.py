"""How does the scheduler run: one lane, of any number of processes?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.catalog.service_source import wait_for_source
from farandole.events.error_names import published_error_name
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import command_line_with
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_group import LaneGroup, run_with_companion
from farandole.lanes.lane_observer import ClosedReason, NullObserver
from farandole.lanes.lane_port import LanePort, WriteRejectedError
from farandole.lanes.lane_spec import LaneSpec
from farandole.scheduler.facts import Facts
from farandole.scheduler.kafka_facts import KafkaFacts, open_facts
from farandole.scheduler.scheduler_lane import SchedulerLane
from farandole.scheduler.time_zones import tzdata_version
from farandole.telemetry.meter import Meter

log = structlog.get_logger()

DRAIN_SECONDS = 10.0  # how long the lane may take to end
_TOPIC_POLL_SECONDS = 2.0  # between two looks for topics that do not exist


class OutdatedZonesError(Exception):
    """Schedules were planned by a newer time zone database than that of this process, which must
    not plan any: planned times would move back."""

    def __init__(self, own: str, newer: str) -> None:
        super().__init__(
            f"this process has the time zone database {own}, and schedules were planned by {newer};"
            " run: pip install --upgrade tzdata"
        )


async def run_scheduler(
    settings: Settings,
    folder: Path,
    stopping: asyncio.Event,
    *,
    meter: Meter | None = None,
    facts_of: Callable[[Facts], Facts] = lambda facts: facts,
    port: Callable[[KafkaPort], LanePort] = lambda port: port,
) -> None:
    """Run the scheduler until `stopping` is set. Any number may run: one works, and another takes
    over when it ends. Paths of local files are relative to `folder`.

    `meter` measures the process. Tests pass `facts_of`, which wraps the facts, and `port`, which
    wraps the lane's Kafka port. Raises OutdatedZonesError, and a lane group's error or BrokerError
    when Kafka stays unreachable.
    """
    names, own = settings.names, tzdata_version()
    newer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def leave(release: str) -> None:
        if not newer.done():
            newer.set_result(release)

    if not await _wait_for_topics(settings, stopping):
        return
    async with open_facts(settings, folder) as facts:
        source = await wait_for_source(facts.topology, "scheduler", stopping)
        lane = SchedulerLane(
            names,
            facts_of(facts),
            source,
            own,
            command_line_with(settings.command_options),
            leave,
            meter,
        )
        spec = LaneSpec(
            group=names.scheduler_group,
            topics=[names.control_topic],
            transactional_id=lambda lane: f"{names.scheduler_group}:{lane}",
            work=lambda _: lane,
            drain_seconds=DRAIN_SECONDS,
            state_topics=[names.schedules_topic],
            restart_lost_input=True,  # its records only wake the lane, which reads them as a table
            wrap_port=port,
            observer=lambda _: _LaneObserver(lane, facts),
        )
        group = LaneGroup(settings, spec, isolation=asyncio.Lock(), meter=meter)
        await run_with_companion(group, _read_until(facts, newer, own), stopping)


class _LaneObserver(NullObserver):
    """Tells the lane that Kafka has refused its transaction, and the facts that it has ended."""

    def __init__(self, lane: SchedulerLane, facts: KafkaFacts) -> None:
        self._lane = lane
        self._facts = facts

    def lane_failed(self, reason: str, detail: str) -> None:
        if reason == published_error_name(WriteRejectedError):
            self._lane.note_refused(detail)

    def lane_closed(self, reason: ClosedReason) -> None:
        self._facts.rest()


async def _read_until(facts: KafkaFacts, newer: asyncio.Future[str], own: str) -> None:
    """Read for the lane until it has met a newer time zone database. Raises OutdatedZonesError."""
    reading = asyncio.create_task(facts.run())
    try:
        ends: set[asyncio.Future[Any]] = {reading, newer}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        await asyncio.wait({reading})
    if newer.done():
        raise OutdatedZonesError(own, newer.result())
    await reading


async def _wait_for_topics(settings: Settings, stopping: asyncio.Event) -> bool:
    """Wait until every topic exists that the scheduler reads or writes; return False if `stopping`
    is set first. Raises BrokerError."""
    wanted = _needed_topics(settings.names)
    said = False
    async with ClusterAdmin.open(settings) as admin:
        while missing := sorted(wanted - (await admin.topics(wanted)).keys()):
            if not said:
                said = True
                log.warning(
                    "scheduler.waits",
                    why=f"there is no {', '.join(missing)}",
                    remedy="`farandole apply` creates what is missing, and so does a router of this"
                    " release",
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(_TOPIC_POLL_SECONDS):
                    await stopping.wait()
            if stopping.is_set():
                return False
    return True


def _needed_topics(names: KafkaNames) -> set[str]:
    return {
        names.topology_topic,
        names.control_topic,
        names.runs_topic,
        names.ledger_topic,
        names.schedules_topic,
        names.firings_topic,
        names.alerts_topic,
    }
