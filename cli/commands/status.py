"""Which version is in force, what is the lag of stages and books, and what does the router wait
for?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.services.async_runner import run_async


@click.command()
@json_option
@click.pass_obj
def status(context: CliContext, as_json: bool) -> None:
    """Show the version in force, the lag of each stage, and more.

    Also shown are the broker and what the router waits for. All published pipelines are listed,
    the folder's own first; with -f only that of the file. Lag is in offsets, and the markers of
    transactions take offsets too; a stage that has read everything has 0. A draining stage exists
    only in older versions and still has events of them. `waits` counts the events that wait to be
    tried again, `dead` the dead letters that are not settled: farandole dead
    """
    from farandole.cli.rendering.drain_view import drain_lines
    from farandole.cli.rendering.status_view import status_lines
    from farandole.operations.drain.drain import read_drains
    from farandole.operations.setup.metrics_address import read_addresses
    from farandole.operations.status.pipeline_status import StatusRequest, read_status

    context.configure_logs()
    request = StatusRequest(others=context.topology_override is None)
    result = context.run(lambda installation: read_status(installation, request))
    names = [pipeline.pipeline for pipeline in (result, *result.others)]
    drains = context.run(lambda installation: read_drains(installation, names))
    served = read_addresses(context.folder)
    if as_json:
        print_json(
            {
                **result.to_data(),
                "drains": [drain.to_data() for drain in drains],
                "metrics": [each._asdict() for each in served],
            }
        )
        return
    for line in status_lines(result, run_async(_monitor_line(context)), context.command_line):
        print_line(line)
    for drain in drains:
        for line in drain_lines(drain, context.command_line):
            print_line(line)
    for each in served:
        print_line(f"metrics of the {each.service}, process {each.pid}: {each.url}")


async def _monitor_line(context: CliContext) -> str:
    """Return a line with a monitor's figures of the last minute, or why there are none."""
    from farandole.cli.rendering.errors import error_text
    from farandole.cli.rendering.top_view import rates_summary
    from farandole.operations.errors import OperationError
    from farandole.operations.status.stage_rates import RatesRequest, read_rates

    try:
        rates = await read_rates(context.folder, RatesRequest())
    except OperationError as error:
        return error_text(error, context.command_line)
    return rates_summary(rates, context.command_line)
