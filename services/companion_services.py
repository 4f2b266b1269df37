"""Which Farandole commands run as processes beside the workers?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import Settings
from farandole.notifier.settings import NotifierSettings
from farandole.services.invocation import Invocation
from farandole.services.supervisor import DRAIN_TIMEOUT, ServiceSpec
from farandole.services.worker_services import settings_environment

CompanionCommand = Literal["route", "keep-books", "keep-time", "notify", "monitor", "web"]
_SERVICE_NAMES: Mapping[CompanionCommand, str] = {
    "route": "router", "keep-books": "bookkeeper", "keep-time": "scheduler", "notify": "notifier",
    "monitor": "monitor", "web": "console",
}  # fmt: skip
COMPANION_COMMANDS = tuple(_SERVICE_NAMES)
_OPTIONS: Mapping[CompanionCommand, tuple[str, ...]] = {"web": ("--announced",)}


def companion_service(
    invocation: Invocation,
    settings: Settings,
    command: CompanionCommand,
    *,
    level: str,
    environment: Mapping[str, str] | None = None,
) -> ServiceSpec:
    """Return the service that runs a command for the same pipeline. `environment` is added to the
    variables of this process."""
    return ServiceSpec(
        name=_SERVICE_NAMES[command],
        argv=invocation.argv(command, *_OPTIONS.get(command, ()), log_level=level),
        environment={**os.environ, **settings_environment(settings), **(environment or {})},
        folder=str(invocation.folder.resolve()),
        patience=30.0,
        drain_timeout=DRAIN_TIMEOUT + _attempt_seconds(invocation.folder, command),
    )


def _attempt_seconds(folder: Path, command: CompanionCommand) -> float:
    """Return how long a service may wait at its end for what it sends to mail servers."""
    if command != "notify":
        return 0.0
    try:
        return NotifierSettings.load(folder).attempt_seconds
    except InvalidSettingsError:
        return 0.0  # the service itself reports it, and sends nothing
