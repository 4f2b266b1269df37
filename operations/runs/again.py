"""How is a run repeated?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.catalog.published_versions import read_versions
from farandole.events.next_step import NextStep
from farandole.events.record import Record
from farandole.events.root_record import repeated_root
from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError, operation, query
from farandole.operations.events.root_publisher import PublishedRoot, publish_root
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.runs.recorded_root import read_root, require_root_type
from farandole.operations.runs.run_rows import read_run_row


@dataclass(frozen=True, slots=True)
class AgainRequest:
    """Which run is to be repeated."""

    run: str


@dataclass(frozen=True, slots=True)
class AgainPlan:
    """What repeating a run publishes."""

    version: Version
    """The version in force, under which the new run goes on."""
    event_type: str
    root: Record
    """The root of the run that is repeated."""


@query
async def plan_again(installation: Installation, request: AgainRequest) -> AgainPlan:
    """Return what `repeat_run` publishes, and publish nothing. Raises as `repeat_run` does, without
    `record_refused`."""
    settings, run = installation.settings, request.run
    row = await read_run_row(settings, run)
    installation.deed.pipeline = row["pipeline"]
    event_type = require_root_type(row)
    versions = await read_versions(settings, row["pipeline"])
    newest = versions[max(versions)]
    if event_type not in newest.events or not newest.subscribers(event_type):
        raise RefusedError(
            "no_subscriber",
            f"{run} was opened by a {event_type}, to which no stage of {newest.name} subscribes",
            next_steps=[NextStep("run", ("history",))],
            run=run,
            event_type=event_type,
            version=newest.name,
        )
    return AgainPlan(newest, event_type, await read_root(settings, row))


@operation
@recorded("again", lambda request: request.run)
async def repeat_run(installation: Installation, request: AgainRequest) -> PublishedRoot:
    """Publish the root of a run again as a new root, which names the run that it repeats; return
    the run that it opens. Raises NotFoundError (`unknown_run`, `nothing_applied`), RefusedError
    (`no_root`, `no_subscriber`, `record_refused`), GoneError (`root_gone`) and UnavailableError."""
    plan = await plan_again(installation, request)
    root = repeated_root(plan.root, request.run, plan.version.events[plan.event_type])
    published = await publish_root(installation.settings, plan.version, root)
    installation.deed.after = {"run": published.run}
    return published
