"""What is the picture of one version of a pipeline, and which versions are there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from farandole.events.next_step import NextStep
from farandole.events.outcome import Outcome
from farandole.events.run_row import FOREIGN_EDGE_MARK
from farandole.events.topology_version import Version
from farandole.operations.errors import NotFoundError, query
from farandole.operations.graph.pipeline_graph import GraphPicture, picture_of
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.operations.runs.balance_sheet import RunResult
from farandole.operations.runs.show_run import RunRequest, show_run
from farandole.operations.topology.version_lookup import find_version
from farandole.router.topology_store import published_versions_of


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """Which version is drawn, and what it is compared with."""

    version: int | None = None
    """None: the one in force."""
    compare: int | None = None
    """The version whose differences are marked; None for none."""
    run: str | None = None
    """A run, or a beginning that no other run has: its version is drawn, with its counts."""


VersionState = Literal["in force", "draining", "retired"]


class VersionStop(Result):
    """A version, as the slider shows it."""

    version: int
    state: VersionState
    published: datetime
    published_by: str
    rollback_of: int | None
    retired: datetime | None


class RunEdgeCounts(Result):
    """What a run has on one edge, in events."""

    emitted: int
    consumed: int
    handled: int
    in_flight: int
    parked: int
    dead: int


class RunOverlay(Result):
    """A run, drawn over the picture of its version."""

    run: str
    status: str
    opened: int
    """Milliseconds of the epoch; 0 if unknown."""
    closed: int | None
    edges: dict[str, RunEdgeCounts]
    """By the names of the edges; without those of other versions."""
    leaves: dict[str, int]
    """How many events nobody reads, by type."""


class PipelineGraph(Result):
    """The picture of one version."""

    pipeline: str
    version: int
    compared: int | None
    versions: list[VersionStop]
    """All that were published, the oldest first."""
    picture: GraphPicture
    run: RunOverlay | None = None


@query
async def read_graph(installation: Installation, request: GraphRequest) -> PipelineGraph:
    """Return the picture of a version. Raises NotFoundError (`nothing_applied`, `unknown_version`,
    `unknown_run`, `no_run_rows`), ConflictError (`ambiguous_run`) and UnavailableError."""
    pipeline = await installation.require_pipeline()
    history = await published_versions_of(installation.settings, pipeline)
    if not history:
        raise NotFoundError(
            "nothing_applied",
            f"no version of {pipeline} was ever applied to {installation.settings.bootstrap}",
            next_steps=[NextStep("run", ("apply",))],
            pipeline=pipeline,
        )
    if request.run is None:
        return graph_of(history, pipeline, request)
    run = await show_run(installation, RunRequest(request.run))
    drawn = graph_of(history, pipeline, replace(request, version=run.version, compare=None))
    return drawn.model_copy(update={"run": _overlay(run)})


def graph_of(history: Sequence[Version], pipeline: str, request: GraphRequest) -> PipelineGraph:
    """Return the picture of a version. `history`: at least one version, the oldest first. Raises
    NotFoundError (`unknown_version`)."""
    newest = history[-1]
    number = newest.version if request.version is None else request.version
    shown = find_version(history, pipeline, number)
    compared = None
    if request.compare is not None:
        compared = find_version(history, pipeline, request.compare)
    older = [v for v in history if v.retired is None and shown is newest and v is not newest]
    return PipelineGraph(
        pipeline=pipeline,
        version=shown.version,
        compared=request.compare,
        versions=[_stop(version, newest) for version in history],
        picture=picture_of(shown, compared, older),
    )


def _overlay(run: RunResult) -> RunOverlay:
    return RunOverlay(
        run=run.run,
        status=run.status,
        opened=run.opened,
        closed=run.closed,
        edges={
            name: RunEdgeCounts(
                emitted=edge.emitted,
                consumed=edge.consumed,
                handled=edge.handled,
                in_flight=edge.in_flight,
                parked=edge.count(Outcome.PARKED),
                dead=edge.count(Outcome.DEAD),
            )
            for name, edge in run.edges.items()
            if FOREIGN_EDGE_MARK not in name
        },
        leaves=run.leaves,
    )


def _stop(version: Version, newest: Version) -> VersionStop:
    state: VersionState = "retired" if version.retired is not None else "draining"
    return VersionStop(
        version=version.version,
        state="in force" if version is newest else state,
        published=version.published,
        published_by=version.published_by,
        rollback_of=version.rollback_of,
        retired=version.retired,
    )
