"""What do the stages do whose data are profiled and checked? Every odd value is among them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pydantic import BaseModel, Field

from farandole import Reject


class Asked(BaseModel):
    first: int
    """The number of the first line."""
    lines: int
    pause: float = 0.0
    """Seconds that each line takes."""


class Line(BaseModel):
    n: int
    cents: int
    item: str | None
    customer: str = Field(json_schema_extra={"personal": True})
    share: float
    pause: float


def read(asked: Asked) -> Iterator[Line]:
    """Of 60 lines, two are rejected by a check, one waits for a person, one is given up, and nine
    have no item."""
    for n in range(asked.first, asked.first + asked.lines):
        odd = {11: -1, 41: -n, 31: 13}.get(n % 60)
        yield Line(
            n=n,
            cents=20 + n * 37 % 1009 if odd is None else odd,
            item=None if n % 7 == 0 else f"item {n * n}",
            customer=f"customer {n % 5}",
            share=n / 7,
            pause=asked.pause,
        )


def take(line: Line) -> Line:
    time.sleep(line.pause)
    if line.n % 60 == 7:
        raise Reject("a seven")
    return line


def store(line: Line) -> None: ...
