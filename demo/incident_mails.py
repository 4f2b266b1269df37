"""Which mails have a pipeline's failures caused?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.incident_record import Incident
from farandole.notifier import notifier_tables
from farandole.notifier.mail_catcher import CatcherAddress, CaughtMail, list_caught_mails

_POLL_INTERVAL = 0.5  # seconds between two looks


@dataclass(frozen=True, slots=True)
class IncidentMail:
    """An incident, and the newest mail about it."""

    incident: Incident
    mail: CaughtMail | None


def catcher_environment(address: CatcherAddress) -> dict[str, str]:
    """The settings that lead a notifier to a catcher."""
    return {
        "FARANDOLE_SMTP_HOST": address.host,
        "FARANDOLE_SMTP_PORT": str(address.port),
        "FARANDOLE_SMTP_SECURITY": "none",
        "FARANDOLE_MAIL_FROM": "farandole@localhost",
    }


async def wait_for_mails(
    settings: Settings, pipeline: str, folder: Path, *, dead: int, patience: float
) -> list[IncidentMail]:
    """The open incidents of a pipeline, once they hold as many dead letters and have been told;
    after `patience` seconds as they are then. Raises BrokerError."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + patience
    while True:
        table = await read_table(settings, settings.names.incidents_topic)
        found = [
            i
            for i in notifier_tables.read_incidents(table)
            if i.pipeline == pipeline and not i.resolved
        ]
        mails = {
            mail.message_id.partition(".")[0].strip("<"): mail for mail in list_caught_mails(folder)
        }
        told = [IncidentMail(incident, mails.get(incident.id)) for incident in found]
        counted = sum(incident.count for incident in found) >= dead
        if (counted and all(each.mail for each in told)) or loop.time() > ends:
            return told
        await asyncio.sleep(_POLL_INTERVAL)
