"""Who reads what the program in Node has scored?"""

from typing import Literal

from pydantic import BaseModel


class Scored(BaseModel):
    customer: str
    cents: int
    score: Literal["high", "low"]


def report(scored: Scored) -> None:
    """See a scored line, and emit nothing."""
