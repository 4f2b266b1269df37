"""A user's project, written into a folder of the test."""

from __future__ import annotations

import secrets
from pathlib import Path
from textwrap import dedent

SHOP = """
    from collections.abc import Iterator
    from pydantic import BaseModel
    from farandole import Context, Reject

    class Order(BaseModel):
        customer: str
        items: list[str] = []
        cents: int = 0

    class Item(BaseModel):
        customer: str
        name: str

    def check(order: Order) -> Order:
        if order.cents < 0:
            raise Reject("nobody is paid for an order")
        return order

    def split(order: Order) -> Iterator[Item]:
        for name in order.items:
            yield Item(customer=order.customer, name=name)

    def pick(item: Item, context: Context) -> Item | None:
        return item if item.name != "air" else None

    async def thank(order: Order) -> None: ...
"""

TOPOLOGY = """
    pipeline: shop
    defaults: {partitions: 3}
    events:
      order.placed: {key: customer}
      order.checked: {key: customer}
      item.ordered: {key: customer}
    stages:
      check: {run: "MODULE:check", subscribes: order.placed, emits: order.checked}
      split: {run: "MODULE:split", subscribes: order.checked, emits: item.ordered}
      pick: {run: "MODULE:pick", subscribes: item.ordered, emits: item.picked}
      thank: {run: "MODULE:thank", subscribes: order.checked}
"""


def write_project(folder: Path, topology: str = TOPOLOGY, code: str = SHOP) -> Path:
    """Write a module of a new name and the file that names it as MODULE; return the file."""
    module = f"made_{secrets.token_hex(4)}"
    (folder / f"{module}.py").write_text(dedent(code))
    file = folder / "topology.yaml"
    file.write_text(dedent(topology).replace("MODULE", module))
    return file
