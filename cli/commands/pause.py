"""How is a stage, or a whole pipeline, paused?"""

from __future__ import annotations

from datetime import timedelta

import click

from farandole.cli.context import CliContext
from farandole.cli.options import (
    by_option,
    comment_option,
    every_stage_option,
    json_option,
    optional_stage_argument,
    require_stage_or_all,
)
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter
from farandole.events.time_format import utc_timestamp
from farandole.operations.current_user import current_user


@click.command()
@optional_stage_argument
@every_stage_option
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@by_option
@comment_option
@json_option
@click.pass_obj
def pause(
    context: CliContext,
    stage: str | None,
    every: bool,
    length: timedelta | None,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Let STAGE take no more events until it is resumed.

    Its workers keep running, and it continues at the same offset. Events wait for as long as their
    topics keep them.
    """
    from farandole.operations.control.pause import PauseRequest
    from farandole.operations.control.pause import pause as pause_stage

    require_stage_or_all(stage, every)
    context.configure_logs()
    request = PauseRequest(by or current_user(), stage, length, comment)
    result = context.run(lambda installation: pause_stage(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    until = f" until {utc_timestamp(result.until)}" if result.until else ""
    print_line(f"{result.target}: on hold{until}")
