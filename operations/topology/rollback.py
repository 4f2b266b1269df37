"""How is an earlier version put in force again?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.topology.apply import ApplyResult, carry_out
from farandole.operations.topology.version_lookup import find_version
from farandole.operations.topology_source import check_topology
from farandole.router.change_plan import same_content
from farandole.router.cluster_snapshot import plan_changes, take_snapshot
from farandole.router.topology_derivation import derive_from_version, derive_topology
from farandole.router.topology_store import published_versions_of
from farandole.stages.function_loader import (
    UnusableFunctionError,
    add_to_import_path,
    load_stage_function,
)


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """The version to return to, and who asks for it."""

    by: str
    version: int | None = None
    """None: the one before the newest."""
    allowed: Sequence[str] = ()
    """The kinds of danger that are allowed."""


class RollbackResult(ApplyResult):
    """The result of a rollback, and whether applying the topology file would undo it."""

    file_differs: bool
    """True if the content of the file differs from the version that is in force now: saving the
    file would apply it."""


@operation
async def roll_back(installation: Installation, request: RollbackRequest) -> RollbackResult:
    """Publish an earlier version's content as the next version. Raises NotFoundError
    (`unknown_version`), RefusedError (`code_missing`, `dangerous_changes`), ConflictError and
    UnavailableError."""
    settings = installation.settings
    pipeline = await installation.require_pipeline()
    history = await published_versions_of(settings, pipeline)
    target = (
        history[-2]
        if request.version is None and len(history) > 1
        else find_version(history, pipeline, request.version)
    )
    _require_importable(installation.folder, target)
    plan = await plan_changes(settings, derive_from_version(target, settings.names), target.version)
    applied = await carry_out(installation, plan, request.by, request.allowed)
    differs = await _file_differs(installation, target)
    return RollbackResult(**applied.to_data(), file_differs=differs)


async def _file_differs(installation: Installation, target: Version) -> bool:
    """Return True if the content of the file differs from the version. False if there is no file.
    True if the file has mistakes: it will differ once they are corrected."""
    names = installation.settings.names
    if not installation.topology.file.is_file():
        return False
    checked = check_topology(installation.topology, names)
    if not checked.is_fit or checked.topology is None:
        return True
    derived = derive_topology(checked.topology, checked.signatures, names)
    _, placed = await take_snapshot(installation.settings, derived)
    return not same_content(target, placed)


def _require_importable(folder: Path, version: Version) -> None:
    add_to_import_path(folder)
    missing: dict[str, str] = {}
    for name, stage in version.stages.items():
        if stage.external:
            continue
        try:
            load_stage_function(stage.run)
        except UnusableFunctionError as error:
            missing[name] = str(error)
    if missing:
        raise RefusedError(
            "code_missing",
            "nothing was applied; bring that code back first",
            details=[
                f"farandole: stage {name} of {version.name} cannot be hosted: {problem}"
                for name, problem in missing.items()
            ],
            stages=missing,
        )
