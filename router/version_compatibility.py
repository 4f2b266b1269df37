"""Can what older versions wrote, and what older code reads, live beside a new version?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

from farandole.events.topology_version import Version
from farandole.router.json_schema_compatibility import compare_schemas
from farandole.router.topology_derivation import DerivedTopology


class SchemaIncompatibility(NamedTuple):
    """One edge on which events would become dead letters for their schema alone."""

    event_type: str
    stage: str
    version: int
    """Backward: that under which the unread events were written; forward: that of the old code."""
    direction: Literal["backward", "forward"]
    reason: str
    """One line: which field, and why."""
    remedy: str


def find_incompatibilities(
    versions: Sequence[Version], derived: DerivedTopology, unread: Collection[tuple[int, str, str]]
) -> list[SchemaIncompatibility]:
    """What would not be readable if `derived` were published after `versions`.

    `unread` holds the edges (version number, stage, event type) that have events which the stage
    has not read. Where a schema is not known, or nothing has changed, nothing is said: whether the
    stages of one file fit each other is the linter's to say.
    """
    return [
        *_backward_incompatibilities(versions, derived, unread),
        *_forward_incompatibilities(versions, derived),
    ]


def _backward_incompatibilities(
    versions: Sequence[Version], derived: DerivedTopology, unread: Collection[tuple[int, str, str]]
) -> Iterator[SchemaIncompatibility]:
    """Unread events are read by the stage's new code, whatever version they carry."""
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
        reasons = compare_schemas(event.data_schema, new.accepts)
        if reasons:
            yield SchemaIncompatibility(
                event_type,
                stage,
                number,
                "backward",
                f"{stage!r} has unread {event_type!r} of version {number}, and its function no"
                f" longer reads them: {_format_reasons(reasons)}",
                "let the function read both schemas (a default, a union), or wait until"
                f" {stage!r} has read them",
            )


def _forward_incompatibilities(
    versions: Sequence[Version], derived: DerivedTopology
) -> Iterator[SchemaIncompatibility]:
    """While a deployment rolls, workers with the old code read what is written now."""
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
            reasons = compare_schemas(now, old.accepts)
            if reasons:
                yield SchemaIncompatibility(
                    event_type,
                    stage,
                    newest.version,
                    "forward",
                    f"workers that still run the code of version {newest.version} cannot read"
                    f" {event_type!r} in {stage!r}: {_format_reasons(reasons)}",
                    f"deploy the new {stage!r} everywhere first, or go in two steps: widen what"
                    " it reads, then change what is written",
                )


def _format_reasons(reasons: Sequence[str]) -> str:
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return ", ".join(reasons[:3]) + more
