"""Who gets notices about failures, and are they delivered?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from aiokafka import TopicPartition

from farandole.broker import consumer_lag
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import total_unread, unread_ranges
from farandole.broker.settings import Settings
from farandole.events.safe_text import single_line
from farandole.operations.incidents.incident_rows import read_incident_rows, read_notice_rows
from farandole.operations.results import Result


class NotificationBacklog(Result):
    """The lag of the notifier, and what it cannot deliver."""

    open: int
    """Incidents that are not resolved."""
    unread: int
    """Offsets of dead-letter topics that the notifier has not read."""
    waiting: int
    """Notices that are not delivered."""
    waiting_since: datetime | None
    """When the oldest of them was written; None if there is none."""
    failures: dict[str, str]
    """Why the last delivery failed, by recipient."""


async def read_notification_backlog(
    admin: ClusterAdmin, settings: Settings, stages: Iterable[tuple[str, str]]
) -> NotificationBacklog:
    """Return the backlog for the dead letters of `stages`, pairs of pipeline and stage. Raises
    BrokerError."""
    names = settings.names
    incidents = await read_incident_rows(settings)
    notices = await read_notice_rows(settings)
    waiting = [notice for notice in notices if notice.delivered is None]
    topics = {names.dead_topic(*stage) for stage in stages}
    existing = await admin.topics(topics)
    dead = {TopicPartition(topic, 0): "" for topic in topics if topic in existing}
    left = await unread_ranges(
        admin, await consumer_lag.partition_lag(admin, names.notifier_group, dead)
    )
    failures: dict[str, str] = {}
    for notice in sorted(notices, key=lambda each: each.written):
        failures |= {to: single_line(problem) for to, problem in notice.failures.items()}
    return NotificationBacklog(
        open=sum(1 for incident in incidents if incident.resolved is None),
        unread=total_unread(left),
        waiting=len(waiting),
        waiting_since=min((notice.written for notice in waiting), default=None),
        failures=failures,
    )
