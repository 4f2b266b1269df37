"""What has a stage done in the last ten minutes?"""

from __future__ import annotations

from farandole.operations.read_model.entry_rates import WINDOW_SECONDS, EntryRates
from farandole.operations.results import Result


class StageHistory(Result):
    """What a stage did in windows of `seconds`, the oldest first. Counts are events."""

    pipeline: str
    stage: str
    until: int
    """The end of the last window, in milliseconds of the epoch."""
    seconds: int
    settled: list[int]
    emitted: list[int]
    dead: list[int]
    retried: list[int]
    """Events that began to wait for another try."""
    oldest_seconds: list[float]
    """The age of the oldest event when it was settled."""
    handling_seconds: list[float]
    """The time that handling took, for all events of the window together."""


def stage_history(rates: EntryRates, pipeline: str, stage: str, now: int) -> StageHistory:
    """Return the windows that are full. `now`: milliseconds of the epoch."""
    windows = rates.history((pipeline, stage, ""), now)
    return StageHistory(
        pipeline=pipeline,
        stage=stage,
        until=now // 1000 // WINDOW_SECONDS * WINDOW_SECONDS * 1000,
        seconds=WINDOW_SECONDS,
        settled=[each.settled for each in windows],
        emitted=[each.emitted for each in windows],
        dead=[each.dead for each in windows],
        retried=[each.retried for each in windows],
        oldest_seconds=[round(each.age, 3) for each in windows],
        handling_seconds=[round(each.seconds, 3) for each in windows],
    )
