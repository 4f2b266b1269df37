"""How are the verdicts of checks shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.operations.quality.check_results import CheckResult, ChecksResult

_MARKS = {"passed": ".", "warned": "w", "failed": "F", "skipped": "-", "not judged": "?"}


def checks_lines(result: ChecksResult) -> Iterator[str]:
    """Yield a line for each check, and below those that have not passed, why."""
    if not result.checks:
        yield f"run {result.run} has no checks, or has not ended"
        return
    rows: list[tuple[str, ...]] = [
        ("check", "rule", "severity", "verdict", "rows", "broken", "before")
    ]
    rows += [_row(check) for check in result.checks]
    lines = format_columns(rows, left=4)
    yield lines[0]
    for line, check in zip(lines[1:], result.checks, strict=True):
        yield line
        if check.why:
            yield f"    {single_line(check.why)}"
        yield from _samples(check)


def _row(check: CheckResult) -> tuple[str, ...]:
    rule = f"{check.rule} {check.column}".rstrip()
    is_alarm = check.verdict == "failed"
    return (
        single_line(check.check),
        single_line(rule),
        check.severity,
        Alarm(check.verdict) if is_alarm else check.verdict,
        "" if check.rows is None else grouped(check.rows),
        "" if check.failed is None else grouped(check.failed),
        _history(check.history),
    )


def _history(verdicts: Sequence[str]) -> str:
    return "".join(_MARKS.get(verdict, " ") for verdict in verdicts[-20:])


def _samples(check: CheckResult) -> Iterator[str]:
    if check.values:
        shown = [f"{single_line(value)[:40]} ({n})" for value, n in [*check.values.items()][:5]]
        yield f"    values: {', '.join(shown)}"
    for sample in check.samples[:2]:
        yield f"    {single_line(sample.id)}: {single_line(sample.row)[:160]}"
