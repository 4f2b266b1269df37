"""How does a person end a run that goes on?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.cli.rendering.errors import CommandError
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.events.control_documents import TimedDocument
    from farandole.events.run_row import RunRow


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def cancel(context: CliContext, run_id: str, by: str | None) -> None:
    """End RUN: none of its events is handled any more; what is in flight is consumed and counted.

    Say it again to see what is still in flight, and what holds it.
    """
    context.configure_logs()
    run_async(_cancel(context, run_id, by or current_user()))


async def _cancel(context: CliContext, run_id: str, by: str) -> None:
    from farandole.events.control_documents import (
        CANCELLATION_LIFETIME,
        CancelDocument,
        cancelled_runs,
    )
    from farandole.operations.control import control_query
    from farandole.operations.control.control_publisher import publish_control
    from farandole.operations.runs.run_rows import read_run_row

    settings = await context.connect()
    row = await read_run_row(settings, run_id)
    if row["closed"] is not None:
        at = datetime.fromtimestamp(row["closed"] / 1000, UTC)
        raise CommandError(
            f"farandole: {run_id} is over: {row['status']} since {at:%Y-%m-%d %H:%M:%S} UTC; "
            f"run: farandole again {run_id}"
        )
    now = datetime.now(UTC)
    found = await control_query.read_control_state(settings)
    if run_id not in cancelled_runs(found.values(), now):
        gone = expired_cancel_keys(found, now)
        await publish_control(
            settings, CancelDocument(run=run_id, until=now + CANCELLATION_LIFETIME, by=by), gone
        )
    print_line(f"{run_id}: cancelling")
    for held in in_flight_edges(row, found, now):
        why = ""
        if held.pause is not None:
            way = context.command_line("resume", "--all" if held.whole else held.stage)
            why = (
                f"; {held.stage} is "
                f"{control_query.pause_text(control_query.pause_data(held.pause))}: {way}"
            )
        print_line(f"  {held.edge}: {held.events:,} in flight{why}")


def expired_cancel_keys(found: Mapping[bytes, TimedDocument], now: datetime) -> list[bytes]:
    """The keys of what need not be kept."""
    from farandole.events.control_documents import CancelDocument, cancelled_runs

    held = cancelled_runs(found.values(), now)
    return [
        key
        for key, said in found.items()
        if isinstance(said.control, CancelDocument) and said.control.run not in held
    ]


class InFlightEdge(NamedTuple):
    """Events of a run that are not settled yet."""

    edge: str
    """`event type>stage`."""
    stage: str
    events: int
    pause: TimedDocument | None
    """What pauses the stage."""

    @property
    def whole(self) -> bool:
        """The whole pipeline is paused."""
        return self.pause is not None and not getattr(self.pause.control, "stage", "")


def in_flight_edges(
    row: RunRow, found: Mapping[bytes, TimedDocument], now: datetime
) -> Iterable[InFlightEdge]:
    """Where a run has events in flight, and which pause holds them. `found`: as `asked` gives."""
    from farandole.events.control_documents import pause_in_force
    from farandole.events.run_row import in_flight

    said = [*found.values()]
    for name, edge in row["edges"].items():
        if (events := in_flight(edge)) > 0:
            stage = name.rpartition(">")[2]
            yield InFlightEdge(
                name, stage, events, pause_in_force(said, row["pipeline"], stage, now)
            )
