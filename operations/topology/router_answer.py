"""What did the router do with a file that was just saved?"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from farandole.events.next_step import NextStep
from farandole.operations.errors import RefusedError, UnavailableError
from farandole.operations.installation import Installation
from farandole.operations.topology.apply import ApplyResult
from farandole.operations.topology.followed_files import Follower
from farandole.router.change_plan import ChangePlan, same_content
from farandole.router.topology_store import read_topology

_WAIT_SECONDS = 45.0  # for the router's own check, which imports the functions, and its publication
_LOOK_AGAIN_SECONDS = 0.25


async def await_router(
    installation: Installation, plan: ChangePlan, follower: Follower
) -> ApplyResult:
    """Wait until the router has published what was planned, and return that. Raises RefusedError
    (`findings`) if it refuses the file or waits for a person, and UnavailableError
    (`router_silent`)."""
    asked = datetime.now(UTC)
    pipeline = plan.derived.pipeline
    newest = plan.newest or 0
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        table = await read_topology(installation.settings)
        version = table.newest(pipeline)
        if version is not None and same_content(version, plan.derived):
            return ApplyResult(
                version=version.name,
                changed=version.version > newest,
                created_topics=tuple(n for n in plan.derived.topics if n not in plan.topics),
                configured_topics=(),
                rollback_of=version.rollback_of,
            )
        report = table.reports.get(pipeline)
        if report is not None and report.reported >= asked and (report.findings or report.waiting):
            raise RefusedError(
                "findings",
                f"the file is written, but the router ({follower}) does not apply it",
                details=[*report.findings, *report.waiting],
            )
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    raise UnavailableError(
        "router_silent",
        f"the file is written, but the router that follows it ({follower}) has published nothing "
        f"within {_WAIT_SECONDS:g} s",
        next_steps=[
            NextStep("see what it waits for with", ("status",)),
            NextStep("or", ("apply",)),
        ],
        router=str(follower),
    )
