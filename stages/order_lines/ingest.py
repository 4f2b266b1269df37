"""Which order lines does a chunk contain?"""

from __future__ import annotations

from collections.abc import Iterator

from stages.order_lines import source_data
from stages.order_lines.schemas import Chunk, Line

_COLUMNS = [
    "household_id", "store_id", "basket_id", "product_id", "week", "quantity",
    "sales_value", "retail_disc", "coupon_disc", "coupon_match_disc",
]  # fmt: skip


def ingest(chunk: Chunk) -> Iterator[Line]:
    """Read the chunk's rows; dollars become whole cents here and stay so.

    The source's doubles are off by less than a billionth of a cent, so rounding is exact.
    """
    for (
        household_id, store_id, basket_id, product_id, week, quantity,
        sales, retail, coupon, match,
    ) in source_data.rows(
        source_data.TRANSACTIONS, _COLUMNS, chunk.first_row, chunk.rows
    ):  # fmt: skip
        yield Line(
            household_id=household_id,
            store_id=store_id,
            basket_id=basket_id,
            product_id=product_id,
            week=week,
            quantity=quantity,
            sales_cents=round(sales * 100),
            retail_cents=round(retail * 100),
            coupon_cents=round(coupon * 100),
            match_cents=round(match * 100),
        )
