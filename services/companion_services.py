"""Which Farandole commands run as processes beside the workers?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from farandole.broker.settings import Settings
from farandole.services.invocation import Invocation
from farandole.services.supervisor import ServiceSpec
from farandole.services.worker_services import settings_environment

CompanionCommand = Literal["route", "keep-books", "notify", "monitor"]
COMPANION_COMMANDS: tuple[CompanionCommand, ...] = ("route", "keep-books", "notify", "monitor")
_SERVICE_NAMES: Mapping[CompanionCommand, str] = {
    "route": "router", "keep-books": "bookkeeper", "notify": "notifier", "monitor": "monitor",
}  # fmt: skip


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
        argv=invocation.argv(command, log_level=level),
        environment={**os.environ, **settings_environment(settings), **(environment or {})},
        folder=str(invocation.folder.resolve()),
        patience=30.0,
    )
