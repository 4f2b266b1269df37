"""Which stages stand still or are behind, does the ledger lag, and what of that is news?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from farandole.events.alert_record import Alert, AlertKind

LEDGER_LAG_SECONDS = 60.0
"""Seconds that an entry may be unread before the ledger lags."""
FIRE_AFTER_MS = 15_000
"""Milliseconds that a stage may be without a worker: one that is started anew takes a few."""
CLEAR_AFTER_MS = 5_000
"""Milliseconds for which all must be well before that is told: so that nothing flaps."""


class LagSample(NamedTuple):
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


class AlertCondition(NamedTuple):
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


def alert_conditions(seen: Iterable[LagSample], options: str = "") -> Iterator[AlertCondition]:
    """`options`: what a person types after `farandole` to reach the same installation, with a space
    before it."""
    for each in seen:
        if each.stage is None:
            yield _ledger_lag_condition(each)
            continue
        yield _unworked_condition(each, options)
        if each.age is not None:
            yield _age_condition(each)


def _unworked_condition(seen: LagSample, options: str) -> AlertCondition:
    text = (
        f"no worker holds `{seen.stage}`: {_offsets_text(seen.unread)} unread;"
        f" start one: farandole{options} work {seen.stage}"
    )
    well = f"`{seen.stage}` is worked again" if seen.members else f"`{seen.stage}` has read all"
    bad = not seen.members and seen.unread > 0
    return _stage_condition(seen, "unworked", "stage.unworked", bad, text, well, FIRE_AFTER_MS)


def _age_condition(seen: LagSample) -> AlertCondition:
    text = (
        f"`{seen.stage}` is behind: it has not settled what is older than {seen.age:g} s;"
        f" {_offsets_text(seen.unread)} unread"
    )
    well = f"`{seen.stage}` has caught up: nothing unread is older than {seen.age:g} s"
    # Where nobody works that is told, and nothing is well for as long.
    bad = seen.old if seen.members or not seen.old else None
    return _stage_condition(seen, "age", "stage.age", bad, text, well, 0)


def _ledger_lag_condition(seen: LagSample) -> AlertCondition:
    text = (
        f"the ledger lags: entries older than {seen.age:g} s are unread "
        f"({_offsets_text(seen.unread)});"
        " what is said of runs is of before, and late runs are not told meanwhile"
    )
    well = "the ledger has caught up"
    bad = seen.old if seen.known else None
    return AlertCondition(
        f"{seen.pipeline}/ledger", "ledger.lags", seen.pipeline, None, bad, text, well, 0
    )


def _stage_condition(
    seen: LagSample, what: str, kind: AlertKind, bad: bool | None, text: str, well: str, fires: int
) -> AlertCondition:
    key = f"{seen.pipeline}/stage/{seen.stage}/{what}"
    bad = bad if seen.known else None
    return AlertCondition(key, kind, seen.pipeline, seen.stage, bad, text, well, fires)


def _offsets_text(number: int) -> str:
    return "1 offset" if number == 1 else f"{number:,} offsets"


class AlertTracker:
    """What is firing. News is taken, written and committed, or the watch is restored."""

    def __init__(self) -> None:
        self.firing: dict[str, Alert] = {}
        self._turning: dict[str, int] = {}
        """Since when what is firing is well, or what is not firing is bad."""

    def restored(self, firing: Iterable[Alert]) -> None:
        """Begin with what was committed."""
        self.firing = {alert.key: alert for alert in firing}
        self._turning = {}

    def judged(self, found: Sequence[AlertCondition], at: int) -> list[Alert]:
        """What is news, at that time in milliseconds of the epoch. `found` is whole: what is not
        in it is watched no more."""
        news = []
        for each in found:
            fires = each.key in self.firing
            if each.bad is None or each.bad == fires:
                self._turning.pop(each.key, None)
                continue
            since = self._turning.setdefault(each.key, at)
            if at - since >= (CLEAR_AFTER_MS if fires else each.fires):
                del self._turning[each.key]
                news.append(self._turned(each, since))
        known = {each.key for each in found}
        self._turning = {key: at for key, at in self._turning.items() if key in known}
        for key in [*self.firing]:
            if key not in known:
                over = f"watched no more: {self.firing[key].text}"
                news.append(self._resolved(key, over))
        return news

    def _turned(self, each: AlertCondition, since: int) -> Alert:
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
