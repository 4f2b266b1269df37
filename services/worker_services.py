"""Which worker processes does a pipeline need, and how are they started?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import VersionsByNumber
from farandole.services.supervisor import ServiceSpec


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
    """A service for each stage, as many processes of it as the file says, so that a stage that dies
    takes no other with it; or, `together`, one service that hosts all of them.

    `stages` empty: all that some version has. `processes` overrides the file. `memory`: MiB of data
    that each process may hold; None: what a worker takes for itself.
    """
    every = active_stages(versions)
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
            # Below the session: whoever holds its event loop for so long would lose its lanes to
            # another worker, which would then do the same.
            patience=0.8 * settings.session_timeout,
            processes=processes or max(every[stage].stage.processes for stage in host or wanted),
        )
        for host in hosts
    ]


def settings_environment(settings: Settings) -> dict[str, str]:
    """The variables that give a process our settings, whoever made them: a worker's session is what
    its supervisor's patience is cut to. A password alone it reads for itself."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {
        f"{ENV_PREFIX}{name.upper()}": str(value.absolute() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None and name not in ("bootstrap", "sasl_password")
    }
