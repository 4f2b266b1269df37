"""Which fields do the events of the order-lines pipeline have?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Week = Annotated[int, Field(ge=1, le=53)]
Cents = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
HouseholdId = Annotated[int, Field(json_schema_extra={"personal": True})]
"""Who bought something: not for the eyes of whoever reads a mail about a failure."""


class FeedRequested(BaseModel):
    """The trigger: which weeks of the year to load."""

    model_config = ConfigDict(extra="forbid")  # a person types it: a misspelt field is an error

    weeks: Annotated[list[Week], Field(min_length=1)] | Literal["all"]


class ReportRequested(BaseModel):
    """The other trigger: report on what is loaded."""

    model_config = ConfigDict(extra="forbid")

    at: datetime
    """For when: the planned time of a schedule, or that of the feed's end."""
    run: str | None = None
    """The run of the feed on which this follows."""


class Chunk(BaseModel):
    """A slice of the source file that one lane reads in one go."""

    first_row: Count
    rows: Annotated[int, Field(ge=1)]
    weeks: list[Week]
    """The weeks that the slice touches."""


class Line(BaseModel):
    """One product in one shopper's basket; all money in cents."""

    household_id: HouseholdId
    store_id: int
    basket_id: int
    product_id: int
    """With `basket_id` the identity of the line."""
    week: Week
    quantity: Count
    """Pieces; for fuel thousandths of a gallon or so, hence up to 90,000."""
    sales_cents: Cents
    """After the loyalty discount, before coupons."""
    retail_cents: Cents
    """The loyalty discount."""
    coupon_cents: Cents
    """A manufacturer's coupon."""
    match_cents: Cents
    """What the shop adds to that coupon."""


class Product(BaseModel):
    department: str
    brand: str
    category: str | None


class Household(BaseModel):
    age: str | None
    income: str | None


class EnrichedLine(Line):
    product: Product | None
    """None where the catalogue does not know the product."""
    household: Household | None
    """None where nothing is known of the household."""


class PricedLine(EnrichedLine):
    discounts_cents: Cents
    """Loyalty, coupon and match together, as printed on the bill."""
    paid_cents: Cents
    """What the shopper paid: never less than nothing."""
    excess_cents: Cents
    """What coupons were worth beyond the sales value: nobody pays it out."""
    unit_price_mills: Count | None
    """Tenths of a cent per unit before any discount; None where nothing was counted."""


class CouponExceeded(BaseModel):
    """Coupons were worth more than what they were handed in for."""

    household_id: HouseholdId
    store_id: int
    basket_id: int
    product_id: int
    week: Week
    sales_cents: Cents
    excess_cents: Cents
