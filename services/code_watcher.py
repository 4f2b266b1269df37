"""What happens when the code of stages is saved?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from watchfiles import awatch

from farandole.services.local_sources import local_sources, syntax_problem
from farandole.services.supervisor import ServiceSpec, Supervisor

log = structlog.get_logger()

_LOOK_AGAIN_MS = 2_000  # ms after which is asked again which folders the code is in


def log_unreadable(problem: str) -> None:
    """Log why saved code restarts nothing."""
    log.warning("code.unreadable", why=problem)


async def follow_code(
    supervisor: Supervisor, *, reload: bool, refuse: Callable[[str], None] = log_unreadable
) -> None:
    """At each save of a module in a service's folder, start the processes in quarantine of the
    services that import it; with `reload`, also restart those that run. Until cancelled. A file
    that is no Python restarts nothing: `refuse` is called with each place and reason."""
    while True:
        watched = _code_folders(supervisor.services)
        # Folder by folder: below the pipeline's folder there may be a Kafka that writes all day.
        async for changes in awatch(
            *watched, recursive=False, yield_on_timeout=True, rust_timeout=_LOOK_AGAIN_MS
        ):
            saved = {Path(path) for _, path in changes if path.endswith(".py")}
            if saved:
                _handle_save(supervisor, saved, reload, refuse)
            if _code_folders(supervisor.services) != watched:
                break


def _handle_save(
    supervisor: Supervisor, saved: set[Path], reload: bool, refuse: Callable[[str], None]
) -> None:
    concerned = {
        service.name for service in supervisor.services if not saved.isdisjoint(_sources(service))
    }
    if not concerned:
        return
    problems = [problem for file in sorted(saved) if (problem := syntax_problem(file)) is not None]
    for problem in problems:
        refuse(f"{problem}; {', '.join(sorted(concerned))} cannot start with it: mend it")
    if problems:
        return
    if reload:
        supervisor.restart(concerned)
    else:
        supervisor.retry_quarantined(concerned)


def _sources(service: ServiceSpec) -> frozenset[Path]:
    return local_sources(Path(service.folder), service.modules)


def _code_folders(services: Iterable[ServiceSpec]) -> set[Path]:
    folders = {Path(service.folder) for service in services}
    return folders | {file.parent for service in services for file in _sources(service)}
