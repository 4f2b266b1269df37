"""How good are the data of each event type, what was unusual, and what is normal?"""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from farandole.cli import shell_completion
from farandole.cli.command_groups import ShowingGroup
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.parameters import DurationParameter, UntilParameter
from farandole.events.time_format import utc_timestamp
from farandole.operations.current_user import current_user

_pipeline_option = click.option(
    "--pipeline",
    metavar="NAME",
    help="Of this pipeline.  [default: that of the file]",
    shell_complete=shell_completion.complete_pipelines,
)


@click.group(cls=ShowingGroup)
def quality() -> None:
    """Show how good the data are, and what is unusual.

    `farandole quality [EVENT]` is short for `show`. The other commands say what is normal, and what
    is not to be told.
    """


@quality.command()
@click.argument("event", required=False, shell_complete=shell_completion.complete_event_types)
@click.option(
    "--limit",
    type=click.IntRange(1, 400),
    default=30,
    show_default=True,
    help="How many runs, or windows, make the trend.",
)
@_pipeline_option
@json_option
@click.pass_obj
def show(
    context: CliContext, event: str | None, limit: int, pipeline: str | None, as_json: bool
) -> None:
    """Show how good the data of each event type are.

    The score is the share of rows that keep every rule of rows. It is shown with the trend over its
    last runs or windows, and how many checks have warned and failed in the newest one. Below is
    what was unusual, and which numbers are ignored.
    """
    from farandole.cli.rendering.quality_view import quality_lines
    from farandole.operations.quality.quality_score import QualityRequest, show_quality

    request = QualityRequest(pipeline, event, limit)
    context.configure_logs()
    found = context.run(lambda installation: show_quality(installation, request))
    if as_json:
        print_json(found.to_data())
        return
    for line in quality_lines(found):
        print_line(line)


@quality.command()
@click.argument("id_", metavar="ID")
@_pipeline_option
@json_option
@click.pass_obj
def explain(context: CliContext, id_: str, pipeline: str | None, as_json: bool) -> None:
    """Show by how much something was unusual, and what may be why.

    ID is that of what was unusual, as `farandole quality` lists it, the beginning of it, or that of
    its incident: the number in the last runs, which values changed most, sample events, and what
    happened since the last usual run.
    """
    from farandole.cli.rendering.anomaly_view import anomaly_lines
    from farandole.operations.quality.show_anomaly import AnomalyRequest, show_anomaly

    context.configure_logs()
    request = AnomalyRequest(id_, pipeline)
    found = context.run(lambda installation: show_anomaly(installation, request))
    if as_json:
        print_json(found.to_data())
        return
    for line in anomaly_lines(found, context.command_line):
        print_line(line)


@quality.command()
@click.argument("id_", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is normal.")
@_pipeline_option
@json_option
@click.pass_obj
def expect(context: CliContext, id_: str, reason: str, pipeline: str | None, as_json: bool) -> None:
    """Take something unusual as normal: it is learnt.

    ID is that of what was unusual, as `farandole quality` lists it, the beginning of it, or that of
    its incident. The incident is over, and the like is not told again for 90 days.
    """
    from farandole.operations.quality.expect_anomaly import ExpectRequest, expect_anomaly

    context.configure_logs()
    request = ExpectRequest(id_, current_user(), reason, pipeline)
    result = context.run(lambda installation: expect_anomaly(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    what = _number_text(result.edge, result.column, result.statistic)
    if result.taken:
        print_line(f"{result.anomaly}: {what} is taken as normal; the incident is over")
    else:
        print_line(f"{result.anomaly}: {what} is taken as normal once the bookkeeper runs")


@quality.command()
@click.argument("what", metavar="[EVENT[/COLUMN]]", required=False, default="")
@click.option("--statistic", default="", metavar="NAME", help="Only this number, such as p95.")
@click.option("--reason", default="", metavar="TEXT", help="Why nobody is to be told.")
@click.option("--for", "length", type=DurationParameter(), metavar="2h", help="For so long.")
@click.option(
    "--until", type=UntilParameter(), metavar="TIME", help="Until then, in UTC or with an offset."
)
@click.option("--off", is_flag=True, help="Hear of it again.")
@_pipeline_option
@json_option
@click.pass_obj
def ignore(
    context: CliContext,
    what: str,
    statistic: str,
    reason: str,
    length: timedelta | None,
    until: datetime | None,
    off: bool,
    pipeline: str | None,
    as_json: bool,
) -> None:
    """Hear nothing of some numbers about runs.

    They are learnt as before, and never told. EVENT may name one reader of it too, as
    `line.validated>enrich`. Without EVENT it is a number about the run as a whole, such as
    `--statistic seconds`.
    """
    from farandole.events.anomaly_document import IgnoredNumbers
    from farandole.operations.quality.ignore_numbers import (
        IgnoreRequest,
        ignore_numbers,
        tell_again,
    )

    if not what and not statistic:
        raise click.UsageError("say which EVENT, or --statistic of the run as a whole")
    if off and (length or until or reason):
        raise click.UsageError("--off ends what is ignored: it takes no time and no reason")
    if not off and not reason.strip():
        raise click.UsageError("say why: --reason TEXT")
    edge, _, column = what.partition("/")
    if column and not edge:
        raise click.UsageError(f"say the event type before the column: EVENT{what}")
    context.configure_logs()
    numbers = IgnoredNumbers(edge, column, statistic)
    request = IgnoreRequest(numbers, current_user(), reason, length, until, pipeline)
    act = tell_again if off else ignore_numbers
    result = context.run(lambda installation: act(installation, request))
    if as_json:
        print_json(result.to_data())
        return
    what = _number_text(result.edge, result.column, result.statistic)
    end = f" until {utc_timestamp(result.until)}" if result.until else ""
    print_line(f"{what}: {'told no more' if result.ignored else 'told again'}{end}")


def _number_text(edge: str, column: str, statistic: str) -> str:
    from farandole.events.anomaly_document import IgnoredNumbers
    from farandole.events.safe_text import single_line

    return single_line(str(IgnoredNumbers(edge, column, statistic)))
