"""Which worker processes does a pipeline need, and how are they started?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from farandole.broker.settings import PREFIX, Settings
from farandole.worker.live import live
from farandole.worker.supervisor import Service
from farandole.worker.versions import Versions


def services(
    settings: Settings,
    folder: Path,
    versions: Versions,
    *,
    stages: Sequence[str] = (),
    processes: int | None = None,
    together: bool = False,
    memory: int | None = None,
    pretty: bool = False,
    log_level: str = "info",
) -> list[Service]:
    """A service for each stage, as many processes of it as the file says, so that a stage that dies
    takes no other with it; or, `together`, one service that hosts all of them.

    `stages` empty: all that some version has. `processes` overrides the file. `memory`: MiB of data
    that each process may hold; None: what a worker takes for itself.
    """
    every = live(versions)
    pipeline = versions[max(versions)].pipeline
    wanted = list(stages) or list(every)
    hosts = [list(stages)] if together else [[stage] for stage in wanted]
    return [
        Service(
            name=host[0] if len(host) == 1 else "worker",
            argv=[
                sys.executable,
                "-P",  # the pipeline's folder must not hide our own packages
                "-m",
                "farandole.worker",
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
            environment={**os.environ, **told(settings)},
            folder=str(folder.resolve()),
            # Below the session: whoever holds its event loop for so long would lose its lanes to
            # another worker, which would then do the same.
            patience=0.8 * settings.session_timeout,
            processes=processes or max(every[stage].stage.processes for stage in host or wanted),
        )
        for host in hosts
    ]


def told(settings: Settings) -> dict[str, str]:
    """The variables that give a process our settings, whoever made them: a worker's session is what
    its supervisor's patience is cut to. A password alone it reads for itself."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {
        f"{PREFIX}{name.upper()}": str(value.absolute() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None and name not in ("bootstrap", "sasl_password")
    }
