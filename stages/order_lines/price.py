"""What did the shopper pay?"""

from __future__ import annotations

from stages.order_lines.schemas import EnrichedLine, PricedLine


def price(line: EnrichedLine) -> PricedLine:
    """Return the line with its price. Coupon and match are subtracted from the sales value, from
    which the loyalty discount was subtracted before.

    Always `sales + retail = paid + discounts - excess`: if coupons are worth more than the sales
    value, the shopper pays nothing and gets nothing back, and the rest is the excess.
    """
    coupons = line.coupon_cents + line.match_cents
    due = line.sales_cents - coupons
    return PricedLine(
        **line.__dict__,
        discounts_cents=line.retail_cents + coupons,
        paid_cents=max(0, due),
        excess_cents=max(0, -due),
        unit_price_mills=_mills(line.sales_cents + line.retail_cents, line.quantity),
    )


def _mills(cents: int, quantity: int) -> int | None:
    """Return tenths of a cent per unit, half rounded up; None for a quantity of 0. Fuel costs less
    than a cent a unit."""
    return (20 * cents + quantity) // (2 * quantity) if quantity else None
