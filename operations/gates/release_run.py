"""How is a run let into a gated stage whose checks it has failed?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.catalog.gates import gates_of
from farandole.events.controls_in_force import CANCELLATION_LIFETIME
from farandole.events.next_step import NextStep
from farandole.events.release_document import ReleaseDocument
from farandole.operations.control.control_change import put_control
from farandole.operations.errors import ConflictError, operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import require_version
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.runs.gate_wait import gate_wait
from farandole.operations.runs.run_rows import read_run_row


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Which run is to enter, and why."""

    run: str
    by: str
    reason: str
    stage: str | None = None
    """None: each gated stage of its version."""


class ReleaseResult(Result):
    """A run that may enter."""

    run: str
    stages: list[str]
    """The gated stages that were shut, and let it in from now on."""
    failed: dict[str, str]
    """The checks that have failed all the same, each with the reason, by `event type/check`."""


@operation
@recorded("gates release", lambda request: request.run)
async def release_run(installation: Installation, request: ReleaseRequest) -> ReleaseResult:
    """Let a run into its gated stages, or into one, whatever its checks say, also before they are
    judged. A second request changes nothing. Raises NotFoundError (`unknown_run`, `unknown_stage`),
    ConflictError (`run_closed`, `no_gate`) and UnavailableError."""
    row = await read_run_row(installation.settings, request.run)
    pipeline = installation.deed.pipeline = row["pipeline"]
    if row["closed"] is not None:
        raise ConflictError("run_closed", f"{row['run']} is over: {row['status']}", run=row["run"])
    version = await require_version(installation, row["version"], pipeline)
    gates = gates_of(version)
    if request.stage is not None:
        require_known(request.stage, version.stages, "stage")
    meant = [*gates] if request.stage is None else [request.stage]
    shut = {
        stage: reason
        for stage in meant
        if stage in gates and (reason := gate_wait(row, gates[stage])) is not None
    }
    if not shut:
        where = request.stage or "any stage"
        raise ConflictError(
            "no_gate",
            f"{row['run']} does not wait for a verdict before {where}",
            next_steps=[NextStep("what waits says", ("gates",))],
            run=row["run"],
        )
    document = ReleaseDocument(
        pipeline=pipeline,
        stage=request.stage or "",
        run=row["run"],
        until=datetime.now(UTC) + CANCELLATION_LIFETIME,
        by=request.by,
        comment=request.reason,
    )
    await put_control(installation, document)
    failed = {k: why for each in shut.values() for k, why in each.fields.get("checks", {}).items()}
    return ReleaseResult(run=row["run"], stages=[*shut], failed=failed)
