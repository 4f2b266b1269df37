"""How is a root published, with checks of the data?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.events.root_record import new_root
from farandole.operations.errors import operation
from farandole.operations.events.data_check import require_root_type, require_valid_data
from farandole.operations.events.root_publisher import PublishedRoot, publish_root
from farandole.operations.installation import Installation
from farandole.operations.names import require_known


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """The root to publish."""

    event_type: str
    data: bytes
    """JSON in one line."""
    force: bool = False
    """Publish any data, and any event type, unchecked."""


@operation
async def trigger(installation: Installation, request: TriggerRequest) -> PublishedRoot:
    """Publish an event and return the run that it opens. Raises NotFoundError
    (`unknown_event_type`, `nothing_applied`), RefusedError (`event_type_emitted`, `data_invalid`,
    `code_missing`, `record_refused`) and UnavailableError."""
    version = await installation.newest_version()
    event_type = require_known(
        request.event_type, version.events, "event type", "unknown_event_type"
    )
    if not request.force:
        require_root_type(version, event_type)
        require_valid_data(installation.folder, version, event_type, request.data)
    root = new_root(version, event_type, request.data)
    return await publish_root(installation.settings, version, root)
