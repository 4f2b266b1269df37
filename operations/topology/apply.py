"""How is a topology published?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import record_done, recorded
from farandole.operations.results import Result
from farandole.operations.topology_source import Derivation
from farandole.router.change_plan import ChangePlan
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.guarded_apply import DangerNotAllowedError, apply_plan
from farandole.router.reason_text import change_lines


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """The plan to carry out, and who asks for it."""

    source: Derivation | ChangePlan
    """A file as it is now, or a plan that was saved."""
    by: str
    allowed: Sequence[str] = ()
    """The kinds of danger that are allowed: `unread`, `keys`, `schema`."""


class ApplyResult(Result):
    """The result of applying a plan."""

    version: str
    """The version in force now, `pipeline@number`."""
    changed: bool
    """True if this call published it."""
    created_topics: tuple[str, ...]
    configured_topics: tuple[str, ...]
    """The topics whose configuration was repaired."""
    rollback_of: int | None = None


@operation
@recorded("apply")
async def apply_topology(installation: Installation, request: ApplyRequest) -> ApplyResult:
    """Publish a topology as its pipeline's next version and create the topics that it needs.
    Nothing is changed if the newest version has the same content. Raises RefusedError
    (`dangerous_changes`), ConflictError (`not_applied`) and UnavailableError."""
    source = request.source
    if isinstance(source, Derivation):
        plan = await plan_changes(installation.settings, source.derived)
    else:
        # There may be more unread events by now: dangers are decided again, for the state that was
        # planned for.
        now = await plan_changes(installation.settings, source.derived, source.rollback_of)
        plan = replace(source, changes=now.changes)
    return await carry_out(installation, plan, request.by, request.allowed)


async def carry_out(
    installation: Installation, plan: ChangePlan, by: str, allowed: Sequence[str]
) -> ApplyResult:
    """Carry out a plan for `apply_topology` and `roll_back`. Raises as they do."""
    note_plan(installation, plan)
    try:
        applied = await apply_plan(installation.settings, plan, by, allowed)
    except DangerNotAllowedError as refusal:
        raise RefusedError(
            "dangerous_changes",
            f"nothing was applied; if that is meant, add {refusal.options}",
            details=[line.strip() for line in change_lines(refusal.changes)],
            changes=[asdict(change) for change in refusal.changes],
            dangers=list(dict.fromkeys(change.danger for change in refusal.changes)),
        ) from None
    note_version(installation, applied.version, allowed)
    return ApplyResult(
        version=applied.version.name,
        changed=applied.changed,
        created_topics=applied.created_topics,
        configured_topics=applied.configured_topics,
        rollback_of=applied.version.rollback_of,
    )


def note_plan(installation: Installation, plan: ChangePlan) -> None:
    """Say for the record of which pipeline which version is in force before."""
    pipeline, newest = plan.derived.pipeline, plan.newest
    before = None if newest is None else {"version": f"{pipeline}@{newest}"}
    installation.deed.changed(before, None, pipeline=pipeline)


async def record_applied(
    installation: Installation, plan: ChangePlan, version: Version, by: str
) -> None:
    """Record what a router has applied, which calls no operation. `by` is for whom it publishes. If
    it cannot be recorded, that is only logged."""
    note_plan(installation, plan)
    note_version(installation, version)
    await record_done(installation, "apply", by)


def note_version(installation: Installation, version: Version, allowed: Sequence[str] = ()) -> None:
    """Say for the record which version is in force now, and which dangers were permitted."""
    deed = installation.deed
    deed.changed(
        deed.before,
        {"version": version.name, "rollback_of": version.rollback_of, "allowed": [*allowed]},
    )
