"""Which Kafka, folder and pipeline does an operation use?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import VersionsByNumber, read_versions
from farandole.events.topology_version import Version
from farandole.operations.actor import Actor, local_actor
from farandole.operations.deed import Deed
from farandole.operations.errors import query
from farandole.operations.topology_source import TopologySource, find_pipeline_name
from farandole.router.lint_finding import Finding


def _ignore_warning(_: Finding) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Installation:
    """The first argument of every operation. The settings have the address of a Kafka."""

    settings: Settings
    folder: Path
    """The folder that functions are imported from, and in which the embedded Kafka and the monitor
    write their addresses."""
    topology: TopologySource
    """The pipeline's file. Operations that need no pipeline work without it."""
    pipeline: str | None = None
    """The pipeline's name; None if the file says it."""
    warn: Callable[[Finding], None] = _ignore_warning
    """Takes the warnings about a file that cannot be read."""
    actor: Actor = field(default_factory=local_actor)
    """Who asks for what is done."""
    deed: Deed = field(default_factory=Deed)
    """What the operation at work says of itself (`operations/recorded.py`)."""

    async def require_pipeline(self) -> str:
        """Return the pipeline's name: that in the file, or the only published one. Raises
        RefusedError (`findings`) if neither gives a name."""
        if self.pipeline is not None:
            return self.pipeline
        name, warnings = await find_pipeline_name(self.settings, self.topology)
        for warning in warnings:
            self.warn(warning)
        return name

    async def versions(self) -> VersionsByNumber:
        """Return all published versions of the pipeline by number. Raises NotFoundError
        (`nothing_applied`) if there is none."""
        return await query(read_versions)(self.settings, await self.require_pipeline())

    async def newest_version(self) -> Version:
        """Return the version that is in force. Raises as `versions`."""
        versions = await self.versions()
        return versions[max(versions)]
