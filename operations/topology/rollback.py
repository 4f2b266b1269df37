"""How is an earlier version put in force again?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError, operation, query
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.topology.apply import ApplyResult, carry_out
from farandole.operations.topology.draft import DraftPlan, draft_plan, require_permitted
from farandole.operations.topology.draft_check import DraftChecker
from farandole.operations.topology.plan_token import plan_token, require_token
from farandole.operations.topology.version_lookup import find_version
from farandole.operations.topology_source import TopologySource, check_topology
from farandole.router.change_plan import ChangePlan, same_content
from farandole.router.cluster_snapshot import plan_changes, take_snapshot
from farandole.router.topology_derivation import (
    DerivedTopology,
    derive_from_version,
    derive_topology,
)
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
    checker: DraftChecker | None = None
    """Imports functions in a process of its own; None: they are imported in this one."""
    token: str | None = None
    """That of the plan that was seen; None: whatever the changes are."""
    confirmed: Sequence[str] = ()
    """The names of the dangerous changes, as somebody has typed them; needed with a token."""


class RollbackResult(ApplyResult):
    """The result of a rollback, and whether applying the topology file would undo it."""

    file_differs: bool
    """True if the content of the file differs from the version that is in force now: saving the
    file would apply it."""


@operation
@recorded("rollback")
async def roll_back(installation: Installation, request: RollbackRequest) -> RollbackResult:
    """Publish an earlier version's content as the next version. Raises NotFoundError
    (`unknown_version`), RefusedError (`code_missing`, `dangerous_changes`,
    `confirmation_missing`), ConflictError (`stale_token` and others) and UnavailableError."""
    target, plan = await _planned(installation, request.version, request.checker)
    if request.token is not None:
        require_token(plan, request.token)
        require_permitted(plan, request.allowed, request.confirmed)
    applied = await carry_out(installation, plan, request.by, request.allowed)
    differs = await _file_differs(installation, target, request.checker)
    return RollbackResult(**applied.to_data(), file_differs=differs)


@query
async def plan_rollback(
    installation: Installation, version: int | None, checker: DraftChecker | None = None
) -> DraftPlan:
    """Return what `roll_back` would change; change nothing. Raises as that does."""
    _, plan = await _planned(installation, version, checker)
    return draft_plan(plan, plan_token(plan))


async def _planned(
    installation: Installation, number: int | None, checker: DraftChecker | None
) -> tuple[Version, ChangePlan]:
    settings = installation.settings
    pipeline = await installation.require_pipeline()
    history = await published_versions_of(settings, pipeline)
    target = (
        history[-2]
        if number is None and len(history) > 1
        else find_version(history, pipeline, number)
    )
    await _require_importable(installation.folder, target, checker)
    derived = derive_from_version(target, settings.names)
    return target, await plan_changes(settings, derived, target.version)


async def _file_differs(
    installation: Installation, target: Version, checker: DraftChecker | None
) -> bool:
    """Return True if the content of the file differs from the version. False if there is no file.
    True if the file has mistakes: it will differ once they are corrected."""
    source, names = installation.topology, installation.settings.names
    if not source.file.is_file():
        return False
    if checker is not None:
        derived = (await checker.check(source, source.file.read_bytes())).derived
    else:
        derived = _derived_here(source, names)
    if derived is None:
        return True
    _, placed = await take_snapshot(installation.settings, derived)
    return not same_content(target, placed)


def _derived_here(source: TopologySource, names: KafkaNames) -> DerivedTopology | None:
    checked = check_topology(source, names)
    if not checked.is_fit or checked.topology is None:
        return None
    return derive_topology(checked.topology, checked.signatures, names)


async def _require_importable(folder: Path, version: Version, checker: DraftChecker | None) -> None:
    functions = {name: each.run for name, each in version.stages.items() if not each.external}
    unusable = (
        await checker.unusable_functions(list(functions.values()))
        if checker is not None
        else _unusable_functions(folder, functions.values())
    )
    missing = {name: unusable[run] for name, run in functions.items() if run in unusable}
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


def _unusable_functions(folder: Path, functions: Iterable[str]) -> dict[str, str]:
    """Return why a stage cannot run a function, by function; imported in this process."""
    add_to_import_path(folder)
    found = {}
    for run in functions:
        try:
            load_stage_function(run)
        except UnusableFunctionError as error:
            found[run] = str(error)
    return found
