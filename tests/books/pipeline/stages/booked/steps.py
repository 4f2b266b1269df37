"""What do the stages do whose books are kept? Every way in which an event can end is among it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pydantic import BaseModel

from farandole import Reject


class Asked(BaseModel):
    items: int
    pause: float = 0.0
    """Seconds that each item takes."""


class Item(BaseModel):
    n: int
    pause: float


def plan(asked: Asked) -> Iterator[Item]:
    for n in range(asked.items):
        yield Item(n=n, pause=asked.pause)


def make(item: Item) -> Item:
    time.sleep(item.pause)
    return item


def load(item: Item) -> None:
    if item.n % 50 == 7:
        raise Reject("a seven")


def check(item: Item) -> Item | None:
    return None if item.n % 10 == 3 else item
