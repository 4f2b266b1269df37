"""How far is each stage behind its inputs?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import InputLag, ordered_lag_pass
from farandole.lanes.crash_marker import lane_trouble
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class LagRequest:
    """The stage whose lag is read; None for all."""

    stage: str | None = None
    """None: of all stages of the version in force."""


class InputState(Result):
    """One partition of a stage's input."""

    event: str
    topic: str
    partition: int
    committed: int | None
    """The offset at which the stage continues; None if it has committed none."""
    end: int
    lag: int
    """In offsets: the markers of transactions take offsets too."""
    trouble: str | None = None
    """Why the last try of the lane failed; None if it has succeeded since."""


class LagResult(Result):
    """The inputs of each stage, in the order of the graph."""

    stages: dict[str, list[InputState]]


@query
async def read_lag(installation: Installation, request: LagRequest) -> LagResult:
    """Return the lag of the stages of the version in force. Raises NotFoundError (`unknown_stage`,
    `nothing_applied`) and UnavailableError."""
    version = await installation.newest_version()
    if request.stage is not None:
        require_known(request.stage, version.stages, "stage")
    async with ClusterAdmin.open(installation.settings) as admin:
        lags = await ordered_lag_pass(admin, installation.settings.names, version)
    wanted = {s: lag for s, lag in lags.items() if request.stage in (None, s)}
    return LagResult(stages=input_states(wanted))


def input_states(lags: Mapping[str, Iterable[InputLag]]) -> dict[str, list[InputState]]:
    """Return the lags of stages as results."""
    return {
        stage: [
            InputState(
                event=lag.event_type,
                topic=lag.partition.topic,
                partition=lag.partition.partition,
                committed=lag.committed,
                end=lag.end,
                lag=lag.lag,
                trouble=lane_trouble(lag.metadata) if lag.lag else None,
            )
            for lag in of_stage
        ]
        for stage, of_stage in lags.items()
    }
