"""How is a run that was recorded tried once more, in memory?"""

from __future__ import annotations

from farandole.events.envelope import parse_envelope
from farandole.operations.errors import operation
from farandole.operations.events.try_events import TriedEvent
from farandole.operations.installation import Installation
from farandole.operations.runs.recorded_root import read_root, require_root_type
from farandole.operations.runs.run_rows import read_run_row


@operation
async def tried_root(installation: Installation, run: str) -> TriedEvent:
    """Return the root of a run, to try it. Raises NotFoundError (`unknown_run`), RefusedError
    (`no_root`), GoneError (`root_gone`) and UnavailableError."""
    row = await read_run_row(installation.settings, run)
    event_type = require_root_type(row)
    record = await read_root(installation.settings, row)
    key = None if record.key is None else record.key.decode(errors="surrogateescape")
    return TriedEvent(event_type, parse_envelope(record).data, key)
