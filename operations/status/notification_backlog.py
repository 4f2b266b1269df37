"""Who is told of what died, and does it reach them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka import TopicPartition

from farandole.broker import consumer_lag
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import total_unread, unread_ranges
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.safe_text import single_line
from farandole.notifier import notifier_tables
from farandole.notifier.text_format import utc_timestamp


async def read_notification_backlog(
    admin: ClusterAdmin, settings: Settings, pipelines: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Open incidents, notices that wait and why, and how many offsets of dead-letter topics the
    notifier has not read. `pipelines`: pairs of pipeline and stage. Raises BrokerError."""
    names = settings.names
    incidents = notifier_tables.read_incidents(await read_table(settings, names.incidents_topic))
    notices = notifier_tables.read_notices(await read_table(settings, names.outbox_topic))
    waiting = [n for n in notices if n.delivered is None]
    existing = await admin.topics()
    dead = {
        TopicPartition(topic, 0): ""
        for topic in {names.dead_topic(*stage) for stage in pipelines}
        if topic in existing
    }
    left = await unread_ranges(
        admin, await consumer_lag.partition_lag(admin, names.notifier_group, dead)
    )
    failures: dict[str, str] = {}
    for notice in sorted(notices, key=lambda n: n.written):
        failures |= {to: single_line(why) for to, why in notice.failures.items()}
    return {
        "open": sum(1 for i in incidents if i.resolved is None),
        "unread": total_unread(left),
        "waiting": len(waiting),
        "waiting_since": min((n.written for n in waiting), default=None),
        "failures": failures,
    }


def notification_lines(said: dict[str, Any], incidents: str, notify: str) -> Iterator[str]:
    """For a person; `incidents` and `notify` are the commands to type."""
    if said["open"]:
        many = "incident is" if said["open"] == 1 else "incidents are"
        yield f"{said['open']} {many} open: {incidents}"
    if said["unread"]:
        unread = f"{said['unread']:,} offsets of dead letters"
        yield f"the notifier has {unread} to read; if none runs: {notify}"
    if said["waiting"]:
        many = "notice waits" if said["waiting"] == 1 else "notices wait"
        since = utc_timestamp(said["waiting_since"])
        yield f"{said['waiting']} {many} to be delivered, since {since}"
    for to, why in said["failures"].items():
        yield f"  {to}: {why}"
