"""How much do the lines in the table amount to?"""

from __future__ import annotations

import os

from sqlalchemy import func, select

from farandole import Context
from stages.order_lines.order_lines_table import DEFAULT, SETTING, database, order_lines
from stages.order_lines.schemas import ReportRequested


def report(request: ReportRequested, context: Context) -> None:
    """Log the figures of all lines that are loaded. Raises DatabaseUnusable."""
    columns = order_lines.columns
    figures = select(
        func.count(),
        func.count(columns.week.distinct()),
        func.coalesce(func.sum(columns.paid_cents), 0),
    )
    with database(os.environ.get(SETTING, DEFAULT)).connect() as connection:
        lines, weeks, paid_cents = connection.execute(figures).one()
    context.log.info(
        "order_lines.report",
        at=request.at.isoformat(),
        after=request.run,
        lines=lines,
        weeks=weeks,
        paid_cents=int(paid_cents),
    )
