"""How is a backfill shown in a terminal, before and as it is ordered?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.tables import Alarm
from farandole.events.number_format import grouped
from farandole.events.time_format import utc_timestamp

if TYPE_CHECKING:
    from farandole.operations.schedules.backfill import BackfillOrder
    from farandole.operations.schedules.backfill_plan import BackfillPlan

_MAX_SHOWN = 20


def plan_lines(plan: BackfillPlan) -> Iterator[str]:
    """Yield what a backfill would do, and the first of its planned times."""
    yield f"{plan.schedule} would fire {_plan_text(plan)}"
    if plan.warning is not None:
        yield Alarm(plan.warning)
    yield from (f"  {utc_timestamp(each)}" for each in plan.times[:_MAX_SHOWN])
    if len(plan.times) > _MAX_SHOWN:
        yield f"  and {grouped(len(plan.times) - _MAX_SHOWN)} more, the last of them"
        yield f"  {utc_timestamp(plan.times[-1])}"


def order_text(order: BackfillOrder) -> str:
    """Return `nightly fires for 7 planned times … (backfill 7f3b)`."""
    return f"{order.schedule} fires {_plan_text(order)} (backfill {order.id})"


def _plan_text(plan: BackfillPlan) -> str:
    """Return `for 9 of 14 planned times from … to … (excluded: 2, fired before: 3)`: as many are in
    the progress of the backfill, those that are left out among them."""
    count = count_text(plan.planned, "planned time")
    if plan.planned > len(plan.times):
        count = f"{grouped(len(plan.times))} of {count}"
    text = f"for {count} from {utc_timestamp(plan.start)} to {utc_timestamp(plan.end)}"
    left_out = [
        *([f"excluded: {grouped(plan.excluded)}"] if plan.excluded else []),
        *([f"fired before: {grouped(plan.fired)}"] if plan.fired else []),
    ]
    return f"{text} ({', '.join(left_out)})" if left_out else text
