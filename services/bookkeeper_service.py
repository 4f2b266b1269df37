"""How does the bookkeeper run as a process?"""

from __future__ import annotations

from pathlib import Path

from farandole.broker.settings import Settings
from farandole.ledger.service import run_bookkeeper
from farandole.services.service_runner import MeteredService, run_service


async def run_bookkeeper_service(settings: Settings, folder: Path) -> int:
    """Fold ledger entries into run rows until Ctrl-C or SIGTERM; return the exit code. The
    functions of checks are imported from `folder`, whose settings say where scrapes are
    answered."""
    metered = MeteredService("bookkeeper", folder)
    return await run_service(
        lambda stopping: run_bookkeeper(settings, stopping, folder, meter=metered.meter),
        ended_event="books.ended",
        metered=metered,
    )
