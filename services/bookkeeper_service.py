"""How does the bookkeeper run as a process?"""

from __future__ import annotations

from farandole.broker.settings import Settings
from farandole.ledger.service import run_bookkeeper
from farandole.services.service_runner import run_service


async def run_bookkeeper_service(settings: Settings) -> int:
    """Fold ledger entries into run rows until Ctrl-C or SIGTERM; return the exit code."""
    return await run_service(
        lambda stopping: run_bookkeeper(settings, stopping), ended_event="books.ended"
    )
