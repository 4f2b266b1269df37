"""How does a person end a run that goes on?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from farandole.console.failing import Failed
from farandole.console.output import say
from farandole.console.wiring import Here, run, who

if TYPE_CHECKING:
    from farandole.events.control import Said
    from farandole.events.ledger import Row


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--by", metavar="WHO", help="Who wishes it.  [default: you, on this machine]")
@click.pass_obj
def cancel(here: Here, run_id: str, by: str | None) -> None:
    """End RUN: none of its events is handled any more; what is in flight is consumed and counted.

    Say it again to see what is still in flight, and what holds it.
    """
    here.logs()
    run(_cancel(here, run_id, by or who()))


async def _cancel(here: Here, run_id: str, by: str) -> None:
    from farandole.console import asked
    from farandole.console.books.rows import row_of
    from farandole.console.control import publish
    from farandole.console.hints import farandole
    from farandole.events.control import CANCELLED_FOR, Cancel, cancelled

    settings = await here.reached()
    row = await row_of(settings, run_id)
    if row["closed"] is not None:
        at = datetime.fromtimestamp(row["closed"] / 1000, UTC)
        raise Failed(
            f"farandole: {run_id} is over: {row['status']} since {at:%Y-%m-%d %H:%M:%S} UTC; "
            f"run: farandole again {run_id}"
        )
    now = datetime.now(UTC)
    found = await asked.asked(settings)
    if run_id not in cancelled(found.values(), now):
        gone = expired_cancels(found, now)
        await publish(settings, Cancel(run=run_id, until=now + CANCELLED_FOR, by=by), gone)
    say(f"{run_id}: cancelling")
    for held in holding(row, found, now):
        why = ""
        if held.pause is not None:
            way = farandole(here, "resume", "--all" if held.whole else held.stage)
            why = f"; {held.stage} is {asked.words(asked.plain(held.pause))}: {way}"
        say(f"  {held.edge}: {held.events:,} in flight{why}")


def expired_cancels(found: Mapping[bytes, Said], now: datetime) -> list[bytes]:
    """The keys of what need not be kept."""
    from farandole.events.control import Cancel, cancelled

    held = cancelled(found.values(), now)
    return [
        key
        for key, said in found.items()
        if isinstance(said.control, Cancel) and said.control.run not in held
    ]


class Held(NamedTuple):
    """Events of a run that are not settled yet."""

    edge: str
    """`event type>stage`."""
    stage: str
    events: int
    pause: Said | None
    """What pauses the stage."""

    @property
    def whole(self) -> bool:
        """The whole pipeline is paused."""
        return self.pause is not None and not getattr(self.pause.control, "stage", "")


def holding(row: Row, found: Mapping[bytes, Said], now: datetime) -> Iterable[Held]:
    """Where a run has events in flight, and which pause holds them. `found`: as `asked` gives."""
    from farandole.events.control import paused
    from farandole.events.ledger import in_flight

    said = [*found.values()]
    for name, edge in row["edges"].items():
        if (events := in_flight(edge)) > 0:
            stage = name.rpartition(">")[2]
            yield Held(name, stage, events, paused(said, row["pipeline"], stage, now))
