"""What do the stages do of a pipeline that is drained? Some events are parked for a while."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from farandole import Context


class Asked(BaseModel):
    n: int


class Item(BaseModel):
    n: int
    part: int


def plan(asked: Asked) -> Iterator[Item]:
    for part in range(5):
        yield Item(n=asked.n, part=part)


def note(asked: Asked, context: Context) -> None:
    if asked.n % 7 == 3 and context.attempt < 3:
        raise TimeoutError("not yet")


def make(item: Item) -> Item:
    return item


def load(item: Item, context: Context) -> None:
    if item.n % 9 == 4 and item.part == 2 and context.attempt < 3:
        raise TimeoutError("not yet")
