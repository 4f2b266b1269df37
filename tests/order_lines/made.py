"""What do made-up order lines look like?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from farandole import EventInfo
from stages.order_lines.schemas import EnrichedLine, Household, Line, Product

T = TypeVar("T")

LINE = {
    "household_id": 900,
    "store_id": 330,
    "basket_id": 31198570044,
    "product_id": 1095275,
    "week": 1,
    "quantity": 1,
    "sales_cents": 50,
    "retail_cents": 0,
    "coupon_cents": 0,
    "match_cents": 0,
}


def line(**changed: int) -> Line:
    return Line.model_validate(LINE | changed)


def enriched(**changed: int) -> EnrichedLine:
    return EnrichedLine(
        **(LINE | changed),
        product=Product(department="PASTRY", brand="Private", category="ROLLS"),
        household=Household(age="35-44", income="35-49K"),
    )


class Log:
    """Remembers what a stage logged."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields))

    info = warning = debug


class Made:
    """A Context for a stage that is called by hand."""

    run: str | None = None
    pipeline = "order-lines"
    stage = "load"
    attempt = 1
    attributes: Mapping[str, str] = {}
    events: Sequence[EventInfo] = ()

    def __init__(self) -> None:
        self.deadline = time.monotonic() + 30
        self.log = Log()

    def flag(self, name: str, default: T) -> T:
        return default

    async def limit(self, name: str) -> None:
        """Let every call pass."""
