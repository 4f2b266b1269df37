"""What is known of an order?"""

from pydantic import BaseModel


class Order(BaseModel):
    customer: str
    item: str
    pieces: int
    cents_each: int


class PricedOrder(BaseModel):
    customer: str
    item: str
    total_cents: int
