"""How is the demonstration started?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from farandole.services.invocation import CommandContext

DEFAULT_WEEKS = "2-10"
_WEEK_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class _WeeksParameter(click.ParamType):
    """Reads `2-4` or `1,3` as a list of weeks."""

    name = "weeks"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        weeks: set[int] = set()
        for part in str(value).split(","):
            match = _WEEK_RANGE.fullmatch(part.strip())
            if match is None:
                self.fail(f"{value!r} are no weeks; write for example 2-4 or 1,3", param, ctx)
            weeks |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        if not weeks or not weeks <= set(range(1, 54)):
            self.fail(f"{value!r}: the year has the weeks 1 to 53", param, ctx)
        return sorted(weeks)


@click.command()
@click.option(
    "--weeks", type=_WeeksParameter(), metavar="2-4", default=DEFAULT_WEEKS, show_default=True
)
@click.option("--all", "every", is_flag=True, help="All 53 weeks: 1,469,307 lines.")
@click.pass_obj
def demo(context: CommandContext, weeks: list[int], every: bool) -> None:
    """Load order lines, repair failed ones, and check the result.

    The result is compared with figures that DuckDB computes, to the cent. The command starts the
    embedded Kafka, which keeps running, and ends by itself. Exit code 1: a figure differs.
    """
    from rich.console import Console

    from farandole.demo.demonstration import run_demo
    from farandole.demo.errors import DemoError

    context.configure_logs("info", pretty=False)
    differing = run_async(run_demo(context, "all" if every else weeks, Console(highlight=False)))
    if differing:
        raise DemoError("figures_differ", f"{differing} figures differ, see above")
