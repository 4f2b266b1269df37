"""Do books and order hold while canaries come and go among other switches, and events fail?"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

from farandole.testing import Pipeline
from tests.seeds import seeds
from tests.testing.projects import write_project

CODE = """
    import random
    from pydantic import BaseModel
    from farandole import Context, Reject

    die = random.Random(7)

    class Order(BaseModel):
        n: int
        customer: str

    def check(order: Order) -> Order:
        if die.random() < 0.2:
            raise TimeoutError("nobody answers")
        return order

    def worse(order: Order) -> Order:
        if die.random() < 0.4:
            raise TimeoutError("nobody answers")
        return order

    async def awaited(order: Order, context: Context) -> Order:
        return worse(order)

    def refuses(order: Order) -> Order:
        raise Reject("no")

    def pack(orders: list[Order]) -> list[Order]:
        if die.random() < 0.1:
            raise TimeoutError("nobody answers")
        return orders
"""
TOPOLOGY = """
    pipeline: shop
    defaults: {partitions: 2, retry: {attempts: 4, backoff: 1s, in_place: 0ms}}
    events:
      placed: {key: customer}
      checked: {key: customer}
      packed: {key: customer}
    stages:
      check: {run: "MODULE:check", subscribes: placed, emits: checked}
      pack: {run: "MODULE:pack", subscribes: checked, emits: packed}
"""
CANDIDATES = {"check": ("worse", "awaited", "refuses", "missing"), "pack": ("pack", "check")}


@seeds(60, kept=6)
def test_books_and_order_hold_while_canaries_come_and_go(seeds: range, tmp_path: Path) -> None:
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        die = random.Random(seed)
        with Pipeline(write_project(folder, TOPOLOGY, CODE)) as shop:
            (module,) = (path.stem for path in folder.glob("made_*.py"))
            for _ in range(10):
                switch_at_random(shop, module, die)
                for _ in range(die.randrange(30)):
                    customer = f"c{die.randrange(8)}"
                    shop.send("placed", {"n": len(shop.roots), "customer": customer})
                shop.advance(die.choice([0.0, 0.5, 2.0, 10.0]))
            for stage in CANDIDATES:
                shop.switch(stage, "on")
            assert shop.run().is_balanced, seed
            assert faults(shop) == [], seed


def switch_at_random(shop: Pipeline, module: str, die: random.Random) -> None:
    stage = die.choice([*CANDIDATES])
    if die.random() < 0.6:
        run, share = f"{module}:{die.choice(CANDIDATES[stage])}", die.choice([0.1, 0.5, 1.0])
        shop.switch(stage, "canary", run=run, share=share)
    elif die.random() < 0.5:
        shop.switch(stage, "hold")
    else:
        shop.switch("check", die.choice(["on", "bypass"]))


def faults(shop: Pipeline) -> list[str]:
    """Return what was lost or doubled, or left the order of its key."""
    ended = Counter(event.data["n"] for event in shop.emitted("packed"))
    ended += Counter(letter.event.data["n"] for letter in shop.dead_letters())
    found = [f"{n}: {ended[n]} times" for n in range(len(shop.roots)) if ended[n] != 1]
    for event_type in ("checked", "packed"):
        by_key: dict[str | None, list[int]] = defaultdict(list)
        for event in shop.emitted(event_type):
            by_key[event.data["customer"]].append(event.data["n"])
        found += [f"{event_type} {key}: {ns}" for key, ns in by_key.items() if ns != sorted(ns)]
    return found
