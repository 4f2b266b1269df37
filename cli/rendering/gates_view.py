"""How are runs that wait for a verdict shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.cli.rendering.tables import format_columns
from farandole.events.next_step import CommandLine
from farandole.events.number_format import grouped
from farandole.events.safe_text import short_line
from farandole.events.time_format import format_recent_ms
from farandole.operations.gates.list_gates import WaitingRun, WaitingRuns


def gates_lines(found: WaitingRuns, command_line: CommandLine) -> Iterator[str]:
    """Yield a table of runs, with why each waits in lines below."""
    if not found.runs:
        stages = ", ".join(found.stages)
        yield f"no run waits before {stages}" if stages else "no stage has a gate"
        return
    table = [("stage", "run", "opened (UTC)", "state", "events")]
    for run in found.runs:
        state = "upstream at work" if run.judged is None else "checks failed"
        opened = format_recent_ms(run.opened)
        table.append((run.stage, run.run, opened, state, grouped(run.waiting)))
    head, *lines = format_columns(table, left=4)
    yield head
    for run, line in zip(found.runs, lines, strict=True):
        yield line
        yield from (f"    {line}" for line in _reasons(run))
    if found.total > len(found.runs):
        yield f"and {grouped(found.total - len(found.runs))} more"
    if any(run.judged is not None for run in found.runs):
        yield f"let one in: {command_line('gates', 'release', 'RUN', '--reason TEXT')}"
        yield f"or end it: {command_line('cancel', 'RUN')}"


def _reasons(run: WaitingRun) -> Iterator[str]:
    if run.judged is None:
        where = ", ".join(f"{grouped(n)} at {stage}" for stage, n in run.upstream.items())
        yield f"not worked yet: {where}" if where else "the books are not up to date"
    for check, why in run.failed.items():
        yield f"{check}: {short_line(why)}" if why else check
