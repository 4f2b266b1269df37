"""How are events that were tried in memory shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.number_format import grouped
from farandole.events.outcome import RECORDED, Outcome
from farandole.events.safe_text import escape_harmful, single_line
from farandole.events.time_format import format_short_elapsed
from farandole.operations.events.try_events import EventResult, StepResult, TryResult

_MAX_DATA_LENGTH = 100  # characters of an event's data that are shown
_RESTING = {
    "external": "not called: it is external",
    "effects": "not called: it writes to the outside (--with-effects calls it)",
    "not asked for": "not called",
}


def try_lines(result: TryResult) -> Iterator[str]:
    """Yield a tree for each event, then the balance sheet of all."""
    for event in result.events:
        yield from _event_lines(event, "", "")
        yield ""
    if result.edges:
        yield from _sheet_lines(result)
    yield f"{result.status}: the books {'balance' if result.is_balanced else 'do not balance'}"


def _event_lines(event: EventResult, lead: str, below: str) -> Iterator[str]:
    cut = "…" if len(event.text) > _MAX_DATA_LENGTH else ""
    data = single_line(event.text[:_MAX_DATA_LENGTH]) + cut
    key = "" if event.key is None else f"  key {single_line(event.key)}"
    yield f"{lead}{event.type}  {data}{key}  {event.position}"
    for number, step in enumerate(event.steps, 1):
        last = number == len(event.steps)
        yield from _step_lines(
            step, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
        )


def _step_lines(step: StepResult, lead: str, below: str) -> Iterator[str]:
    took = "" if step.seconds is None else f"  {format_short_elapsed(step.seconds)}"
    if step.why is not None:
        yield f"{lead}[{step.stage}]  {_RESTING[step.why]}"
    elif step.error is not None:
        tries = "" if step.attempts == 1 else f" after {step.attempts} tries"
        why = single_line(f"{step.error}: {step.message}")
        yield Alarm(f"{lead}[{step.stage}]{took}  dead{tries}: {why}")
        for line in (step.traceback or "").rstrip().splitlines()[1:-1]:
            yield f"{below}{escape_harmful(line)}"
    else:
        shown = "" if step.outcome == Outcome.HANDLED else f"  {step.outcome}"
        yield f"{lead}[{step.stage}]{took}{shown}"
    for number, output in enumerate(step.outputs, 1):
        last = number == len(step.outputs)
        yield from _event_lines(
            output, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
        )


def _sheet_lines(result: TryResult) -> Sequence[str]:
    """Return the counts of all runs, one line an edge, with the outcomes that occurred."""
    shown = [o for o in RECORDED if any(edge[o.value] for edge in result.edges.values())]
    columns = ["emitted", "consumed", Outcome.HANDLED.value, *(o.value for o in shown)]
    rows = [["", *columns]]
    for name, edge in result.edges.items():
        event_type, _, stage = name.partition(">")
        rows.append([f"{event_type} → [{stage}]", *(grouped(edge[each]) for each in columns)])
    return format_columns(rows)
