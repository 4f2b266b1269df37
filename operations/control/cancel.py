"""How is a run that is not complete ended?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.events.control_documents import CancelDocument
from farandole.events.controls_in_force import (
    CANCELLATION_LIFETIME,
    TimedDocument,
    cancelled_runs,
    pause_in_force,
)
from farandole.events.next_step import NextStep
from farandole.events.run_row import RunRow, in_flight, split_edge_name
from farandole.events.time_format import format_timestamp_ms
from farandole.operations.control.control_publisher import publish_control
from farandole.operations.control.control_query import (
    PauseState,
    pause_state,
    read_control_state,
)
from farandole.operations.errors import ConflictError, NotFoundError, operation
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.operations.runs.run_rows import read_run_row
from farandole.operations.runs.unread_roots import find_unread_run


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Which run is to end, and who wants it."""

    run: str
    by: str


class InFlightEdge(Result):
    """An edge on which events of a run are not settled yet."""

    edge: str
    """`event type>stage`."""
    stage: str
    events: int
    pause: PauseState | None
    """The pause of the stage, which keeps the events in flight; None if it is not paused."""


class CancelResult(Result):
    """A run that is being cancelled."""

    run: str
    in_flight: list[InFlightEdge]


@operation
async def cancel_run(installation: Installation, request: CancelRequest) -> CancelResult:
    """Cancel a run: none of its events is handled any more, nor its root, if no stage has read that
    yet. Return what is still in flight. A second request changes nothing. Raises NotFoundError
    (`unknown_run`), ConflictError (`run_closed`) and UnavailableError."""
    settings, run = installation.settings, request.run
    try:
        row = await read_run_row(settings, run)
    except NotFoundError:
        unread = await find_unread_run(settings, run)
        if unread is None:
            raise
        row = unread
    if row["closed"] is not None:
        raise ConflictError(
            "run_closed",
            f"{run} is over: {row['status']} since {format_timestamp_ms(row['closed'])} UTC",
            next_steps=[NextStep("run", ("again", run))],
            run=run,
            status=row["status"],
            closed=row["closed"],
        )
    now = datetime.now(UTC)
    documents = await read_control_state(settings)
    if run not in cancelled_runs(documents.values(), now):
        until = now + CANCELLATION_LIFETIME
        await publish_control(
            settings,
            CancelDocument(run=run, until=until, by=request.by),
            expired_cancel_keys(documents, now),
        )
    return CancelResult(run=run, in_flight=[*in_flight_edges(row, documents, now)])


def expired_cancel_keys(documents: Mapping[bytes, TimedDocument], now: datetime) -> list[bytes]:
    """Return the keys of cancel documents that are no longer in force."""
    in_force = cancelled_runs(documents.values(), now)
    return [
        key
        for key, document in documents.items()
        if isinstance(document.control, CancelDocument) and document.control.run not in in_force
    ]


def in_flight_edges(
    row: RunRow, documents: Mapping[bytes, TimedDocument], now: datetime
) -> Iterator[InFlightEdge]:
    """Yield the edges on which a run has events in flight, with the pauses of their stages.
    `documents` are what `read_control_state` returns."""
    known = [*documents.values()]
    for name, edge in row["edges"].items():
        events = in_flight(edge)
        if events <= 0:
            continue
        stage = split_edge_name(name)[1]
        pause = pause_in_force(known, row["pipeline"], stage, now)
        yield InFlightEdge(
            edge=name,
            stage=stage,
            events=events,
            pause=pause_state(pause) if pause is not None else None,
        )
