"""How many microseconds does a function wait for a flag?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from timeit import repeat
from typing import Any, cast

from farandole.events.feature_flags import FlagSpec
from farandole.events.flag_document import FlagDocument
from farandole.events.flags_in_force import FlagInForce
from farandole.events.record import Record
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.worker.flag_reads import FlagReads
from farandole.worker.flag_snapshot import make_snapshot
from farandole.worker.input_edge import Lineage
from farandole.worker.stage_context import StageContext

_SPECS = {
    "all events": FlagSpec(type="bool", default=False),
    "by share": FlagSpec(type="bool", default=False),
    "by when": FlagSpec(type="bool", default=False),
    "an object": FlagSpec(type="json", default={"tea": 5, "rice": [1, 2]}),
}
_DOCUMENTS = (
    FlagDocument(pipeline="p", flag="by share", value=True, share=0.05),
    FlagDocument(pipeline="p", flag="by when", value=True, when="attributes.country == 'de'"),
)


class _Event:
    """What a Context reads of a record and its lineage."""

    run = b"k7mq2vtd4x3aa"
    attributes = {"type": "order.placed", "id": "order.placed/0/1/0", "country": "de"}  # noqa: RUF012
    key = b"customer-1"


def measure(reads: int, rounds: int) -> dict[str, Any]:
    """Return the least microseconds of CPU of a read, by kind: the least of the rounds is what the
    read costs, and the rest is other work of the machine."""
    now = datetime.now(UTC)
    in_force = {each.flag: FlagInForce(each, now, 1) for each in _DOCUMENTS}
    flags = FlagReads(make_snapshot("p", "s", _SPECS, in_force, compile_attribute_condition))
    handled = ((cast(Record, _Event()), cast(Lineage, _Event())),)
    new = partial(StageContext, "p", "s", 1, 0.0, handled, flags, takes_batch=False)
    context = new()
    context.flag("all events", default=False)

    def best(statement: str) -> float:
        names = {"context": context, "new": new}
        taken = repeat(statement, globals=names, number=reads, repeat=rounds, timer=_cpu_seconds)
        return round(min(taken) / reads * 1e6, 3)

    found = {kind: best(f"context.flag({kind!r}, False)") for kind in _SPECS}
    found["first of an event"] = best("new().flag('all events', False)") - best("new()")
    for kind, microseconds in found.items():
        print(f"  {kind:18} {microseconds:6.2f} µs")
    return {"what": "context.flag, µs of CPU a read", "best": found}


def _cpu_seconds() -> float:
    return time.process_time()
