"""When and by whom was each version of a pipeline published, and what did it change?"""

from __future__ import annotations

from datetime import datetime

from farandole.events.next_step import NextStep
from farandole.operations.errors import NotFoundError, query
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.router.topology_change import Change
from farandole.router.topology_diff import diff_topologies
from farandole.router.topology_store import published_versions_of


class HistoryEntry(Result):
    """One published version."""

    version: str
    """`pipeline@number`."""
    published: datetime
    published_by: str
    rollback_of: int | None
    retired: datetime | None
    """When its last event was settled; None while events of it may come."""
    changes: list[Change]
    """The changes in this version."""


@query
async def read_history(installation: Installation) -> list[HistoryEntry]:
    """Return the pipeline's versions, oldest first. Raises NotFoundError (`nothing_applied`) and
    UnavailableError."""
    pipeline = await installation.require_pipeline()
    versions = await published_versions_of(installation.settings, pipeline)
    if not versions:
        raise NotFoundError(
            "nothing_applied",
            f"no version of {pipeline} was ever applied to {installation.settings.bootstrap}",
            next_steps=[NextStep("run", ("apply",))],
            pipeline=pipeline,
        )
    return [
        HistoryEntry(
            version=version.name,
            published=version.published,
            published_by=version.published_by,
            rollback_of=version.rollback_of,
            retired=version.retired,
            changes=diff_topologies(before, version),
        )
        for before, version in zip([None, *versions], versions, strict=False)
    ]
