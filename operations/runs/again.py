"""How is a run repeated?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.catalog.published_versions import read_versions
from farandole.events.next_step import NextStep
from farandole.events.root_record import repeated_root
from farandole.operations.errors import GoneError, RefusedError, operation
from farandole.operations.events.record_lookup import record_at
from farandole.operations.events.root_publisher import PublishedRoot, publish_root
from farandole.operations.installation import Installation
from farandole.operations.runs.run_rows import read_run_row


@dataclass(frozen=True, slots=True)
class AgainRequest:
    """Which run is to be repeated."""

    run: str


@operation
async def repeat_run(installation: Installation, request: AgainRequest) -> PublishedRoot:
    """Publish the root of a run again as a new root, which names the run that it repeats; return
    the run that it opens. Raises NotFoundError (`unknown_run`, `nothing_applied`), RefusedError
    (`no_root`, `no_subscriber`, `record_refused`), GoneError (`root_gone`) and UnavailableError."""
    settings, run = installation.settings, request.run
    row = await read_run_row(settings, run)
    root = row["root"]
    if root is None:
        raise RefusedError(
            "no_root",
            f"{run} has no root: there are events that claim the run, and none that "
            "opened it; there is nothing to repeat",
            run=run,
        )
    versions = await read_versions(settings, row["pipeline"])
    newest = versions[max(versions)]
    event = newest.events.get(root["type"])
    if event is None or not newest.subscribers(root["type"]):
        raise RefusedError(
            "no_subscriber",
            f"{run} was opened by a {root['type']}, to which no stage of {newest.name} subscribes",
            next_steps=[NextStep("run", ("history",))],
            run=run,
            event_type=root["type"],
            version=newest.name,
        )
    topic, partition, offset = root["topic"], root["partition"], root["offset"]
    record = await record_at(settings, topic, partition, offset)
    if record is None:
        raise GoneError(
            "root_gone",
            f"the root of {run} is gone: {topic}/{partition} no longer holds offset "
            f"{offset} (retention)",
            next_steps=[NextStep("publish it anew", ("trigger", root["type"], "--data", "…"))],
            run=run,
            topic=topic,
            partition=partition,
            offset=offset,
        )
    return await publish_root(settings, newest, repeated_root(record, run, event))
