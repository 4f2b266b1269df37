"""Which arrivals make a firing complete, and which firings have waited for too long?

An arrival is the end of a run, or a file: one of what a schedule waits for (`after`). Each is used
by one firing.

- **One dependency, no planned times.** Each arrival is a firing of its own.
- **Several dependencies, no planned times.** The first arrival opens a window of `within` seconds.
  Once each dependency has one in the window, the schedule fires, and uses up all that have come
  until then; templates name the newest of each. Its planned time is the time of the arrival that
  made it complete.
- **Planned times and dependencies.** A planned time fires when it has come and each dependency has
  an arrival since the planned time before. It uses the newest that came before it or, if none did,
  the first that came after it. Of several planned times that wait, the oldest is served first.

What is not complete at its deadline (`within` seconds after the window was opened, or after the
planned time) fires without the rest or is missed, as `otherwise` says. A window that is missed
leaves the newest arrival of each dependency, because one that comes soon may belong to it.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec

MAX_ARRIVALS = 500
"""How many arrivals of a dependency wait at most, so that the schedule's row stays far below the
largest record."""

Arrivals = Mapping[str, Sequence[Arrival]]
"""The arrivals that no firing has used, by the index of the dependency as text, the earliest
first."""


class Added(NamedTuple):
    """What has become of new arrivals."""

    arrivals: Mapping[str, tuple[Arrival, ...]]
    refused: Sequence[tuple[str, Arrival]] = ()
    """Those for which there was no room, with the index of their dependency; each is to be recorded
    as skipped."""


class DataFiring(NamedTuple):
    """A firing that waits for nothing more."""

    planned: datetime
    suffix: str
    """What caused it; empty for one of a planned time."""
    arrivals: Mapping[str, Arrival]
    """What it fires with, by the index of the dependency."""
    missing: Sequence[int] = ()
    """The dependencies of which nothing has come before the deadline. If there are any, the
    schedule's `otherwise` says whether it fires."""


class Completed(NamedTuple):
    """The firings that wait for nothing more, and the arrivals that are left."""

    firings: Sequence[DataFiring]
    arrivals: Mapping[str, tuple[Arrival, ...]]


def add_arrivals(spec: ScheduleSpec, waiting: Arrivals, new: Arrivals) -> Added:
    """Return the arrivals with new ones. If a dependency has more than `MAX_ARRIVALS`, the newest
    one stands for all beyond; where each arrival is a firing of its own, those are refused."""
    arrivals: dict[str, tuple[Arrival, ...]] = {}
    refused: list[tuple[str, Arrival]] = []
    for index in sorted({*waiting, *new}, key=int):
        known = waiting.get(index, ())
        if _fires_each(spec):
            room = room_for(spec, waiting, index)
            added = _in_order(new.get(index, ()))
            arrivals[index] = _in_order([*known, *added[:room]])
            refused += [(index, each) for each in added[room:]]
        else:
            together = _in_order([*known, *new.get(index, ())])
            arrivals[index] = (*together[: MAX_ARRIVALS - 1], *together[MAX_ARRIVALS - 1 :][-1:])
    return Added(arrivals, refused)


def room_for(spec: ScheduleSpec, waiting: Arrivals, index: str) -> int:
    """Return how many arrivals of a dependency can be added, none of which is refused."""
    if not _fires_each(spec):
        return MAX_ARRIVALS
    return max(MAX_ARRIVALS - len(waiting.get(index, ())), 0)


def complete_firings(
    spec: ScheduleSpec, waiting: Arrivals, known: datetime | None, room: int = MAX_ARRIVALS
) -> Completed:
    """Return the firings of a schedule without planned times that wait for nothing more, `room` of
    them at most, the earliest first.

    `known`: everything that came before this time is among the arrivals, so that a deadline before
    it is over. None if that is not known, for example because the books are behind."""
    if _fires_each(spec):
        queue = tuple(waiting.get("0", ()))
        each = [single_firing(spec.after[0], arrival) for arrival in queue[:room]]
        return Completed(each, {"0": queue[room:]})
    left: _Queues = _queues(spec, waiting)
    firings: list[DataFiring] = []
    while len(firings) < room:
        found = _next_window(spec, left, known)
        if found is None:
            break
        firing, left = found
        firings.append(firing)
    return Completed(firings, _as_arrivals(left))


def next_deadline(spec: ScheduleSpec, waiting: Arrivals) -> datetime | None:
    """Return when the window that is open now is over; None if none is. For a schedule without
    planned times."""
    firsts = [queue[0].at for queue in _queues(spec, waiting) if queue]
    return None if _fires_each(spec) or not firsts else min(firsts) + _within(spec)


def timed_deadline(spec: ScheduleSpec, planned: datetime) -> datetime:
    """Return until when a planned time waits for its dependencies."""
    return planned + _within(spec)


