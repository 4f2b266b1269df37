"""How many events of each stage wait to be tried again, and which lanes take no input?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.operations.status.waiting_events import WaitingEvents, count_waiting_events


@dataclass(frozen=True, slots=True)
class WaitsRequest:
    """The stages whose waiting events are counted."""

    stages: Sequence[str] = ()
    """Empty: of all stages of the version in force."""


class WaitsResult(Result):
    """The waiting events, by stage."""

    stages: dict[str, WaitingEvents]


@query
async def count_waits(installation: Installation, request: WaitsRequest) -> WaitsResult:
    """Return the events that waited at the time of the call. Raises NotFoundError (`unknown_stage`,
    `nothing_applied`) and UnavailableError."""
    version = await installation.newest_version()
    for stage in request.stages:
        require_known(stage, version.stages, "stage")
    stages = request.stages or [*version.stages]
    async with ClusterAdmin.open(installation.settings) as admin:
        return WaitsResult(
            stages=await count_waiting_events(
                admin, installation.settings, version.pipeline, stages
            )
        )
