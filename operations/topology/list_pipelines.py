"""Which pipelines are published, and in which version is each in force?"""

from __future__ import annotations

from datetime import datetime

from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.router.topology_store import read_topology


class PipelineSummary(Result):
    """One published pipeline."""

    pipeline: str
    version: int
    """The newest version, which is in force."""
    published: datetime
    published_by: str
    stages: list[str]
    events: list[str]
    roots: list[str]
    """The event types that nothing in the pipeline emits."""
    schedules: list[str]
    in_folder: bool
    """True if it is the pipeline of the folder."""


@query
async def list_pipelines(installation: Installation) -> list[PipelineSummary]:
    """Return every published pipeline, by name; an empty list if none was ever applied. Raises
    UnavailableError."""
    table = await read_topology(installation.settings)
    newest = [table.of(pipeline)[-1] for pipeline in table.pipelines()]
    own = await installation.require_pipeline() if newest else None
    return [
        PipelineSummary(
            pipeline=version.pipeline,
            version=version.version,
            published=version.published,
            published_by=version.published_by,
            stages=list(version.stages),
            events=list(version.events),
            roots=list(version.roots()),
            schedules=list(version.schedules),
            in_folder=version.pipeline == own,
        )
        for version in newest
    ]