def complete_planned(
    spec: ScheduleSpec,
    waiting: Arrivals,
    planned: datetime,
    previous: datetime | None,
    known: datetime | None,
) -> Completed:
    """Return the firing of a planned time that has come, and what is left of the arrivals; no
    firing if it has to wait.

    While a planned time waits, later ones are not to be asked for: whatever would complete them
    completes it first. `previous`: the planned time before; None if there is none. `known`: as for
    `complete_firings`."""
    deadline = timed_deadline(spec, planned)
    queues = [
        tuple(each for each in queue if previous is None or each.at > previous)
        for queue in _queues(spec, waiting)
    ]
    used: dict[int, Arrival] = {}
    for index, queue in enumerate(queues):
        before = [each for each in queue if each.at <= planned]
        later = [each for each in queue if planned < each.at <= deadline]
        if before or later:
            used[index] = before[-1] if before else later[0]
    missing = [index for index in range(len(spec.after)) if index not in used]
    if missing and not (known is not None and known > deadline):
        return Completed((), _as_arrivals(queues))
    if missing and spec.otherwise == "miss":
        used_until = dict.fromkeys(used, planned)
    else:
        used_until = {index: max(planned, arrival.at) for index, arrival in used.items()}
    left = [_after(queue, used_until.get(index, planned)) for index, queue in enumerate(queues)]
    firing = DataFiring(planned, "", _by_text(used), missing)
    return Completed((firing,), _as_arrivals(left))


def missing_text(spec: ScheduleSpec, missing: Iterable[int]) -> str:
    """Return what had not come, for people."""
    return " and ".join(_missing_one(spec.after[index]) for index in missing)


def carried_arrivals(
    before: Sequence[DependencySpec], after: Sequence[DependencySpec], arrivals: Arrivals
) -> dict[str, tuple[Arrival, ...]]:
    """Return the arrivals after an edit of what a schedule waits for: those of a dependency that
    waits for the same still count, wherever it stands in the list now."""
    places: dict[tuple[object, ...], list[int]] = {}
    for index, dependency in enumerate(before):
        places.setdefault(_subject(dependency), []).append(index)
    carried: dict[str, tuple[Arrival, ...]] = {}
    for index, dependency in enumerate(after):
        found = places.get(_subject(dependency))
        if found:
            carried[str(index)] = tuple(arrivals.get(str(found.pop(0)), ()))
    return carried


def waits_for(spec: ScheduleSpec, dependency: DependencySpec) -> bool:
    """Return True if the schedule waits for this, wherever it stands in its list."""
    return _subject(dependency) in map(_subject, spec.after)


def short_cause(*causes: str) -> str:
    """Return what stands for these causes in the id of an event: 13 letters and digits."""
    digest = blake2b("\0".join(causes).encode(), digest_size=8).digest()
    return b32encode(digest).decode().rstrip("=").lower()


def _fires_each(spec: ScheduleSpec) -> bool:
    """Return True if each arrival is a firing of its own."""
    return not spec.is_timed and len(spec.after) == 1


def single_firing(dependency: DependencySpec, arrival: Arrival) -> DataFiring:
    """Return the firing that an arrival causes by itself."""
    suffix = arrival.cause if dependency.pipeline else short_cause(arrival.cause)
    return DataFiring(arrival.at, suffix, {"0": arrival})


_Queues = Sequence[tuple[Arrival, ...]]
"""The arrivals of each dependency, by its index."""


def _next_window(
    spec: ScheduleSpec, queues: _Queues, known: datetime | None
) -> tuple[DataFiring, _Queues] | None:
    """Return the firing of the window that is open, and what is left; None if it goes on."""
    if not any(queues):
        return None
    opened = min(queue[0].at for queue in queues if queue)
    deadline = opened + _within(spec)
    missing = [
        index for index, queue in enumerate(queues) if not queue or queue[0].at > deadline
    ]  # fmt: skip
    if not missing:
        planned = max(queue[0].at for queue in queues)
    elif known is not None and known > deadline:
        planned = deadline
    else:
        return None
    used = {
        index: [each for each in queue if each.at <= planned][-1]
        for index, queue in enumerate(queues)
        if index not in missing
    }
    suffix = short_cause(*(f"{index}:{each.cause}" for index, each in used.items()))
    left = [_after(queue, planned) for queue in queues]
    if missing and spec.otherwise == "miss":
        newest = {index: each for index, each in used.items() if each.at > opened}
        left = [
            (newest[index], *queue) if index in newest else queue
            for index, queue in enumerate(left)
        ]
    return DataFiring(planned, suffix, _by_text(used), missing), left


def _missing_one(dependency: DependencySpec) -> str:
    if dependency.file:
        return f"no new file had come at {dependency.file}"
    of = f" by {dependency.event}" if dependency.event else ""
    return (
        f"no run of {dependency.pipeline}{of} had ended with the status"
        f" {' or '.join(dependency.status)}"
    )


def _subject(dependency: DependencySpec) -> tuple[object, ...]:
    return dependency.pipeline, dependency.event, frozenset(dependency.status), dependency.file


def _within(spec: ScheduleSpec) -> timedelta:
    return timedelta(seconds=spec.within)


def _queues(spec: ScheduleSpec, waiting: Arrivals) -> list[tuple[Arrival, ...]]:
    return [tuple(waiting.get(str(index), ())) for index in range(len(spec.after))]


def _as_arrivals(queues: _Queues) -> dict[str, tuple[Arrival, ...]]:
    return {str(index): queue for index, queue in enumerate(queues) if queue}


def _by_text(used: Mapping[int, Arrival]) -> dict[str, Arrival]:
    return {str(index): arrival for index, arrival in used.items()}


def _after(queue: Iterable[Arrival], time: datetime) -> tuple[Arrival, ...]:
    return tuple(each for each in queue if each.at > time)


def _in_order(arrivals: Iterable[Arrival]) -> tuple[Arrival, ...]:
    return tuple(sorted(arrivals, key=lambda each: (each.at, each.cause)))
