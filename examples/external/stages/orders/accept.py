"""What is an order, before and after it is accepted?"""

from collections.abc import Iterator

from pydantic import BaseModel


class Order(BaseModel):
    customer: str
    cents: list[int]


class Accepted(BaseModel):
    customer: str
    cents: int


def accept(order: Order) -> Iterator[Accepted]:
    """Emit each line of an order."""
    for cents in order.cents:
        yield Accepted(customer=order.customer, cents=cents)
