"""How is a stage, or a whole pipeline, resumed?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import (
    by_option,
    every_stage_option,
    json_option,
    optional_stage_argument,
    require_stage_or_all,
)
from farandole.cli.output import print_json, print_line
from farandole.operations.current_user import current_user


@click.command()
@optional_stage_argument
@every_stage_option
@by_option
@json_option
@click.pass_obj
def resume(
    context: CliContext, stage: str | None, every: bool, by: str | None, as_json: bool
) -> None:
    """Let a STAGE on hold take events again.

    This works also if the whole pipeline is on hold.
    """
    from farandole.cli.rendering.control_text import pause_text
    from farandole.operations.control.pause import ResumeRequest
    from farandole.operations.control.pause import resume as resume_stage

    require_stage_or_all(stage, every)
    context.configure_logs()
    request = ResumeRequest(by or current_user(), stage)
    result = context.run(lambda installation: resume_stage(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    if not result.resumed:
        print_line(f"{result.target}: nothing is on hold")
    for name, pause in result.resumed.items():
        print_line(f"{name}: goes on; it was {pause_text(pause)}")
