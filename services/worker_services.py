"""Which worker processes does a pipeline need, and how are they started?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.catalog.active_stages import hosted_stages
from farandole.catalog.published_versions import VersionsByNumber
from farandole.services.supervisor import ServiceSpec
from farandole.worker.heartbeat import silence_limit


def worker_services(
    settings: Settings,
    folder: Path,
    versions: VersionsByNumber,
    *,
    stages: Sequence[str] = (),
    processes: int | None = None,
    together: bool = False,
    memory: int | None = None,
    pretty: bool = False,
    log_level: str = "info",
) -> list[ServiceSpec]:
    """Return a service for each stage, with as many processes as the file says, so that a stage
    that crashes takes no other with it; or, `together`, one service that hosts all of them.

    Empty `stages` means all stages that events can still come to and that workers host.
    `processes` overrides the file. `memory` is how many MiB of data each process may use; None
    for the worker's own default.
    """
    every = hosted_stages(versions)
    pipeline = versions[max(versions)].pipeline
    wanted = list(stages) or list(every)
    hosts = [list(stages)] if together else [[stage] for stage in wanted]
    return [
        ServiceSpec(
            name=host[0] if len(host) == 1 else "worker",
            argv=[
                sys.executable,
                "-P",  # the pipeline's folder must not hide our own packages
                "-m",
                "farandole.services.worker_main",
                "--folder",
                str(folder.resolve()),
                "--pipeline",
                pipeline,
                "--bootstrap",
                settings.bootstrap or "",
                "--log-level",
                log_level,
                *(["--memory", str(memory)] if memory is not None else []),
                *(["--pretty"] if pretty else []),
                *host,
            ],
            environment={**os.environ, **settings_environment(settings)},
            folder=str(folder.resolve()),
            patience=silence_limit(settings.session_timeout),
            processes=processes or max(every[stage].stage.processes for stage in host or wanted),
            modules=tuple(
                sorted({every[stage].stage.run.partition(":")[0] for stage in host or wanted})
            ),
        )
        for host in hosts
    ]


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables that give a process the same settings, wherever they came
    from: the supervisor's patience is derived from the session time-out. A process reads the
    password itself."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {
        f"{ENV_PREFIX}{name.upper()}": str(value.absolute() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None and name not in ("bootstrap", "sasl_password")
    }
