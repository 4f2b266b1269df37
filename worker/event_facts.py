"""What is known of an event beside its data: its id, its key, its time?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farandole.events.record import Record
from farandole.worker.input_edge import Lineage


def event_attributes(record: Record | None, lineage: Lineage | None) -> Mapping[str, str]:
    """Return the CloudEvents attributes of an event."""
    if lineage is not None and lineage.attributes is not None:
        return lineage.attributes
    return {
        name[3:]: (value or b"").decode(errors="replace")
        for name, value in (record.headers if record else ())
        if name.startswith("ce_")
    }


def event_id(record: Record, lineage: Lineage) -> str:
    """Return the id of an event. A bare record is named by its position, which is also how the ids
    of its results begin: `order.placed/0/12`."""
    named = event_attributes(record, lineage).get("id")
    return named or f"{lineage.edge.id_name or record.topic}/{record.partition}/{record.offset}"


HandledEvent = tuple[Record, Lineage] | Sequence[Any]
"""A record and its lineage, perhaps with more behind them (an `AdmittedEvent`)."""


def describe_events(stage: str, handled: Sequence[HandledEvent]) -> Mapping[str, Any]:
    """Return the fields of a log line that was written while a stage handled these events: the id
    of one, or how many there are; the run, if they are of one."""
    fields: dict[str, Any] = {"stage": stage}
    if len(handled) == 1:
        fields["id"] = event_id(*handled[0][:2])
    elif handled:
        fields["events"] = len(handled)
    runs = {lineage.run for _, lineage, *_ in handled}
    if len(runs) == 1:
        fields["run"] = runs.pop().decode(errors="replace")
    return fields
