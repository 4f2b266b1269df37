"""How are roots published, with checks of the data?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farandole.events.record import Header
from farandole.events.root_record import RootRecord, new_root
from farandole.events.topology_version import Version
from farandole.operations.errors import operation
from farandole.operations.events.data_check import require_root_type, require_valid_data
from farandole.operations.events.root_publisher import PublishedRoot, publish_roots
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded

_MAX_NOTED = 20  # runs that the record of a deed names


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """The root to publish."""

    event_type: str
    data: bytes
    """JSON in one line."""
    force: bool = False
    """Publish any data, and any event type, unchecked."""
    key: str | None = None
    """The record's key; None for the one that the version derives from the data."""
    headers: Sequence[Header] = ()
    """Headers beside those that every new root gets."""


def _event_types(requests: Sequence[TriggerRequest]) -> str:
    return ", ".join(dict.fromkeys(request.event_type for request in requests))


@operation
async def trigger(installation: Installation, request: TriggerRequest) -> PublishedRoot:
    """Publish an event and return the run that it opens. Raises as `trigger_all`."""
    (published,) = await trigger_all(installation, [request])
    return published


@operation
@recorded("trigger", _event_types)
async def trigger_all(
    installation: Installation, requests: Sequence[TriggerRequest]
) -> list[PublishedRoot]:
    """Publish events in their order, once all of them have been checked, and return the runs that
    they open. Raises NotFoundError (`unknown_event_type`, `nothing_applied`), RefusedError
    (`event_type_emitted`, `data_invalid`, `code_missing`, `record_refused`) and
    UnavailableError."""
    version = await installation.newest_version()
    roots = [_checked_root(installation, version, request) for request in requests]
    published = await publish_roots(installation.settings, version, roots)
    installation.deed.changed(
        None,
        {"events": len(published), "runs": [each.run for each in published[:_MAX_NOTED]]},
        pipeline=version.pipeline,
    )
    return published


def _checked_root(
    installation: Installation, version: Version, request: TriggerRequest
) -> RootRecord:
    event_type = require_known(
        request.event_type, version.events, "event type", "unknown_event_type"
    )
    if not request.force:
        require_root_type(version, event_type)
        require_valid_data(installation.folder, version, event_type, request.data)
    return new_root(version, event_type, request.data, key=request.key, headers=request.headers)
