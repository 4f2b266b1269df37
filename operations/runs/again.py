"""How is a run repeated?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.catalog.published_versions import read_versions
from farandole.events.next_step import NextStep
from farandole.events.root_record import repeated_root
from farandole.operations.errors import RefusedError, operation
from farandole.operations.events.root_publisher import PublishedRoot, publish_root
from farandole.operations.installation import Installation
from farandole.operations.runs.recorded_root import read_root, require_root_type
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
    event_type = require_root_type(row)
    versions = await read_versions(settings, row["pipeline"])
    newest = versions[max(versions)]
    event = newest.events.get(event_type)
    if event is None or not newest.subscribers(event_type):
        raise RefusedError(
            "no_subscriber",
            f"{run} was opened by a {event_type}, to which no stage of {newest.name} subscribes",
            next_steps=[NextStep("run", ("history",))],
            run=run,
            event_type=event_type,
            version=newest.name,
        )
    record = await read_root(settings, row)
    return await publish_root(settings, newest, repeated_root(record, run, event))
