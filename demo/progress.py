"""How does the demo show the progress of a run?"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from farandole.broker.consumer_lag import LagByStage
from farandole.events.number_format import format_rate, grouped

ReportByStage = Mapping[str, Mapping[str, int]]
"""The counts of the processes of each stage, by stage: `consumed`, `emitted` and each outcome."""

_LINE_INTERVAL = 5.0  # seconds, where there is no terminal
_RATE_WINDOW = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class StageProgress:
    """The progress of one stage: events since the processes were started, and the lag in
    offsets."""

    stage: str
    consumed: int
    emitted: int
    dropped: int
    filtered: int
    dead: int
    rate: float
    """Events consumed a second, over the last seconds."""
    lag: int


@dataclass(slots=True)
class ProgressTracker:
    """Computes rows from the reports of workers and their lag."""

    _past: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def rows(self, lags: LagByStage, report: ReportByStage) -> list[StageProgress]:
        """Return a row for each stage, in the order of the graph."""
        now = time.monotonic()
        return [self._row(stage, now, lags, report) for stage in lags]

    def _row(
        self, stage: str, now: float, lags: LagByStage, report: ReportByStage
    ) -> StageProgress:
        counts = report.get(stage)
        consumed = counts["consumed"] if counts else 0
        past = self._past.setdefault(stage, deque([(now, 0)]))
        past.append((now, consumed))
        while len(past) > 2 and now - past[1][0] >= _RATE_WINDOW:
            past.popleft()
        then, before = past[0]
        return StageProgress(
            stage=stage,
            consumed=consumed,
            emitted=counts["emitted"] if counts else 0,
            dropped=counts["dropped"] if counts else 0,
            filtered=counts["filtered"] if counts else 0,
            dead=counts["dead"] if counts else 0,
            rate=(consumed - before) / (now - then) if now > then else 0.0,
            lag=sum(each.lag for each in lags[stage]),
        )


class ShowProgress(Protocol):
    """Shows the current rows."""

    def __call__(self, rows: list[StageProgress], /) -> None: ...


@contextmanager
def progress_display(console: Console) -> Iterator[ShowProgress]:
    """Yield a function that shows rows: on a terminal as a table that is redrawn, otherwise as a
    line every few seconds."""
    began = time.monotonic()
    if not console.is_terminal:
        printed = began

        def line(rows: list[StageProgress]) -> None:
            nonlocal printed
            now = time.monotonic()
            if now - printed >= _LINE_INTERVAL or not any(row.lag for row in rows):
                printed = now
                console.print(_progress_line(now - began, rows), soft_wrap=True, highlight=False)

        yield line
        return
    with Live(console=console, auto_refresh=False) as live:

        def table(rows: list[StageProgress]) -> None:
            live.update(_progress_table(time.monotonic() - began, rows), refresh=True)

        yield table


def _progress_line(seconds: float, rows: list[StageProgress]) -> str:
    stages = (
        f"{row.stage} {grouped(row.consumed)}→{grouped(row.emitted)}"
        + (f" dead {grouped(row.dead)}" if row.dead else "")
        + (f" lag {grouped(row.lag)}" if row.lag else "")
        for row in rows
    )
    return f"{seconds:3.0f} s  {' | '.join(stages)}"


def _progress_table(seconds: float, rows: list[StageProgress]) -> Table:
    table = Table(caption=f"{seconds:.0f} s", caption_justify="left")
    table.add_column("stage")
    for name in ("in", "out", "dropped", "filtered", "dead", "in/s", "lag"):
        table.add_column(name, justify="right", min_width=7)
    for row in rows:
        table.add_row(
            row.stage,
            grouped(row.consumed),
            grouped(row.emitted),
            grouped(row.dropped),
            grouped(row.filtered),
            grouped(row.dead),
            format_rate(row.rate),
            grouped(row.lag),
        )
    return table
