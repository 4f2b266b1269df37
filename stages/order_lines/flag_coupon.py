"""Were the coupons worth more than the goods?"""

from __future__ import annotations

from stages.order_lines.schemas import CouponExceeded, PricedLine


def flag_coupon(line: PricedLine) -> CouponExceeded | None:
    """Name the lines whose coupons exceed the sales value; drop all others."""
    if line.excess_cents == 0:
        return None
    return CouponExceeded(
        household_id=line.household_id,
        store_id=line.store_id,
        basket_id=line.basket_id,
        product_id=line.product_id,
        week=line.week,
        sales_cents=line.sales_cents,
        excess_cents=line.excess_cents,
    )
