"""How is a stage, or a whole pipeline, switched to another mode?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import by_option, comment_option, every_stage_option, json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter, UntilParameter
from farandole.operations.current_user import current_user


@click.command()
@click.argument(
    "words", nargs=-1, metavar="STAGE MODE", shell_complete=shell_completion.complete_switch
)
@every_stage_option
@click.option("--run", metavar="MODULE:FUNCTION", default="", help="The candidate.")
@click.option("--share", metavar="10%", help="For so many of the events, or of the keys.")
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option("--until", type=UntilParameter(), metavar="TIME", help="Until then, in UTC.")
@click.option(
    "--allow-effects", is_flag=True, help="Call the candidate although it writes to the outside."
)
@by_option
@comment_option
@json_option
@click.pass_obj
def switch(
    context: CliContext,
    words: tuple[str, ...],
    every: bool,
    run: str,
    share: str | None,
    length: timedelta | None,
    until: datetime | None,
    allow_effects: bool,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Switch STAGE to another MODE.

    With --all, the whole pipeline, which can be on or hold.

    \b
    on       the stage works
    hold     it takes no more events, and keeps its place
    bypass   its events go on as they came
    shadow   a candidate is called beside it, and its results are compared
    canary   a candidate is called in its place, for a share of the keys
    """
    from farandole.cli.rendering.control_text import switched_text
    from farandole.operations.control.switch import SwitchRequest
    from farandole.operations.control.switch import switch as switch_stage

    stage, mode = _stage_and_mode(words, every)
    context.configure_logs()
    request = SwitchRequest(
        mode,
        by or current_user(),
        stage,
        run=run,
        share=share,
        duration=length,
        until=until,
        allow_effects=allow_effects,
        comment=comment,
    )
    result = context.run(lambda installation: switch_stage(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    print_line(switched_text(result))
    if result.warning is not None:
        print_line(f"warning: {result.warning}")
    if result.candidate_checked is False:
        print_line(
            f"{result.run} is not on this machine: the workers check it, and end the switch with"
            " an alert if it does not fit"
        )


def _stage_and_mode(words: tuple[str, ...], every: bool) -> tuple[str | None, Any]:
    """Return the stage, None with --all, and the mode. Raises UsageError."""
    if len(words) != (1 if every else 2):
        raise click.UsageError("say STAGE and MODE, or --all and MODE")
    stage, mode = (None, words[0]) if every else words
    modes = shell_completion.SWITCH_MODES
    if mode not in modes:
        remedy = f"write `{mode} {stage}`" if stage in modes else f"there are {', '.join(modes)}"
        raise click.UsageError(f"{mode!r} is no mode; {remedy}")
    return stage, mode
