"""Who is told of what died, and does it reach them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka import TopicPartition

from farandole.broker import lag
from farandole.broker.admin import Admin
from farandole.broker.lag import total, unread
from farandole.broker.settings import Settings
from farandole.broker.tables import read_table
from farandole.events.display import in_one_line
from farandole.notifier import rows
from farandole.notifier.words import exactly


async def looked(
    admin: Admin, settings: Settings, pipelines: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Open incidents, notices that wait and why, and how many offsets of dead-letter topics the
    notifier has not read. `pipelines`: pairs of pipeline and stage. Raises BrokerError."""
    names = settings.names
    incidents = rows.incidents(await read_table(settings, names.incidents))
    notices = rows.notices(await read_table(settings, names.outbox))
    waiting = [n for n in notices if n.delivered is None]
    existing = await admin.topics()
    dead = {
        TopicPartition(topic, 0): ""
        for topic in {names.dead(*stage) for stage in pipelines}
        if topic in existing
    }
    left = await unread(admin, await lag.looked(admin, names.notifier, dead))
    failures: dict[str, str] = {}
    for notice in sorted(notices, key=lambda n: n.written):
        failures |= {to: in_one_line(why) for to, why in notice.failures.items()}
    return {
        "open": sum(1 for i in incidents if i.resolved is None),
        "unread": total(left),
        "waiting": len(waiting),
        "waiting_since": min((n.written for n in waiting), default=None),
        "failures": failures,
    }


def lines(said: dict[str, Any], incidents: str, notify: str) -> Iterator[str]:
    """For a person; `incidents` and `notify` are the commands to type."""
    if said["open"]:
        many = "incident is" if said["open"] == 1 else "incidents are"
        yield f"{said['open']} {many} open: {incidents}"
    if said["unread"]:
        unread = f"{said['unread']:,} offsets of dead letters"
        yield f"the notifier has {unread} to read; if none runs: {notify}"
    if said["waiting"]:
        many = "notice waits" if said["waiting"] == 1 else "notices wait"
        since = exactly(said["waiting_since"])
        yield f"{said['waiting']} {many} to be delivered, since {since}"
    for to, why in said["failures"].items():
        yield f"  {to}: {why}"
