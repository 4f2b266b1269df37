"""What does every stage of the pipeline that is rewired do? It says that it was here."""

from __future__ import annotations

from pydantic import BaseModel

from farandole import Context


class Item(BaseModel):
    n: int
    household: int
    path: list[str] = []


def step(item: Item, context: Context) -> Item:
    return item.model_copy(update={"path": [*item.path, context.stage]})


def sink(item: Item) -> None:
    """Sees it, and emits nothing."""
