"""What does the stage do whose events wait? Some fail twice, some always."""

from __future__ import annotations

from pydantic import BaseModel

from farandole import Context


class Item(BaseModel):
    n: int
    household: int


class Done(BaseModel):
    n: int
    household: int
    of: str


def work(item: Item, context: Context) -> Done:
    if item.n % 101 == 50 or (item.n % 7 == 0 and context.attempt < 3):
        raise TimeoutError("nobody answers")
    return Done(n=item.n, household=item.household, of="left" if item.n % 2 else "right")


def after(done: Done) -> None:
    pass
