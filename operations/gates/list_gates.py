"""Which runs wait before which gated stages, and why?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farandole.catalog.gates import gates_of
from farandole.catalog.published_versions import read_versions
from farandole.events.run_row import RunRow, in_flight, split_edge_name
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.operations.runs.gate_wait import gate_wait
from farandole.operations.runs.run_rows import read_open_rows


@dataclass(frozen=True, slots=True)
class GatesRequest:
    """Before which stage."""

    stage: str | None = None
    """None: before each gated stage of the pipeline."""
    limit: int = 100


class WaitingRun(Result):
    """A run that waits before a gated stage."""

    run: str
    stage: str
    opened: int
    """Milliseconds of the epoch, as is `judged`."""
    judged: int | None
    """When its checks have failed; None while something upstream is not worked."""
    waiting: int
    """Events of it that wait before the stage."""
    failed: dict[str, str]
    """Why each check has failed, by `event type/check`."""
    upstream: dict[str, int]
    """Events that are not worked yet, by the stage upstream."""


class WaitingRuns(Result):
    """The runs that wait before gated stages of a pipeline."""

    pipeline: str
    stages: list[str]
    """All gated stages."""
    runs: list[WaitingRun]
    """Those whose checks have failed come first, then those that were opened first."""
    total: int
    """How many there are, also those beyond the limit."""


@query
async def list_gates(installation: Installation, request: GatesRequest) -> WaitingRuns:
    """Return the runs that wait before gated stages. Raises NotFoundError (`nothing_applied`,
    `unknown_stage`) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    versions = await read_versions(installation.settings, pipeline)
    gates = {number: gates_of(version) for number, version in versions.items()}
    stages = [*dict.fromkeys(name for found in gates.values() for name in found)]
    if request.stage is not None:
        known = dict.fromkeys(name for version in versions.values() for name in version.stages)
        require_known(request.stage, known, "stage")
    waiting: list[WaitingRun] = []
    for row in await read_open_rows(installation.settings, pipeline):
        for name, gate in gates.get(row["version"], {}).items():
            reason = gate_wait(row, gate)
            if reason is None or request.stage not in (None, name):
                continue
            found = row.get("gates", {}).get(name)
            waiting.append(
                WaitingRun(
                    run=row["run"],
                    stage=name,
                    opened=row["opened"],
                    judged=None if found is None else found["at"],
                    waiting=_waiting(row, name),
                    failed={} if found is None else found.get("failed", {}),
                    upstream=reason.fields.get("upstream", {}),
                )
            )
    waiting.sort(key=lambda each: (each.judged is None, each.opened))
    return WaitingRuns(
        pipeline=pipeline, stages=stages, runs=waiting[: request.limit], total=len(waiting)
    )


def _waiting(row: RunRow, stage: str) -> int:
    edges: Mapping[str, int] = {
        name: in_flight(edge)
        for name, edge in row["edges"].items()
        if split_edge_name(name)[1] == stage
    }
    return sum(edges.values())
