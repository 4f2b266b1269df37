"""Which backfills go on?"""

from __future__ import annotations

from farandole.events.schedule_document import BackfillDocument
from farandole.operations.control.control_query import read_control_state
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.schedules.schedule_table import read_schedule_table


@query
async def open_backfills(installation: Installation, pipeline: str | None = None) -> list[str]:
    """Return the ids of the backfills of a pipeline that can be cancelled. Raises RefusedError
    (`findings`) if nothing says which pipeline is meant, and UnavailableError."""
    name = pipeline or await installation.require_pipeline()
    table = await read_schedule_table(installation.settings)
    over = {key[1:] for key, row in table.backfills.items() if row.ended is not None}
    found = [each.control for each in (await read_control_state(installation.settings)).values()]
    return [
        each.id
        for each in found
        if isinstance(each, BackfillDocument)
        and each.pipeline == name
        and (each.schedule, each.id) not in over
    ]
