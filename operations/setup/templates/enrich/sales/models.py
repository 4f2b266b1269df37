"""What is known of a product and of its sale?"""

from pydantic import BaseModel


class Product(BaseModel):
    product: str
    name: str
    cost_cents: int


class Sale(BaseModel):
    product: str
    pieces: int
    paid_cents: int


class EnrichedSale(Sale):
    name: str
    cost_cents: int


class ValuedSale(BaseModel):
    product: str
    name: str
    margin_cents: int


class Loss(BaseModel):
    product: str
    name: str
    loss_cents: int
