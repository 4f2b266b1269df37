"""Which record has opened a run?"""

from __future__ import annotations

from farandole.broker.settings import Settings
from farandole.events.next_step import NextStep
from farandole.events.record import Record
from farandole.events.run_row import RunRow
from farandole.operations.errors import GoneError, RefusedError
from farandole.operations.events.record_lookup import record_at


def require_root_type(row: RunRow) -> str:
    """Return the event type of a run's root. Raises RefusedError (`no_root`) if nobody opened the
    run."""
    if row["root"] is None:
        raise RefusedError(
            "no_root",
            f"{row['run']} has no root: there are events that claim the run, and none that "
            "opened it; there is nothing to repeat",
            run=row["run"],
        )
    return str(row["root"]["type"])


async def read_root(settings: Settings, row: RunRow) -> Record:
    """Return the root of a run that has one. Raises GoneError (`root_gone`) and BrokerError."""
    root = row["root"]
    assert root is not None  # the caller has asked for its type
    topic, partition, offset = root["topic"], root["partition"], root["offset"]
    record = await record_at(settings, topic, partition, offset)
    if record is None:
        raise GoneError(
            "root_gone",
            f"the root of {row['run']} is gone: {topic}/{partition} no longer holds offset "
            f"{offset} (retention)",
            next_steps=[NextStep("publish it anew", ("trigger", root["type"], "--data", "…"))],
            run=row["run"],
            topic=topic,
            partition=partition,
            offset=offset,
        )
    return record
