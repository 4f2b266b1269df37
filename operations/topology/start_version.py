"""Which version is in force when the services of a pipeline are started?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.events.topology_version import Version
from farandole.operations.errors import operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.topology.apply import note_plan, note_version
from farandole.operations.topology_source import Derivation
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.guarded_apply import apply_plan, standing_rollback_reason
from farandole.router.topology_change import Change, Reason


@dataclass(frozen=True, slots=True)
class StartRequest:
    """The file as it is now, and who starts the pipeline."""

    derivation: Derivation
    by: str


@dataclass(frozen=True, slots=True)
class StartResult:
    """The version to begin with."""

    version: Version
    kept_because: Reason | None = None
    """Why the file is not applied; None if it is, or if it is only dangerous."""
    refused: tuple[Change, ...] = ()
    """The dangerous changes that keep the file from being applied."""
    dangers: tuple[str, ...] = ()
    """The kinds of danger that a person must permit to apply the file, each once."""


@operation
@recorded("up")
async def start_version(installation: Installation, request: StartRequest) -> StartResult:
    """Publish the file and return its version. If that is dangerous, or if somebody has rolled back
    on purpose, return the version that remains in force. Raises ConflictError (`not_applied`) and
    UnavailableError."""
    settings = installation.settings
    plan = await plan_changes(settings, request.derivation.derived)
    note_plan(installation, plan)
    if plan.newest is not None and plan.publishes:
        kept_because = await standing_rollback_reason(settings, plan)
        refused = plan.not_allowed(())
        if kept_because or refused:
            installation.deed.only_looked = True
            version = await installation.newest_version()
            return StartResult(version, kept_because, tuple(refused), tuple(plan.dangers))
    applied = await apply_plan(settings, plan, request.by)
    note_version(installation, applied.version)
    installation.deed.only_looked = not applied.changed
    return StartResult(applied.version)
