"""One root becomes many lines, of which some die, some are dropped, and one waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from farandole import Reject

Household = Annotated[str, Field(json_schema_extra={"personal": True})]


class Asked(BaseModel):
    """How many lines there are, and of whom."""

    lines: Annotated[int, Field(ge=0, le=10_000)] = 10
    household: Household = "h1"
    note: str | None = None


class Line(BaseModel):
    household: Household
    number: int
    basket: int = 9007199254740993
    coupon: int = 0
    note: str | None = None


def plan(asked: Asked) -> Iterator[Line]:
    for number in range(asked.lines):
        yield Line(household=asked.household, number=number, coupon=number == 1, note=asked.note)


def check(line: Line) -> Line | None:
    """Every tenth line dies, and the one after it is dropped."""
    if line.number % 10 == 3:
        raise Reject(f"{line.household} paid for nothing")
    return None if line.number % 10 == 4 else line


def load(line: Line) -> None:
    """One line has to wait for what is not there."""
    if line.number == 19:
        raise ConnectionError("nobody answers")


def flag(line: Line) -> Line:
    return line
