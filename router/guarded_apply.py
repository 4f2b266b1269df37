"""How is a plan applied unchanged, and without dangerous changes that nobody permitted?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.settings import Settings
from farandole.events.topology_version import RouterReport
from farandole.router.change_plan import ChangePlan, same_content
from farandole.router.topology_change import Change, Reason
from farandole.router.topology_store import NotAppliedError, read_topology, write_report
from farandole.router.version_publisher import ApplyResult, ExpectedState, publish_version

log = structlog.get_logger()


class DangerNotAllowedError(NotAppliedError):
    """Nothing was published: dangerous changes need a person's permission."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        dangers = dict.fromkeys(change.danger for change in changes)
        self.options = " ".join(f"--allow {danger}" for danger in dangers)
        text = "; ".join(map(str, changes))
        super().__init__(f"nothing was applied: {text}; if that is meant, add {self.options}")


async def apply_plan(
    settings: Settings, plan: ChangePlan, by: str, allowed: Collection[str] = ()
) -> ApplyResult:
    """Publish what was planned, if the cluster is still as it was then. `allowed` names the kinds
    of danger that a person permits. Raises DangerNotAllowedError, NotAppliedError, and what
    `publish_version` raises."""
    if settings.names.topology_topic not in plan.derived.topics:
        raise NotAppliedError(
            f"the plan was made for another namespace than {settings.namespace or 'none'!r}; "
            "plan again"
        )
    refused = plan.not_allowed(allowed)
    if refused:
        raise DangerNotAllowedError(refused)
    applied = await publish_version(
        settings,
        plan.derived,
        by,
        expected=ExpectedState(plan.newest, plan.topics),
        rollback_of=plan.rollback_of,
    )
    try:
        report = (await read_topology(settings)).reports.get(plan.derived.pipeline)
        if report is not None and (report.findings or report.waiting):
            await write_report(settings, cleared_report(report, by))
    except BrokerError as error:  # the plan itself has been applied
        log.warning("router.report_left", pipeline=plan.derived.pipeline, why=str(error))
    return applied


async def standing_rollback_reason(settings: Settings, plan: ChangePlan) -> Reason | None:
    """Return why a file that was not saved since a rollback is not applied: the newest version is a
    rollback to other content. None if it is not."""
    newest = (await read_topology(settings)).newest(plan.derived.pipeline)
    if newest is None or newest.rollback_of is None or same_content(newest, plan.derived):
        return None
    return Reason("rollback_in_force", {"version": newest.name, "rollback_of": newest.rollback_of})


def cleared_report(report: RouterReport, by: str) -> RouterReport:
    """Return the report without findings and waiting changes."""
    now = datetime.now(UTC)
    return report.model_copy(
        update={"findings": (), "waiting": (), "reported": now, "reported_by": by}
    )
