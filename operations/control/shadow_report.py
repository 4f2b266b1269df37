"""What has the shadow of a stage's function found so far?"""

from __future__ import annotations

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.shadow_counts import (
    SHADOW_PREFIX,
    Comparisons,
    ShadowCounts,
    TimeHistogram,
    summed_counts,
)
from farandole.operations.control.switch_scopes import StageScope
from farandole.operations.results import Result


class PathDifference(Result):
    """A place in the results at which the candidate differs."""

    path: str
    calls: int
    """The calls that differ there."""
    by_chance: float | None
    """How many of them would differ there if the stage's own function were the candidate; None if
    it was not called a second time."""


class CallTimes(Result):
    """How long the calls of one function took, in seconds."""

    calls: int
    mean: float
    p50: float
    """Rounded up to the next power of two of microseconds, as `p99`."""
    p99: float


class ShadowSample(Result):
    """One difference, masked where it is personal."""

    path: str
    stable: str
    candidate: str
    event: str
    """topic/partition/offset"""


class ShadowReport(Result):
    """What came of the calls that the candidate made. For a function of a list a call is one
    list."""

    generation: int
    run: str
    share: float
    chosen: int
    """Calls of the stage's own function that are to be compared: the sum of the next four."""
    compared: int
    skipped: int
    """Not made, because too many were waiting."""
    lost: int
    """Of these nobody can say what came of them: a process ended before they were counted."""
    waiting: int
    same: int
    differing: int
    differing_by_chance: float | None
    """How many calls would differ if the stage's own function were the candidate; None if it was
    not called a second time."""
    repeated: int
    """The calls for which the stage's own function was called a second time."""
    paths: list[PathDifference]
    """The most frequent first."""
    errors: dict[str, int]
    """By name, what the candidate raised."""
    candidate_times: CallTimes | None
    stable_times: CallTimes | None
    """Of the second calls of the stage's own function, in the process of the candidate."""
    samples: list[ShadowSample]


async def shadow_report(scope: StageScope) -> ShadowReport | None:
    """Return the report of the newest switch of a stage, also once it is over; None if it is no
    shadow."""
    found = scope.newest_switch_to("shadow")
    if found is None:
        return None
    generation, switch = found
    topic = scope.settings.names.state_topic(scope.version.pipeline, scope.stage)
    rows = await _shadow_rows(scope.settings, topic)
    chosen, counts = summed_counts(rows, lambda counted: counted == generation)
    share = 1.0 if switch.share is None else switch.share
    return make_report(generation, switch.run, share, chosen, counts)


def make_report(
    generation: int, run: str, share: float, chosen: int, counts: ShadowCounts
) -> ShadowReport:
    """Return the report of these counts, over all lanes."""
    candidate, stable = counts.candidate, counts.stable
    paths = sorted(candidate.paths.items(), key=lambda each: (-each[1], each[0]))
    return ShadowReport(
        generation=generation,
        run=run,
        share=share,
        chosen=chosen,
        compared=candidate.calls,
        skipped=counts.skipped,
        lost=counts.lost,
        waiting=max(0, chosen - counts.known),
        same=candidate.calls - candidate.differing,
        differing=candidate.differing,
        differing_by_chance=_by_chance(stable.differing, stable, candidate),
        repeated=stable.calls,
        paths=[
            PathDifference(
                path=path,
                calls=calls,
                by_chance=_by_chance(stable.paths.get(path, 0), stable, candidate),
            )
            for path, calls in paths
        ],
        errors=dict(sorted(counts.errors.items(), key=lambda each: -each[1])),
        candidate_times=_times(counts.candidate_times),
        stable_times=_times(counts.stable_times),
        samples=[
            ShadowSample(
                path=each.path, stable=each.stable, candidate=each.candidate, event=each.event
            )
            for each in counts.samples
        ],
    )


async def _shadow_rows(settings: Settings, topic: str) -> list[tuple[bytes, bytes]]:
    """Return the rows of all lanes: those of two lanes may have the same key."""
    rows: dict[tuple[int, bytes], bytes] = {}
    async for records in scan(settings, [topic]):
        for record in records:
            key = record.key or b""
            if key.startswith(SHADOW_PREFIX):
                if record.value is None:
                    rows.pop((record.partition, key), None)
                else:
                    rows[record.partition, key] = record.value
    return [(key, value) for (_, key), value in rows.items()]


def _by_chance(differing: int, stable: Comparisons, candidate: Comparisons) -> float | None:
    if not stable.calls:
        return None
    return round(candidate.calls * differing / stable.calls, 1)


def _times(histogram: TimeHistogram) -> CallTimes | None:
    p50, p99 = histogram.quantile(0.5), histogram.quantile(0.99)
    if p50 is None or p99 is None:
        return None
    mean = histogram.seconds / histogram.calls
    return CallTimes(calls=histogram.calls, mean=round(mean, 7), p50=p50, p99=p99)
