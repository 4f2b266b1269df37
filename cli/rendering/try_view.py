"""How are events that were tried in memory shown on a terminal?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.failure_fingerprint import failure_title
from farandole.events.number_format import grouped
from farandole.events.outcome import RECORDED, Outcome
from farandole.events.safe_text import escape_harmful, single_line
from farandole.events.time_format import format_short_elapsed
from farandole.operations.events.try_events import EventResult, StepResult, TryResult

MAX_BRANCHES = 20
"""The events that are shown below one step, and the roots, unless all are asked for."""
_MAX_DATA_LENGTH = 100  # characters of an event's data that are shown
_RESTING = {
    "external": "not called: it is external",
    "effects": "not called: it writes to the outside (--with-effects calls it)",
    "not asked for": "not called",
}


def try_lines(result: TryResult, *, whole: bool = False) -> Iterator[str]:
    """Yield a tree for each event, then the balance sheet of all. Unless the `whole` of it is
    wanted, at most MAX_BRANCHES stand below one step; then the kinds of dead events follow if some
    are left out."""
    tree = _Tree(None if whole else MAX_BRANCHES)
    for event in result.events[: tree.limit]:
        yield from tree.event_lines(event, "", "")
        yield ""
    if tree.hidden(result.events):
        yield tree.hidden(result.events)
        yield ""
    dead = Counter(_dead_kinds(result.events))
    if dead.total() > tree.shown_dead:
        yield "dead, with those that are not shown:"
        rows = [[grouped(count), f"[{stage}]", what] for (stage, what), count in dead.most_common()]
        yield from map(Alarm, format_columns(rows))
        yield ""
    if result.edges:
        yield from _sheet_lines(result)
    if result.checks:
        yield ""
        yield from _check_lines(result)
        yield ""
    yield f"{result.status}: the books {'balance' if result.is_balanced else 'do not balance'}"


def _dead_kinds(events: Sequence[EventResult]) -> Iterator[tuple[str, str]]:
    """Yield the stage and the kind of failure of each dead event."""
    for event in events:
        for step in event.steps:
            if step.error is not None:
                title = failure_title(step.message or "")
                yield step.stage, single_line(f"{step.error}: {title}")
            yield from _dead_kinds(step.outputs)


class _Tree:
    """Draws events, what each stage made of them, and the events that came out of that."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.shown_dead = 0
        self._timed: set[tuple[str, str, str]] = set()
        """Run, event type and stage of the times that are shown. The time is a mean of the edge, so
        it is shown once."""

    def hidden(self, events: Sequence[EventResult]) -> str:
        """Return how many of the events are not shown; an empty text if all are."""
        count = len(events[self.limit :]) if self.limit is not None else 0
        return f"and {grouped(count)} more (--all prints them)" if count else ""

    def event_lines(self, event: EventResult, lead: str, below: str) -> Iterator[str]:
        """Yield the lines of one event and of all that came out of it."""
        cut = "…" if len(event.text) > _MAX_DATA_LENGTH else ""
        data = single_line(event.text[:_MAX_DATA_LENGTH]) + cut
        key = "" if event.key is None else f"  key {single_line(event.key)}"
        yield f"{lead}{event.type}  {data}{key}  {event.position}"
        for number, step in enumerate(event.steps, 1):
            last = number == len(event.steps)
            yield from self._step_lines(
                event, step, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
            )

    def _step_lines(
        self, event: EventResult, step: StepResult, lead: str, below: str
    ) -> Iterator[str]:
        took = self._time_text(event, step)
        if step.why is not None:
            yield f"{lead}[{step.stage}]  {_RESTING[step.why]}"
        elif step.error is not None:
            self.shown_dead += 1
            tries = "" if step.attempts == 1 else f" after {step.attempts} tries"
            why = single_line(f"{step.error}: {step.message}")
            yield Alarm(f"{lead}[{step.stage}]{took}  dead{tries}: {why}")
            for line in (step.traceback or "").rstrip().splitlines()[1:-1]:
                yield f"{below}{escape_harmful(line)}"
        else:
            shown = "" if step.outcome == Outcome.HANDLED else f"  {step.outcome}"
            if step.message is not None:
                shown = f"  waits until a person decides: {single_line(step.message)}"
            yield f"{lead}[{step.stage}]{took}{shown}"
        outputs, hidden = step.outputs[: self.limit], self.hidden(step.outputs)
        for number, output in enumerate(outputs, 1):
            last = number == len(outputs) and not hidden
            yield from self.event_lines(
                output, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
            )
        if hidden:
            yield f"{below}└─ {hidden}"

    def _time_text(self, event: EventResult, step: StepResult) -> str:
        edge = (event.run, event.type, step.stage)
        if step.seconds is None or edge in self._timed:
            return ""
        self._timed.add(edge)
        return f"  ~{format_short_elapsed(step.seconds)} each"


def _check_lines(result: TryResult) -> Sequence[str]:
    """Return a line for each check, with the reason of those that have not passed."""
    rows = []
    for check in result.checks:
        where = f"in {grouped(check.runs)} of {grouped(check.judged)} runs: "
        why = single_line(f"{where if check.judged > 1 else ''}{check.why}") if check.why else ""
        verdict = Alarm(check.verdict) if check.verdict == "failed" else check.verdict
        rows.append((single_line(check.check), verdict, why))
    return format_columns(rows, left=3)


def _sheet_lines(result: TryResult) -> Sequence[str]:
    """Return the counts of all runs, one line an edge, with the outcomes that occurred."""
    shown = [o for o in RECORDED if any(edge[o.value] for edge in result.edges.values())]
    columns = ["emitted", "consumed", Outcome.HANDLED.value, *(o.value for o in shown)]
    rows = [["", *columns]]
    for name, edge in result.edges.items():
        event_type, _, stage = name.partition(">")
        rows.append([f"{event_type} → [{stage}]", *(grouped(edge[each]) for each in columns)])
    return format_columns(rows)
