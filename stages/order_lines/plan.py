"""Which slices of the source file contain the requested weeks?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise

from stages.order_lines import source_data
from stages.order_lines.schemas import Chunk, FeedRequested

ROWS_AT_MOST = 20_000


def plan(feed: FeedRequested) -> Iterator[Chunk]:
    """Cut the weeks into chunks of at most 20,000 rows and of nearly equal size."""
    rows = rows_per_week()
    wanted = list(rows) if feed.weeks == "all" else sorted(rows.keys() & feed.weeks)
    first_row = dict(zip(rows, accumulate(rows.values(), initial=0), strict=False))
    for weeks in _runs(wanted):
        yield from _chunks(first_row[weeks[0]], {week: rows[week] for week in weeks})


def rows_per_week() -> dict[int, int]:
    """Return the number of rows of each week, in the order of the file, which is sorted by week.
    Raises DataMissing."""
    return dict(Counter(week for (week,) in source_data.rows(source_data.TRANSACTIONS, ["week"])))


def _runs(weeks: list[int]) -> Iterator[list[int]]:
    """Yield neighbouring weeks together: [1, 2, 5] -> [1, 2], [5]."""
    run: list[int] = []
    for week in weeks:
        if run and week != run[-1] + 1:
            yield run
            run = []
        run.append(week)
    if run:
        yield run


def _chunks(first_row: int, rows: dict[int, int]) -> Iterator[Chunk]:
    total = sum(rows.values())
    parts = -(-total // ROWS_AT_MOST)
    ends = dict(zip(rows, accumulate(rows.values()), strict=True))
    for begin, end in pairwise(total * part // parts for part in range(parts + 1)):
        touched = [week for week in rows if ends[week] - rows[week] < end and begin < ends[week]]
        yield Chunk(first_row=first_row + begin, rows=end - begin, weeks=touched)
