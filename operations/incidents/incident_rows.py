"""Which incidents and notices has the notifier stored?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.incident_record import Incident, Notice
from farandole.notifier import notifier_tables
from farandole.operations.errors import NotFoundError


async def read_incident_rows(settings: Settings) -> list[Incident]:
    """Return all stored incidents. Raises BrokerError."""
    rows = await read_table(settings, settings.names.incidents_topic)
    return list(notifier_tables.read_incidents(rows))


async def read_notice_rows(settings: Settings) -> list[Notice]:
    """Return all stored notices, sent or not. Raises BrokerError."""
    rows = await read_table(settings, settings.names.outbox_topic)
    return list(notifier_tables.read_notices(rows))


def find_incident(incidents: Sequence[Incident], incident_id: str) -> Incident:
    """Return the incident of that id. Raises NotFoundError (`unknown_incident`)."""
    for incident in incidents:
        if incident.id == incident_id:
            return incident
    open_ids = [incident.id for incident in incidents if incident.resolved is None]
    raise NotFoundError(
        "unknown_incident",
        f"there is no incident {incident_id!r}; open are: {', '.join(open_ids) or 'none is open'}",
        incident=incident_id,
        open=open_ids,
    )


def incident_state(incident: Incident, now: datetime) -> str:
    """Return `resolved`, `muted until …`, `acknowledged` or `open`."""
    if incident.resolved is not None:
        return "resolved"
    if incident.muted_until is not None and incident.muted_until > now:
        return f"muted until {incident.muted_until:%m-%d %H:%M}"
    if incident.acknowledged_by is not None:
        return "acknowledged"
    return "open"
