"""Which mails have a pipeline's failures caused?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.broker.tables import read_table
from farandole.events.incident import Incident
from farandole.notifier import rows
from farandole.notifier.catcher import Address, Caught, caught

_LOOK = 0.5  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Mailed:
    """An incident, and the newest mail about it."""

    incident: Incident
    mail: Caught | None


def server(address: Address) -> dict[str, str]:
    """The settings that lead a notifier to a catcher."""
    return {
        "FARANDOLE_SMTP_HOST": address.host,
        "FARANDOLE_SMTP_PORT": str(address.port),
        "FARANDOLE_SMTP_SECURITY": "none",
        "FARANDOLE_MAIL_FROM": "farandole@localhost",
    }


async def caused(
    settings: Settings, pipeline: str, folder: Path, *, dead: int, patience: float
) -> list[Mailed]:
    """The open incidents of a pipeline, once they hold as many dead letters and have been told;
    after `patience` seconds as they are then. Raises BrokerError."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + patience
    while True:
        table = await read_table(settings, settings.names.incidents)
        found = [i for i in rows.incidents(table) if i.pipeline == pipeline and not i.resolved]
        mails = {mail.message_id.partition(".")[0].strip("<"): mail for mail in caught(folder)}
        told = [Mailed(incident, mails.get(incident.id)) for incident in found]
        counted = sum(incident.count for incident in found) >= dead
        if (counted and all(each.mail for each in told)) or loop.time() > ends:
            return told
        await asyncio.sleep(_LOOK)
