"""How is the rate of a stage, of a pipeline's roots or of a limit changed?"""

from __future__ import annotations

from datetime import timedelta

import click

from farandole.cli.context import CliContext
from farandole.cli.options import by_option, comment_option, json_option, optional_stage_argument
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter
from farandole.operations.current_user import current_user


@click.command()
@optional_stage_argument
@click.argument("words", metavar="[RATE|off|file]", nargs=-1)
@click.option("--limit", metavar="NAME", help="Change a limit of the file's `limits:`.")
@click.option("--roots", is_flag=True, help="Change how fast the whole pipeline takes roots.")
@click.option("--per-key", metavar="RATE", help="The rate for each key: 10/s, off or file.")
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@by_option
@comment_option
@json_option
@click.pass_obj
def throttle(
    context: CliContext,
    stage: str | None,
    words: tuple[str, ...],
    limit: str | None,
    roots: bool,
    per_key: str | None,
    length: timedelta | None,
    by: str | None,
    comment: str,
    as_json: bool,
) -> None:
    """Let all lanes of STAGE together take no more events than RATE.

    RATE is 1000/s, 50/m, 10/h or '1000 lines/s'; 0 lets nothing pass. A ramp: from 100/s to 5000/s
    over 10m. For a part of the day: 100/s between 22:00 and 06:00 Europe/Berlin.

    It counts instead of the file's rate: for `--for 2h`, or until `file` lets that one count again.
    `off` is no limit, whatever the file says.
    """
    from farandole.cli.rendering.control_text import rate_text
    from farandole.events.throttle_document import RateTarget
    from farandole.operations.control.throttle import ThrottleRequest
    from farandole.operations.control.throttle import throttle as set_rate

    if limit is not None or roots:  # then the first word belongs to the rate
        words, stage = (*((stage,) if stage is not None else ()), *words), None
    if (stage is not None) + (limit is not None) + roots != 1:
        raise click.UsageError("say which STAGE, or --limit NAME, or --roots")
    if not words and per_key is None:
        raise click.UsageError("say which RATE, for example 100/s, or off, or file")
    context.configure_logs()
    request = ThrottleRequest(
        by or current_user(),
        RateTarget(stage or "", limit or ""),
        " ".join(words) or None,
        per_key,
        length,
        comment,
    )
    result = context.run(lambda installation: set_rate(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"{result.target}: {rate_text(result)}")
