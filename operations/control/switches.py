"""Which switches are in force, since when, by whom, until when, and what have they done so far?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import SerializeAsAny

from farandole.broker.settings import Settings
from farandole.catalog.active_stages import active_stages
from farandole.catalog.control_misfits import ended_switches
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.switch_document import Mode
from farandole.operations.control.control_query import (
    ControlTable,
    StageModeState,
    UnfitControl,
    UnreadableControl,
    fitting_mode,
    mode_state,
    read_control_table,
    unfit_controls,
)
from farandole.operations.control.switch_scopes import PipelineScope, SharesReader, StageScope
from farandole.operations.control.switch_sections import PIPELINE_SECTIONS, STAGE_SECTIONS
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result

Scope = TypeVar("Scope", StageScope, PipelineScope)


@dataclass(frozen=True, slots=True)
class SwitchesRequest:
    """Which stage is shown."""

    stage: str | None = None
    """None: every stage that is not on, or has something to report."""


class SwitchEnd(Result):
    """The end of a switch, of which somebody has said that it is over."""

    mode: Mode
    generation: int
    """That of the switch."""
    why: str
    at: datetime
    by: str


class StageSwitch(StageModeState):
    """The mode of a stage, and what its controls have done."""

    stage: str
    ended: SwitchEnd | None
    """The newest switch of the stage, if it is over and was not replaced."""
    sections: dict[str, SerializeAsAny[Result]]
    """What the controls of the stage have done so far (`switch_sections.STAGE_SECTIONS`)."""


class SwitchesResult(Result):
    """The controls of a pipeline."""

    pipeline: str
    stages: list[StageSwitch]
    sections: dict[str, SerializeAsAny[Result]]
    """What the controls of the whole pipeline say, and have done so far
    (`switch_sections.PIPELINE_SECTIONS`)."""
    unfit: list[UnfitControl]
    unreadable_controls: list[UnreadableControl]
    """Records of the control topic that are no documents."""


@query
async def read_switches(installation: Installation, request: SwitchesRequest) -> SwitchesResult:
    """Return the switches of a stage, or of all that are switched. Raises NotFoundError
    (`unknown_stage`, `nothing_applied`) and UnavailableError."""
    versions = await installation.versions()
    if request.stage is not None:
        require_known(request.stage, active_stages(versions), "stage")
    table = await read_control_table(installation.settings)
    return await switches_of(installation.settings, versions, table, request.stage)


async def switches_of(
    settings: Settings, versions: VersionsByNumber, table: ControlTable, stage: str | None = None
) -> SwitchesResult:
    """Return the switches of a stage, or of all that are switched, by what was read already. Raises
    BrokerError."""
    newest = versions[max(versions)]
    documents, now = [*table.documents.values()], datetime.now(UTC)
    unfit = [
        each
        for each in unfit_controls(documents, versions.values(), now)
        if each.pipeline == newest.pipeline and stage in (None, each.stage)
    ]
    changing_nothing = {each.generation for each in unfit}
    shares = SharesReader(settings)
    scopes = []
    for name in active_stages(versions) if stage is None else [stage]:
        version = max((v for v in versions.values() if name in v.stages), key=lambda v: v.version)
        scopes.append(StageScope(settings, version, name, documents, now, versions, shares))
    of_pipeline = PipelineScope(settings, newest, documents, now, versions, shares)
    states, sections = await asyncio.gather(
        asyncio.gather(*(_stage_switch(each, changing_nothing) for each in scopes)),
        _sections(PIPELINE_SECTIONS, of_pipeline),
    )
    shown = [each for each in states if each.mode != "on" or each.ended or each.sections or stage]
    return SwitchesResult(
        pipeline=newest.pipeline,
        stages=shown,
        sections=sections,
        unfit=unfit,
        unreadable_controls=[*table.unreadable],
    )


async def _stage_switch(scope: StageScope, unfit: Container[int]) -> StageSwitch:
    pipeline, stage = scope.version.pipeline, scope.stage
    mode = fitting_mode(scope.documents, pipeline, stage, scope.now, unfit)
    sections = await _sections(STAGE_SECTIONS, scope)
    return StageSwitch(
        stage=stage,
        **mode_state(mode).to_data(),
        ended=_switch_end(scope),
        sections=sections,
    )


async def _sections(
    wanted: Mapping[str, Callable[[Scope], Awaitable[Result | None]]], scope: Scope
) -> dict[str, Result]:
    """Return the sections that have something to report."""
    found = await asyncio.gather(*(section(scope) for section in wanted.values()))
    return {name: each for name, each in zip(wanted, found, strict=True) if each is not None}


def _switch_end(scope: StageScope) -> SwitchEnd | None:
    for ended in ended_switches(scope.documents, scope.now):
        if (ended.switch.pipeline, ended.switch.stage) == (scope.version.pipeline, scope.stage):
            return SwitchEnd(
                mode=ended.switch.mode,
                generation=ended.document.generation,
                why=ended.end.why,
                at=ended.ended.at,
                by=ended.end.by,
            )
    return None
