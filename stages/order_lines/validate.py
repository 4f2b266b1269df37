"""Can a till have printed this line?"""

from __future__ import annotations

from farandole import Reject
from stages.order_lines.schemas import Line


def validate(line: Line) -> Line:
    """Return the line, or reject it if no till prints such a line. A line with only coupons is
    valid, and so is a tank of fuel."""
    if line.quantity == 0:
        if line.sales_cents > 0:
            raise Reject("something was paid for a quantity of 0")
        if not (line.retail_cents or line.coupon_cents or line.match_cents):
            raise Reject("nothing was sold, paid or discounted")
    if line.match_cents > line.coupon_cents:
        raise Reject("the shop's match is worth more than the coupon that it matches")
    return line
