"""What is the difference between two versions, or between a version and the file?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.topology_version import Version
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.topology.version_lookup import find_version
from farandole.operations.topology_source import derive_topology_from
from farandole.router.lint_finding import Finding
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_change import Change
from farandole.router.topology_diff import diff_topologies
from farandole.router.topology_graph import TopologyView
from farandole.router.topology_store import published_versions_of

DiffSide = int | Literal["file"]
"""A version's number, or the file as it is saved."""


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """The two sides to compare."""

    before: DiffSide
    after: DiffSide = "file"


@dataclass(frozen=True, slots=True)
class DiffResult:
    """The differences; the JSON form is `changes` alone."""

    pipeline: str
    changes: list[Change]
    warnings: tuple[Finding, ...]
    """About the file, where it was compared."""


@query
async def diff_versions(installation: Installation, request: DiffRequest) -> DiffResult:
    """Return the changes from one side to the other. Raises NotFoundError (`unknown_version`),
    RefusedError (`findings`) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    history = await published_versions_of(installation.settings, pipeline)
    warnings: list[Finding] = []
    before = await _resolve_side(installation, pipeline, history, request.before, warnings)
    after = await _resolve_side(installation, pipeline, history, request.after, warnings)
    return DiffResult(pipeline, diff_topologies(before, after), tuple(warnings))


async def _resolve_side(
    installation: Installation,
    pipeline: str,
    history: Sequence[Version],
    side: DiffSide,
    warnings: list[Finding],
) -> TopologyView:
    """Return the topology of a side, a version number or the file; add warnings about the file to
    `warnings`."""
    if isinstance(side, int):
        return find_version(history, pipeline, side)
    settings = installation.settings
    async with ClusterAdmin.open(settings) as admin:
        derivation = derive_topology_from(installation.topology, settings.names)
        warnings.extend(derivation.warnings)
        return resolve_topics(derivation.derived, history, await admin.all_topics(), settings.names)
