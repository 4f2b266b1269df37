"""Which commands of ours run as processes beside the workers?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Literal

from farandole.broker.settings import Settings
from farandole.cli.context import CliContext
from farandole.services.supervisor import ServiceSpec
from farandole.services.worker_services import settings_environment

_SERVICE_NAMES = {
    "route": "router", "notify": "notifier", "keep-books": "bookkeeper", "monitor": "monitor",
}  # fmt: skip


def companion_service(
    here: CliContext,
    settings: Settings,
    command: Literal["route", "notify", "keep-books", "monitor"],
    *,
    level: str,
    environment: Mapping[str, str] | None = None,
) -> ServiceSpec:
    """The service that runs a command for the same pipeline; `environment` is added to ours."""
    options = ["-C", str(here.folder.resolve()), "--log-level", level]
    for option, value in (
        ("-f", here.chosen and str(here.chosen.resolve())),
        ("--bootstrap", here.bootstrap),
        ("--namespace", here.namespace),
    ):
        options += [option, value] if value else []
    return ServiceSpec(
        name=_SERVICE_NAMES[command],
        argv=[sys.executable, "-P", "-m", "farandole", *options, command],
        environment={**os.environ, **settings_environment(settings), **(environment or {})},
        folder=str(here.folder.resolve()),
        patience=30.0,
    )
