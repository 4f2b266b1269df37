"""Which orders can be fulfilled?"""

from farandole import Reject

from orders.models import Order


def check(order: Order) -> Order:
    if order.pieces < 1:
        # No retry would help: it becomes a dead letter at once.
        raise Reject(f"an order of {order.pieces} pieces")
    return order
