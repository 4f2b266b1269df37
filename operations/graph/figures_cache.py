"""How do all who look at a pipeline share one reading of its figures?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from farandole.events.next_step import NextStep
from farandole.operations.errors import NotFoundError, query
from farandole.operations.graph.pipeline_figures import (
    EdgeFacts,
    LaneFigures,
    PipelineFacts,
    PipelineFigures,
    lane_figures,
    pipeline_figures,
)
from farandole.operations.graph.read_figures import FollowedTables, KnownCounts, read_facts
from farandole.operations.installation import Installation
from farandole.operations.names import require_known

_FRESH_SECONDS = 1.5
_MAX_SHARE = 0.25  # of the time may be spent with reading


@dataclass(slots=True)
class _OfPipeline:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    counts: KnownCounts = field(default_factory=KnownCounts)
    facts: PipelineFacts | None = None
    until: float = 0.0
    """The facts are fresh until then, by the monotonic clock."""


BooksOf = Callable[[str], Mapping[str, EdgeFacts] | None]
"""Returns what the books say of the edges of a pipeline; None if they were not read."""


def no_books(_: str) -> None:
    """Return None: nobody reads the books."""


def no_tables() -> None:
    """Return None: nobody follows what stands in topics."""


class FiguresCache:
    """Reads the figures of pipelines when they are asked for, and at most every other second: the
    more who look, the less for each. Nothing is read while nobody looks."""

    def __init__(
        self,
        books: BooksOf = no_books,
        followed: Callable[[], FollowedTables | None] = no_tables,
    ) -> None:
        """`followed` returns what stands in topics; None to read it anew."""
        self._books = books
        self._followed = followed
        self._pipelines: dict[str, _OfPipeline] = {}

    async def facts(self, installation: Installation) -> PipelineFacts:
        """Return what is known of the pipeline, at most a moment old. Raises NotFoundError
        (`nothing_applied`) and UnavailableError."""
        pipeline = await installation.require_pipeline()
        of = self._pipelines.setdefault(pipeline, _OfPipeline())
        async with of.lock:
            if of.facts is None or time.monotonic() >= of.until:
                began = time.monotonic()
                found = await query(read_facts)(
                    installation.settings, pipeline, of.counts, self._books(pipeline),
                    self._followed(),
                )  # fmt: skip
                if found is None:
                    self._pipelines.pop(pipeline, None)
                    raise NotFoundError(
                        "nothing_applied",
                        f"no version of {pipeline} was ever applied",
                        next_steps=[NextStep("run", ("apply",))],
                        pipeline=pipeline,
                    )
                ended = time.monotonic()
                of.facts = found
                of.until = ended + max(_FRESH_SECONDS, (ended - began) * (1 / _MAX_SHARE - 1))
            return of.facts


async def read_figures(installation: Installation, cache: FiguresCache) -> PipelineFigures:
    """Return what is on the stages and edges of a pipeline. Raises as `FiguresCache.facts`."""
    return pipeline_figures(await cache.facts(installation))


async def read_lanes(
    installation: Installation, cache: FiguresCache, stage: str
) -> list[LaneFigures]:
    """Return the lanes of a stage. Raises NotFoundError (`unknown_stage`) and as
    `FiguresCache.facts`."""
    facts = await cache.facts(installation)
    name = require_known(stage, facts.stages, "stage")
    return lane_figures(facts.stages[name], facts.lanes.get(name, ()))
