"""Is a plan carried out as it was made, and nothing dangerous without a person's word?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import structlog

from farandole.broker.errors import BrokerError
from farandole.broker.settings import Settings
from farandole.events.topology import Report
from farandole.router.plan import Change, Plan, says
from farandole.router.publish import Applied, Expected, apply
from farandole.router.table import NotApplied, read, report

log = structlog.get_logger()


class NotAllowed(NotApplied):
    """Nothing was published: dangerous changes need a person's word."""

    def __init__(self, refused: Sequence[Change]) -> None:
        self.refused = refused
        kinds = dict.fromkeys(change.danger for change in refused)
        self.options = " ".join(f"--allow {kind}" for kind in kinds)
        told = "; ".join(map(str, refused))
        super().__init__(f"nothing was applied: {told}; if that is meant, add {self.options}")


async def enact(settings: Settings, plan: Plan, by: str, allowed: Collection[str] = ()) -> Applied:
    """Publish what was planned, if the state of things is still the same. `allowed` are kinds of
    danger. Raises NotAllowed, NotApplied, and what `apply` raises."""
    if settings.names.topology not in plan.derived.topics:
        raise NotApplied(
            f"the plan was made for another namespace than {settings.namespace or 'none'!r}; "
            "plan again"
        )
    refused = plan.refused(allowed)
    if refused:
        raise NotAllowed(refused)
    applied = await apply(
        settings,
        plan.derived,
        by,
        expected=Expected(plan.newest, plan.topics),
        rollback_of=plan.rollback_of,
    )
    try:
        said = (await read(settings)).reports.get(plan.derived.pipeline)
        if said is not None and (said.findings or said.waiting):
            await report(settings, settled(said, by))
    except BrokerError as error:  # what was to be done is done
        log.warning("router.report_left", pipeline=plan.derived.pipeline, why=str(error))
    return applied


async def rolled_back(settings: Settings, plan: Plan) -> str | None:
    """Why a file that nobody has saved since is not applied, if somebody went back on purpose."""
    newest = (await read(settings)).newest(plan.derived.pipeline)
    if newest is None or newest.rollback_of is None or says(newest, plan.derived):
        return None
    return (
        f"{newest.name} is a rollback to @{newest.rollback_of}, and the file says something "
        "else; save the file to apply it"
    )


def settled(said: Report, by: str) -> Report:
    """The report once there is nothing to be said any more."""
    now = datetime.now(UTC)
    return said.model_copy(
        update={"findings": (), "waiting": (), "reported": now, "reported_by": by}
    )
