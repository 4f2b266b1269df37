"""How are the processes of a stage restarted?"""

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
def restart(
    context: CliContext, stage: str | None, every: bool, by: str | None, as_json: bool
) -> None:
    """Restart the processes of STAGE with the code as it is now.

    They end their work first. Every `up` and `work` that runs this pipeline does so, on whatever
    machine. No event is lost or handled twice. A stage in quarantine is started, too.
    """
    from farandole.operations.control.restart import RestartRequest
    from farandole.operations.control.restart import restart as restart_stage

    require_stage_or_all(stage, every)
    context.configure_logs()
    request = RestartRequest(by or current_user(), stage)
    result = context.run(lambda installation: restart_stage(installation, request))
    if as_json:
        print_json(result.to_data())
    else:
        print_line(f"{result.target}: restarting")
