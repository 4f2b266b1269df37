"""What do the books say of runs, and can it be believed?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson

from farandole.broker.admin import Admin
from farandole.broker.settings import Settings
from farandole.broker.tables import Start, scan
from farandole.console.failing import Failed
from farandole.events.ledger import Row

_ROW = {
    "run": str,
    "pipeline": str,
    "version": int,
    "status": str,
    "root": dict | None,
    "opened": int,
    "last": int,
    "closed": int | None,
    "amended": int,
    "late": bool,
    "edges": dict,
    "leaves": dict,
}
_EDGE = {
    **dict.fromkeys(("emitted", "consumed", "differs", "dropped", "filtered", "dead"), int),
    **dict.fromkeys(("cancelled", "parked", "first", "last"), int),
    **dict.fromkeys(("age", "seconds"), int | float),
}
_LATEST = 253_402_300_799_000  # the end of the year 9999, in ms: no date can be later


class Written(NamedTuple):
    """One record of `farandole.runs`."""

    run: str
    row: Row | None
    """None: what was said of the run before holds no more."""
    partition: int
    offset: int


def row(value: bytes | None) -> Row | None:
    """The row in a record; None where no ledger of ours wrote it."""
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    if not _fits(found, _ROW) or not all(
        ">" in name and _fits(edge, _EDGE) for name, edge in found["edges"].items()
    ):
        return None
    if not all(isinstance(n, int) for n in found["leaves"].values()):
        return None
    root = found["root"]
    if root is not None and not isinstance(root.get("type"), str):
        return None
    times = (found["opened"], found["last"], found["closed"] or 0)
    return found if all(0 <= at <= _LATEST for at in times) else None


def _fits(found: Any, form: dict[str, Any]) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(n), t) for n, t in form.items())


async def written(
    settings: Settings, *, start: Start = "earliest", follow: bool = False
) -> AsyncIterator[list[Written]]:
    """The records of `farandole.runs`, in batches; foreign ones are passed over. Raises
    BrokerError."""
    topic = settings.names.runs
    async with aclosing(scan(settings, [topic], start=start, follow=follow)) as batches:  # type: ignore[type-var]  # it is one
        async for records in batches:
            found = []
            for record in records:
                said = row(record.value)
                if record.key is None or (said is None and record.value is not None):
                    continue
                run = record.key.decode(errors="backslashreplace")
                found.append(Written(run, said, record.partition, record.offset))
            yield found


async def first(settings: Settings, run: str, fits: Callable[[Row], bool]) -> Row:
    """The first row of a run that fits, among those that were written and those to come. Raises
    BrokerError."""
    async with aclosing(written(settings, follow=True)) as batches:  # type: ignore[type-var]  # it is one
        async for batch in batches:
            for each in batch:
                if each.run == run and each.row is not None and fits(each.row):
                    return each.row
    raise AssertionError("who follows does not end")


async def exist(settings: Settings) -> bool:
    """Has there ever been a ledger at work?"""
    async with Admin.open(settings) as admin:
        return settings.names.runs in await admin.topics()


async def row_of(settings: Settings, run: str) -> Row:
    """The newest row of a run. Raises Failed where there is none, and BrokerError."""
    found: Row | None = None
    async for batch in written(settings):
        for each in batch:
            if each.run == run:
                found = each.row
    if found is None:
        raise Failed(
            f"farandole: the books know no run {run!r}; they are written while a run goes on, "
            "and name those of the last days"
        )
    return found
