"""What have the controls of one stage done so far?"""

from __future__ import annotations

from farandole.events.controls_in_force import stage_mode
from farandole.operations.control.canary_report import CanaryReport, canary_report
from farandole.operations.control.control_query import StageModeState, mode_state
from farandole.operations.control.rate_reports import RateReport, throttle_report
from farandole.operations.control.shadow_report import ShadowReport, shadow_report
from farandole.operations.control.switch_scopes import stage_scope
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result


class StageReports(Result):
    """The reports of one stage; None for what was not asked of it."""

    pipeline: str
    stage: str
    run: str
    """Its own function, `package.module:function`."""
    switch: StageModeState
    """Its mode now. A report may be of a switch that is over."""
    shadow: ShadowReport | None
    canary: CanaryReport | None
    throttle: RateReport | None


@query
async def read_stage_reports(installation: Installation, stage: str) -> StageReports:
    """Return the reports of a stage. Raises NotFoundError (`unknown_stage`, `nothing_applied`) and
    UnavailableError."""
    scope = await stage_scope(installation, stage)
    mode = stage_mode(scope.documents, scope.version.pipeline, stage, scope.now)
    return StageReports(
        pipeline=scope.version.pipeline,
        stage=stage,
        run=scope.version.stages[stage].run or "",
        switch=mode_state(mode),
        shadow=await shadow_report(scope),
        canary=await canary_report(scope),
        throttle=await throttle_report(scope),
    )
