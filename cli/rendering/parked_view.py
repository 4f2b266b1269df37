"""How are rows that wait for a person shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.tables import format_columns
from farandole.events.number_format import grouped
from farandole.events.safe_text import short_line, single_line
from farandole.events.time_format import format_recent
from farandole.operations.parked.list_parked import ParkedRows
from farandole.operations.parked.order_parked import OrderResult

_DONE = {"release": "released", "mend": "mended", "discard": "discarded"}
_MAX_MESSAGE = 100  # characters


def parked_lines(found: ParkedRows) -> Iterator[str]:
    """Yield a table of rows, with what is wrong with each in a line below."""
    if not found.rows:
        yield "no row waits for a person"
        return
    table = [("stage", "position", "since (UTC)", "run", "checks", "ordered")]
    for row in found.rows:
        order = row.ordered
        table.append(
            (
                row.stage,
                row.position,
                format_recent(row.since),
                single_line(row.run),
                single_line(", ".join(row.checks)),
                "" if order is None else single_line(f"{order.do} by {order.by}"),
            )
        )
    head, *lines = format_columns(table, left=6)
    yield head
    for line, row in zip(lines, found.rows, strict=True):
        yield line
        yield f"    {short_line(row.message, _MAX_MESSAGE)}"
    if found.total > len(found.rows):
        yield f"{grouped(found.total - len(found.rows))} more wait: --limit shows them"


def order_lines(result: OrderResult) -> Iterator[str]:
    """Yield what became of some orders."""
    done = [row for row in result.rows if row.taken]
    if not result.rows:
        yield f"{result.stage}: no row waits that is meant"
    if done:
        yield f"{result.stage}: {count_text(len(done), 'row')} {_DONE[result.do]}"
    open_ = len(result.rows) - len(done)
    if open_:
        yield (
            f"{result.stage}: {count_text(open_, 'order')} to {result.do} given; the lanes have not"
            " read them yet, and do so as soon as they are worked"
        )
