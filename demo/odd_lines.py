"""What have the checks of the shipped pipeline found in the shipped data?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from farandole.demo.shown_command import print_line
from farandole.events.number_format import grouped
from farandole.events.topology_version import Version
from farandole.operations.installation import Installation
from farandole.operations.quality.check_results import CheckResult, ChecksRequest, show_checks

CHECKED_EVENT_TYPE = "line.priced"
_MAX_SAMPLE = 200  # characters of a line that is shown


async def found_by_checks(
    installation: Installation, version: Version, run: str
) -> Sequence[CheckResult]:
    """Return what the checks of priced lines have found in a run that has ended; nothing if the
    version has none. Raises OperationError."""
    if not version.events[CHECKED_EVENT_TYPE].checks:
        return ()
    request = ChecksRequest(run, event=CHECKED_EVENT_TYPE)
    return (await show_checks(installation, request)).checks


def odd_counts(checks: Sequence[CheckResult]) -> Mapping[str, int] | None:
    """Return how many lines break each check, and how many were judged (`lines`); None if no check
    has judged lines."""
    counts = {each.name: each.failed for each in checks if each.failed is not None}
    lines = {each.rows for each in checks if each.rows is not None}
    return {"lines": max(lines), **counts} if lines else None


def print_odd_lines(console: Console, checks: Sequence[CheckResult]) -> None:
    """Print a line for each check: what is odd, about how many of how many lines, and one of
    them."""
    if not checks:
        return
    console.print("\nWhat is odd about the data, as the checks in topology.yaml say:")
    for each in checks:
        print_line(console, f"  {odd_line(each)}")


def odd_line(check: CheckResult) -> str:
    """Return what one check has found."""
    what = check.description or f"{check.rule} of {check.column}"
    if check.failed is None or check.rows is None:
        return f"{check.name}: {check.verdict}, {check.why}"
    text = f"{check.name}: {grouped(check.failed)} of {grouped(check.rows)} lines: {what}"
    if check.samples:
        row = check.samples[0].row
        text += f"; one is {row[:_MAX_SAMPLE]}{'…' if len(row) > _MAX_SAMPLE else ''}"
    return text
