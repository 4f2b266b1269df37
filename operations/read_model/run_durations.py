"""How long did runs take, and those before with a root like theirs?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from farandole.operations.results import Result
from farandole.operations.runs.newest_runs import RunSummary

BEFORE = 15
"""How many runs before it a run is compared with."""
_LOOKED_AT = 5_000  # runs, at most, for one page: a few milliseconds


class RunDuration(Result):
    """How long one run took, or has taken until now."""

    run: str
    took: int | None
    """Milliseconds; None if it is open, and `opened` says since when."""
    opened: int
    """Milliseconds of the epoch."""
    failed: bool
    late: bool


class Durations(Result):
    """How long the newest runs took."""

    newest: list[RunDuration]
    """The oldest of them first."""
    median: int | None
    """Milliseconds, as is `p95`, of those that have ended and not failed; None if there are
    none."""
    p95: int | None


def measure_durations(newest_first: Iterable[RunSummary]) -> Durations:
    """Return how long these runs took."""
    newest = [
        RunDuration(
            run=run.run,
            took=_took(run),
            opened=run.opened,
            failed=run.status == "failed",
            late=run.late,
        )
        for run in newest_first
    ]
    ended = sorted(each.took for each in newest if each.took is not None and not each.failed)
    return Durations(newest=newest[::-1], median=_quantile(ended, 0.5), p95=_quantile(ended, 0.95))


def durations_before(
    page: Sequence[RunSummary], newest_first: Iterator[RunSummary]
) -> dict[str, list[int]]:
    """Return for each run of a page how long the runs before it took, in milliseconds, the oldest
    first: at most `BEFORE` of them that had ended, with a root like its own. `newest_first` begins
    at the first run of the page, or earlier."""
    found: dict[str, list[int]] = {run.run: [] for run in page}
    waiting: dict[tuple[str, str | None, str | None], list[list[int]]] = defaultdict(list)
    last = page[-1].run if page else None
    beyond = False
    for number, run in enumerate(newest_first):
        if number == _LOOKED_AT or (beyond and not any(waiting.values())):
            break
        kind = (run.pipeline, run.root, run.schedule)
        took = _took(run)
        if took is not None and run.status != "failed" and waiting[kind]:
            for durations in waiting[kind]:
                durations.append(took)
            waiting[kind] = [each for each in waiting[kind] if len(each) < BEFORE]
        if run.run in found:
            waiting[kind].append(found[run.run])
        beyond = beyond or run.run == last
    return {run: durations[::-1] for run, durations in found.items()}


def _took(run: RunSummary) -> int | None:
    return None if run.closed is None else max(0, run.closed - run.opened)


def _quantile(ordered: Sequence[int], share: float) -> int | None:
    """Return the smallest value that at least this share of them do not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
