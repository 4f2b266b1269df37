"""What would applying a topology change?"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.operations.topology_source import Derivation
from farandole.router.change_plan import ChangePlan
from farandole.router.cluster_snapshot import plan_changes


class PlanResult(Result):
    """The changes between what is in force and a file."""

    pipeline: str
    newest: int | None
    """The version in force; None before the first."""
    next: int | None
    """The version that applying would publish; None if it would publish none."""
    rollback_of: int | None
    changes: list[Any]
    """Each a `router.topology_change.Change`."""
    dangers: list[str]
    """The kinds of danger that a person must permit, each once."""
    plan: ChangePlan = Field(exclude=True, repr=False)
    """The plan that `apply` carries out; not a part of the JSON form."""


@query
async def plan_topology(installation: Installation, derivation: Derivation) -> PlanResult:
    """Return what applying the derived topology would change; change nothing. Raises
    UnavailableError and ConflictError."""
    plan = await plan_changes(installation.settings, derivation.derived)
    return PlanResult(
        pipeline=plan.derived.pipeline,
        newest=plan.newest,
        next=(plan.newest or 0) + 1 if plan.publishes else None,
        rollback_of=plan.rollback_of,
        changes=list(plan.changes),
        dangers=list(plan.dangers),
        plan=plan,
    )
