"""How does the notifier run: one lane over alerts and every dead-letter topic?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.events.incident_record import Incident, Notice
from farandole.lanes.kafka_port import KafkaPort
from farandole.lanes.lane_group import LaneGroup, run_with_companion
from farandole.lanes.lane_port import LanePort
from farandole.lanes.lane_spec import LaneSpec
from farandole.notifier.delivery_tasks import DeliverNotice, DeliveryTasks
from farandole.notifier.incident_lifecycle import NoticeIntent
from farandole.notifier.incident_store import IncidentStore
from farandole.notifier.notice_composer import compose_notice
from farandole.notifier.notifier_lane import NotifierLane, utc_now
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.telemetry.meter import Meter

log = structlog.get_logger()

DRAIN_SECONDS = 10.0  # how long the lane may take to end, beside the attempts that are running
_LANE = 0
"""The notifier has one lane: each of its inputs has one partition."""
_TOPIC_POLL_SECONDS = 10.0  # between two searches for topics that did not exist


async def run_notifier(
    settings: Settings,
    sender: str | None,
    deliver: DeliverNotice,
    stopping: asyncio.Event,
    *,
    attempt_seconds: float,
    console: str | None = None,
    meter: Meter | None = None,
    clock: Callable[[], datetime] = utc_now,
    port: Callable[[KafkaPort], LanePort] = lambda port: port,
) -> None:
    """Run the notifier until `stopping` is set. Any number may run: one works, and another takes
    over when it ends.

    `sender` is the address in the From header of mails, None if none is configured. `deliver` makes
    one attempt to deliver a notice, within `attempt_seconds`; when the notifier stops it waits for
    the attempts that have begun. `console`: where the web console is found; None if that is not
    known. `meter` measures the process. Tests pass a `clock` of their own, and a `port` that wraps
    the lane's Kafka port. Raises a lane group's error or BrokerError when Kafka stays unreachable.
    """
    directory = PipelineDirectory(settings.names)

    def compose(intent: NoticeIntent, others: Sequence[Incident]) -> Notice | None:
        policy = directory.alerts(intent.incident.pipeline)
        return compose_notice(
            intent,
            policy,
            others,
            sender=sender,
            bootstrap=settings.bootstrap or "",
            options=settings.command_options,
            console=console,
        )

    store = IncidentStore(directory.alerts, compose)

    async def owns_lane() -> bool:
        return await group.confirm_lane(_LANE)

    notifier_lane = NotifierLane(
        settings.names,
        store,
        DeliveryTasks(deliver, owns_lane),
        directory.personal_fields,
        clock,
        read_age=lambda: group.read_age(_LANE),
        drain_seconds=attempt_seconds,
        meter=meter,
    )
    names = settings.names
    async with follow_table(settings, names.topology_topic) as table:
        directory.update(table.rows)
        spec = LaneSpec(
            group=names.notifier_group,
            topics=await _existing_topics(settings, directory) or [names.control_topic],
            transactional_id=lambda lane: f"{names.notifier_group}:{lane}",
            work=lambda _: notifier_lane,
            drain_seconds=attempt_seconds + DRAIN_SECONDS,
            state_topics=[names.incidents_topic, names.outbox_topic, names.control_topic],
            restart_lost_input=True,
            wrap_port=port,
        )
        group = LaneGroup(settings, spec, isolation=asyncio.Lock(), meter=meter)
        await run_with_companion(
            group, _follow_dead_topics(settings, directory, table, group), stopping
        )


async def _follow_dead_topics(
    settings: Settings, directory: PipelineDirectory, table: TableFollower, group: LaneGroup
) -> None:
    """Subscribe to the dead-letter topics of each new version, and to those that somebody has
    created again, until cancelled."""
    failures = 0  # in a row
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TOPIC_POLL_SECONDS):
                directory.update(await table.next_change())
        topics = await _existing_topics(settings, directory, failures)
        failures = failures + 1 if topics is None else 0
        if topics is not None:
            group.subscribe(topics)


async def _existing_topics(
    settings: Settings, directory: PipelineDirectory, failures: int = 0
) -> list[str] | None:
    """Return the input topics that exist; None if Kafka does not answer, as it did not the last
    `failures` times."""
    try:
        async with ClusterAdmin.open(settings) as admin:
            existing = await admin.all_topics()
    except BrokerError as error:
        if is_logged(failures + 1):
            log.warning("notifier.unanswered", why=str(error))
        return None
    wanted = [settings.names.alerts_topic, *directory.dead_topics()]
    return [settings.names.control_topic, *(topic for topic in wanted if topic in existing)]
