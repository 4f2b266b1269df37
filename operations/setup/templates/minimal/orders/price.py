"""What does an order cost?"""

from orders.models import Order, PricedOrder


def price(order: Order) -> PricedOrder:
    total = order.pieces * order.cents_each
    return PricedOrder(customer=order.customer, item=order.item, total_cents=total)
