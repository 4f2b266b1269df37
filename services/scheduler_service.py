"""How does the scheduler run as a process?"""

from __future__ import annotations

from pathlib import Path

from farandole.broker.settings import Settings
from farandole.scheduler.service import OutdatedZonesError, run_scheduler
from farandole.services.service_runner import MeteredService, run_service


async def run_scheduler_service(settings: Settings, folder: Path) -> int:
    """Fire schedules until Ctrl-C or SIGTERM; return the exit code. Paths of local files are
    relative to `folder`. Raises OutdatedZonesError."""
    metered = MeteredService("scheduler", folder)
    return await run_service(
        lambda stopping: run_scheduler(settings, folder, stopping, meter=metered.meter),
        ended_event="scheduler.ended",
        final=(OutdatedZonesError,),
        metered=metered,
    )
