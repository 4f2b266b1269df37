"""Can a new version read the events of older versions, and can workers with older code read the new
events?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

from farandole.events.topology_version import Version
from farandole.router.topology_derivation import DerivedTopology
from farandole.stages.json_schema_compatibility import Misfit, compare_schemas


class SchemaIncompatibility(NamedTuple):
    """One input of a stage whose events would become dead letters because of their schema."""

    event_type: str
    stage: str
    version: int
    """Backward: the version of the unread events. Forward: the version of the old code."""
    direction: Literal["backward", "forward"]
    misfits: tuple[Misfit, ...]


def find_incompatibilities(
    versions: Sequence[Version], derived: DerivedTopology, unread: Collection[tuple[int, str, str]]
) -> list[SchemaIncompatibility]:
    """Return what could not be read if `derived` were published after `versions`.

    `unread` contains a (version number, stage, event type) for each input that has events which the
    stage has not read. An input is left out if its schema is not known or has not changed: the
    linter checks whether the stages of one file fit each other.
    """
    return [
        *_backward_incompatibilities(versions, derived, unread),
        *_forward_incompatibilities(versions, derived),
    ]


def _backward_incompatibilities(
    versions: Sequence[Version], derived: DerivedTopology, unread: Collection[tuple[int, str, str]]
) -> Iterator[SchemaIncompatibility]:
    """Check unread events: the stage's new code reads them, whatever version they belong to."""
    numbered = {version.version: version for version in versions}
    for number, stage, event_type in sorted(unread):
        new, version = derived.stages.get(stage), numbered.get(number)
        if new is None or new.accepts is None or version is None:
            continue
        old, event = version.stages.get(stage), version.events.get(event_type)
        if event is None or event.data_schema is None:
            continue
        if old is not None and old.accepts == new.accepts:
            continue
        misfits = compare_schemas(event.data_schema, new.accepts)
        if misfits:
            yield SchemaIncompatibility(event_type, stage, number, "backward", tuple(misfits))


def _forward_incompatibilities(
    versions: Sequence[Version], derived: DerivedTopology
) -> Iterator[SchemaIncompatibility]:
    """Check new events: during a rolling deployment, workers with the old code read them."""
    newest = max(versions, key=lambda version: version.version, default=None)
    if newest is None:
        return
    for stage, new in derived.stages.items():
        old = newest.stages.get(stage)
        # Another function has another code: no worker runs the old one under the new version.
        if old is None or old.accepts is None or old.run != new.run:
            continue
        for event_type in new.subscribes:
            now = derived.events[event_type].data_schema
            before = newest.events.get(event_type)
            if event_type not in old.subscribes or before is None or now is None:
                continue
            if before.data_schema == now:
                continue
            misfits = compare_schemas(now, old.accepts)
            if misfits:
                yield SchemaIncompatibility(
                    event_type, stage, newest.version, "forward", tuple(misfits)
                )
