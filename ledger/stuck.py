"""Which stages stand still or are behind, does the ledger lag, and what of that is news?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from farandole.events.alert import Alert, AlertKind

LAG = 60.0
"""Seconds that an entry may be unread before the ledger lags."""
FIRES = 15_000
"""Milliseconds that a stage may be without a worker: one that is started anew takes a few."""
CLEARS = 5_000
"""Milliseconds for which all must be well before that is told: so that nothing flaps."""


class Seen(NamedTuple):
    """What a look at a stage, or at the ledger, has found."""

    pipeline: str
    stage: str | None
    """None: the ledger, on which every pipeline relies."""
    members: int
    """Processes at work on it."""
    unread: int
    """Offsets."""
    old: bool = False
    """Is something unread that is older than `age`?"""
    age: float | None = None
    """Seconds; None: whatever is unread may be of any age."""
    known: bool = True
    """False: it could not be looked at."""


class Condition(NamedTuple):
    """Something that is out of order, or is not."""

    key: str
    kind: AlertKind
    pipeline: str
    stage: str | None
    bad: bool | None
    """None: nobody can say."""
    text: str
    well: str
    """What is to be said once it is not out of order any more."""
    fires: int
    """Milliseconds that it may be bad."""


def conditions(seen: Iterable[Seen], options: str = "") -> Iterator[Condition]:
    """`options`: what a person types after `farandole` to reach the same installation, with a space
    before it."""
    for each in seen:
        if each.stage is None:
            yield _lags(each)
            continue
        yield _unworked(each, options)
        if each.age is not None:
            yield _behind(each)


def _unworked(seen: Seen, options: str) -> Condition:
    text = (
        f"no worker holds `{seen.stage}`: {_offsets(seen.unread)} unread;"
        f" start one: farandole{options} work {seen.stage}"
    )
    well = f"`{seen.stage}` is worked again" if seen.members else f"`{seen.stage}` has read all"
    bad = not seen.members and seen.unread > 0
    return _condition(seen, "unworked", "stage.unworked", bad, text, well, FIRES)


def _behind(seen: Seen) -> Condition:
    text = (
        f"`{seen.stage}` is behind: it has not settled what is older than {seen.age:g} s;"
        f" {_offsets(seen.unread)} unread"
    )
    well = f"`{seen.stage}` has caught up: nothing unread is older than {seen.age:g} s"
    # Where nobody works that is told, and nothing is well for as long.
    bad = seen.old if seen.members or not seen.old else None
    return _condition(seen, "age", "stage.age", bad, text, well, 0)


def _lags(seen: Seen) -> Condition:
    text = (
        f"the ledger lags: entries older than {seen.age:g} s are unread ({_offsets(seen.unread)});"
        " what is said of runs is of before, and late runs are not told meanwhile"
    )
    well = "the ledger has caught up"
    bad = seen.old if seen.known else None
    return Condition(
        f"{seen.pipeline}/ledger", "ledger.lags", seen.pipeline, None, bad, text, well, 0
    )


def _condition(
    seen: Seen, what: str, kind: AlertKind, bad: bool | None, text: str, well: str, fires: int
) -> Condition:
    key = f"{seen.pipeline}/stage/{seen.stage}/{what}"
    bad = bad if seen.known else None
    return Condition(key, kind, seen.pipeline, seen.stage, bad, text, well, fires)


def _offsets(number: int) -> str:
    return "1 offset" if number == 1 else f"{number:,} offsets"


class Watch:
    """What is firing. News is taken, written and committed, or the watch is restored."""

    def __init__(self) -> None:
        self.firing: dict[str, Alert] = {}
        self._turning: dict[str, int] = {}
        """Since when what is firing is well, or what is not firing is bad."""

    def restored(self, firing: Iterable[Alert]) -> None:
        """Begin with what was committed."""
        self.firing = {alert.key: alert for alert in firing}
        self._turning = {}

    def judged(self, found: Sequence[Condition], at: int) -> list[Alert]:
        """What is news, at that time in milliseconds of the epoch. `found` is whole: what is not
        in it is watched no more."""
        news = []
        for each in found:
            fires = each.key in self.firing
            if each.bad is None or each.bad == fires:
                self._turning.pop(each.key, None)
                continue
            since = self._turning.setdefault(each.key, at)
            if at - since >= (CLEARS if fires else each.fires):
                del self._turning[each.key]
                news.append(self._turned(each, since))
        known = {each.key for each in found}
        self._turning = {key: at for key, at in self._turning.items() if key in known}
        for key in [*self.firing]:
            if key not in known:
                over = f"watched no more: {self.firing[key].text}"
                news.append(self._resolved(key, over))
        return news

    def _turned(self, each: Condition, since: int) -> Alert:
        if each.key in self.firing:
            return self._resolved(each.key, each.well)
        alert = Alert(
            kind=each.kind,
            key=each.key,
            pipeline=each.pipeline,
            stage=each.stage,
            text=each.text,
            since=datetime.fromtimestamp(since / 1000, UTC),
            state="firing",
        )
        self.firing[each.key] = alert
        return alert

    def _resolved(self, key: str, text: str) -> Alert:
        return self.firing.pop(key).model_copy(update={"state": "resolved", "text": text})
