"""Which mails were sent about the failures of a pipeline?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from farandole.events.incident_record import Incident
from farandole.notifier.mail_catcher import CatcherAddress, CaughtMail, list_caught_mails
from farandole.operations.incidents.incidents import ListRequest, list_incidents
from farandole.operations.installation import Installation

_POLL_INTERVAL = 0.5  # seconds between two checks


@dataclass(frozen=True, slots=True)
class IncidentMail:
    """An incident, and the newest mail about it; None if none was caught."""

    incident: Incident
    mail: CaughtMail | None


def catcher_environment(address: CatcherAddress) -> dict[str, str]:
    """Return the environment variables with which a notifier sends to a mail catcher."""
    return {
        "FARANDOLE_SMTP_HOST": address.host,
        "FARANDOLE_SMTP_PORT": str(address.port),
        "FARANDOLE_SMTP_SECURITY": "none",
        "FARANDOLE_MAIL_FROM": "farandole@localhost",
    }


async def wait_for_mails(
    installation: Installation, folder: Path, *, dead: int, patience: float
) -> list[IncidentMail]:
    """Return the open incidents of the pipeline as soon as they count `dead` letters and a mail was
    caught for each; after `patience` seconds, return them as they are. Raises OperationError."""
    pipeline = await installation.require_pipeline()
    loop = asyncio.get_running_loop()
    ends = loop.time() + patience
    while True:
        listed = await list_incidents(installation, ListRequest())
        incidents = [each.incident for each in listed if each.incident.pipeline == pipeline]
        mails = {
            mail.message_id.partition(".")[0].strip("<"): mail for mail in list_caught_mails(folder)
        }
        found = [IncidentMail(incident, mails.get(incident.id)) for incident in incidents]
        counted = sum(incident.count for incident in incidents) >= dead
        if (counted and all(each.mail for each in found)) or loop.time() > ends:
            return found
        await asyncio.sleep(_POLL_INTERVAL)
