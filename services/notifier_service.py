"""How does the notifier run as a process?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.notifier.delivery_channels import build_channels, deliver_notice
from farandole.notifier.service import run_notifier
from farandole.notifier.settings import NotifierSettings
from farandole.services.service_runner import MeteredService, run_service


async def run_notifier_service(
    settings: Settings,
    notifier_settings: NotifierSettings,
    folder: Path,
    console: str | None,
    announce: Callable[[str], None],
) -> int:
    """Send notices until Ctrl-C or SIGTERM; return the exit code. Mails link to the web console, if
    `console` says where that is; the settings of `folder` say where scrapes are answered.
    `announce` is called with a line for a person if mails cannot be sent."""
    if notifier_settings.smtp_host is None:
        announce(
            "no mail server is configured (FARANDOLE_SMTP_HOST): incidents are kept, mails wait"
        )
    metered = MeteredService("notifier", folder)
    channels = build_channels(notifier_settings, lambda: datetime.now(UTC))

    async def main(stopping: asyncio.Event) -> None:
        deliver = partial(deliver_notice, channels=channels)
        await run_notifier(
            settings,
            notifier_settings.mail_from,
            deliver,
            stopping,
            attempt_seconds=notifier_settings.attempt_seconds,
            console=console,
            meter=metered.meter,
        )

    return await run_service(main, ended_event="notifier.ended", metered=metered)
