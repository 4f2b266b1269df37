"""What becomes of an order to fire a schedule once?

It fires at once, whatever pause, calendars and overlap policy say, and its run counts as one of the
schedule's. Its planned time may be one that the schedule is planned for or any other; it must have
come.
"""

from __future__ import annotations

from datetime import timedelta

from farandole.events.schedule_document import FireDocument
from farandole.events.schedule_row import OrderRow, ScheduleRow
from farandole.events.time_format import utc_timestamp
from farandole.scheduler.order_change import (
    OrderChange,
    OrderSurroundings,
    claim,
    make_firing,
)
from farandole.scheduler.trigger import Refusal

BY_HAND = "by hand"
CLOCK_MARGIN = timedelta(minutes=1)
"""An order waits for a planned time that is to come no later than this: the clock of who wrote it
may be fast."""


def fire_by_hand(
    document: FireDocument, row: ScheduleRow, around: OrderSurroundings
) -> OrderChange:
    """Return what becomes of the order now. `row` is that of its schedule. Raises ValueError if the
    file says what this release cannot read."""
    now, planned = around.now, document.planned
    if planned > now + CLOCK_MARGIN:
        why = f"{utc_timestamp(planned)} is to come: what fires then stands in the file"
        return OrderChange(order=OrderRow(id=document.id, at=now, refused=why))
    if planned > now:
        return OrderChange(wake=planned)
    if around.past is None:
        return OrderChange()
    claimed = claim(row, around.history, planned, around.past, document.id)
    if claimed.suffix and planned in around.past.by_id:
        why = f"{utc_timestamp(planned)} has fired by another order with the id {document.id}"
        return OrderChange(order=OrderRow(id=document.id, at=now, refused=why))
    reason = f"{BY_HAND}: {document.comment}" if document.comment else BY_HAND
    made = make_firing(around, planned, claimed, by=document.by, order=document.id, reason=reason)
    if isinstance(made, Refusal):
        if made.may_pass:
            return OrderChange()
        return OrderChange(order=OrderRow(id=document.id, at=now, refused=made.reason))
    return OrderChange(
        schedule=claimed.row.model_copy(
            update={
                "runs": (*claimed.row.runs, made.run),
                "last": made.run.model_copy(update={"record": None}),
            }
        ),
        order=OrderRow(id=document.id, at=now),
        firings=(made,),
    )
