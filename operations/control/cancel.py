"""How is a run that is not complete ended?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.broker.settings import Settings
from farandole.events.control_documents import CancelDocument
from farandole.events.controls_in_force import (
    CANCELLATION_LIFETIME,
    TimedDocument,
    cancelled_runs,
    stage_mode,
)
from farandole.events.next_step import NextStep
from farandole.events.run_row import RunRow, in_flight, split_edge_name
from farandole.events.time_format import format_timestamp_ms
from farandole.operations.control.control_change import note_control
from farandole.operations.control.control_publisher import publish_control
from farandole.operations.control.control_query import (
    PauseState,
    pause_state,
    read_control_state,
)
from farandole.operations.errors import ConflictError, NotFoundError, operation, query
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
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


@query
async def plan_cancel(installation: Installation, run: str) -> CancelResult:
    """Return what is in flight of a run that can be cancelled, and change nothing. Raises as
    `cancel_run` does."""
    row = await _read_row(installation.settings, run)
    _require_open(row)
    documents = await read_control_state(installation.settings)
    return CancelResult(run=run, in_flight=[*in_flight_edges(row, documents, datetime.now(UTC))])


@operation
@recorded("cancel", lambda request: request.run)
async def cancel_run(installation: Installation, request: CancelRequest) -> CancelResult:
    """Cancel a run: none of its events is handled any more, nor its root, if no stage has read that
    yet. Return what is still in flight. A second request changes nothing. Raises NotFoundError
    (`unknown_run`), ConflictError (`run_closed`) and UnavailableError."""
    settings, run = installation.settings, request.run
    row = await _read_row(settings, run)
    installation.deed.pipeline = row["pipeline"]
    _require_open(row)
    now = datetime.now(UTC)
    documents = await read_control_state(settings)
    if run not in cancelled_runs(documents.values(), now):
        until = now + CANCELLATION_LIFETIME
        document = CancelDocument(run=run, until=until, by=request.by)
        note_control(installation, document, [])
        await publish_control(settings, document, expired_cancel_keys(documents, now))
    return CancelResult(run=run, in_flight=[*in_flight_edges(row, documents, now)])


async def _read_row(settings: Settings, run: str) -> RunRow:
    """Return the row of a run, also of one whose root no stage has read yet. Raises NotFoundError
    (`unknown_run`) and BrokerError."""
    try:
        return await read_run_row(settings, run)
    except NotFoundError:
        unread = await find_unread_run(settings, run)
        if unread is None:
            raise
        return unread


def _require_open(row: RunRow) -> None:
    """Raise ConflictError (`run_closed`) if a run is over."""
    if row["closed"] is not None:
        raise ConflictError(
            "run_closed",
            f"{row['run']} is over: {row['status']} since {format_timestamp_ms(row['closed'])} UTC",
            next_steps=[NextStep("run", ("again", row["run"]))],
            run=row["run"],
            status=row["status"],
            closed=row["closed"],
        )


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
        yield InFlightEdge(
            edge=name,
            stage=stage,
            events=events,
            pause=pause_state(stage_mode(known, row["pipeline"], stage, now)),
        )
