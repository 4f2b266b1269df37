"""What can be switched, throttled and flagged in a pipeline?"""

from __future__ import annotations

from typing import Any, get_args

from farandole.catalog.active_stages import active_stages
from farandole.catalog.control_misfits import mode_misfit
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.switch_document import CANDIDATE_MODES, Mode, SwitchDocument
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result


class StageOption(Result):
    """A stage, and what it can be switched to."""

    stage: str
    run: str
    """Its function; empty for a program of its own."""
    obstacles: dict[Mode, str]
    """Why it cannot have a mode; modes that it can have are missing."""
    throttle_obstacle: str
    """Why it cannot be throttled; empty if it can."""


class FlagOption(Result):
    """A flag of the file."""

    flag: str
    type: str
    default: Any
    description: str


class ControlOptions(Result):
    """What can be controlled in a pipeline."""

    pipeline: str
    version: str
    """The version in force, `pipeline@number`."""
    stages: list[StageOption]
    flags: list[FlagOption]
    limits: list[str]


@query
async def control_options(installation: Installation) -> ControlOptions:
    """Return what can be controlled. Raises NotFoundError (`nothing_applied`) and
    UnavailableError."""
    versions = await installation.versions()
    newest = versions[max(versions)]
    return ControlOptions(
        pipeline=newest.pipeline,
        version=newest.name,
        stages=[_stage_option(versions, stage) for stage in active_stages(versions)],
        flags=[
            FlagOption(
                flag=name, type=spec.type, default=spec.default, description=spec.description
            )
            for name, spec in newest.flags.items()
        ],
        limits=[*newest.limits],
    )


def _stage_option(versions: VersionsByNumber, stage: str) -> StageOption:
    version = max((v for v in versions.values() if stage in v.stages), key=lambda v: v.version)
    spec = version.stages[stage]
    found: dict[Mode, str] = {}
    for mode in get_args(Mode):
        is_candidate = mode in CANDIDATE_MODES
        document = SwitchDocument(
            pipeline=version.pipeline,
            stage=stage,
            mode=mode,
            run="candidate.module:function" if is_candidate else "",
            share=0.1 if is_candidate else None,
            allow_effects=is_candidate,
        )
        why = mode_misfit(version, document)
        if why is not None:
            found[mode] = why
    return StageOption(
        stage=stage,
        run=spec.run or "",
        obstacles=found,
        throttle_obstacle="a program of its own takes events as fast as it likes"
        if spec.external
        else "",
    )
