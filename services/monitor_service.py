"""How does the monitor run as a process?"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import Settings
from farandole.monitor.committed_consumer import UncommittedReadError
from farandole.monitor.http_api import PortTakenError
from farandole.monitor.service import (
    FaustHangsError,
    FolderNotWritableError,
    MonitorRunningError,
    run_monitor,
)
from farandole.monitor.settings import MonitorSettings
from farandole.services.restart_policy import EXIT_TEMPORARY
from farandole.services.service_runner import MeteredService, run_service

_FINAL = (
    MonitorRunningError,
    FolderNotWritableError,
    InvalidSettingsError,
    PortTakenError,
    UncommittedReadError,
)


async def run_monitor_service(
    settings: Settings,
    monitor_settings: MonitorSettings,
    folder: Path,
    announce: Callable[[str], None],
) -> int:
    """Count until Ctrl-C or SIGTERM; return the exit code. `announce` gets the address at which the
    monitor answers. If Faust hangs, the process is ended at once, because Faust's threads
    would keep it running."""
    for noisy in ("faust", "mode"):  # the monitor logs what matters of them itself
        logging.getLogger(noisy).setLevel(logging.CRITICAL + 1)

    async def main(stopping: asyncio.Event) -> None:
        try:
            await run_monitor(settings, monitor_settings, folder, stopping, announce)
        except FaustHangsError as error:
            structlog.get_logger().warning("monitor.hangs", why=str(error))
            sys.stdout.flush()
            os._exit(0 if stopping.is_set() else EXIT_TEMPORARY)

    return await run_service(
        main,
        ended_event="monitor.ended",
        final=_FINAL,
        metered=MeteredService("monitor", folder),
    )
