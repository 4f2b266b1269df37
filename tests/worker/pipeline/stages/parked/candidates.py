"""Which functions are tried out in the place of `work`?"""

from __future__ import annotations

import os

from stages.parked.steps import Done, Item, work  # type: ignore[import-untyped]

from farandole import Context


def other(item: Item, context: Context) -> Done:
    done = work(item, context)
    return done.model_copy(update={"of": "elsewhere"}) if item.n % 5 == 0 else done


def leaves(item: Item) -> Done:
    os._exit(5)


def fails(item: Item, context: Context) -> Done:
    """Fail at the first attempt of every second event."""
    if item.n % 2 and context.attempt == 1:
        raise RuntimeError("it is worse")
    return other(item, context).model_copy(update={"of": "elsewhere"})
