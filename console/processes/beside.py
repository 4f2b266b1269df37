"""Which commands of ours run as processes beside the workers?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Literal

from farandole.broker.settings import Settings
from farandole.console.wiring import Here
from farandole.worker.services import told
from farandole.worker.supervisor import Service

_NAMES = {
    "route": "router", "notify": "notifier", "keep-books": "bookkeeper", "monitor": "monitor",
}  # fmt: skip


def service(
    here: Here,
    settings: Settings,
    command: Literal["route", "notify", "keep-books", "monitor"],
    *,
    level: str,
    environment: Mapping[str, str] | None = None,
) -> Service:
    """The service that runs a command for the same pipeline; `environment` is added to ours."""
    options = ["-C", str(here.folder.resolve()), "--log-level", level]
    for option, value in (
        ("-f", here.chosen and str(here.chosen.resolve())),
        ("--bootstrap", here.bootstrap),
        ("--namespace", here.namespace),
    ):
        options += [option, value] if value else []
    return Service(
        name=_NAMES[command],
        argv=[sys.executable, "-P", "-m", "farandole", *options, command],
        environment={**os.environ, **told(settings), **(environment or {})},
        folder=str(here.folder.resolve()),
        patience=30.0,
    )
