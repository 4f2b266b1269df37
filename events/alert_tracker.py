"""Which alerts are firing, and which changes of them must be published?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from farandole.events.alert_record import Alert, AlertKind

CLEAR_AFTER_MS = 5_000
"""How long a condition must be false before its alert is resolved, so that alerts do not flap."""

ROUND_MS = 5_000
"""How often conditions are observed."""
LONGEST_ROUND_MS = 30_000
"""A longer time between two observations counts as one round."""


class Condition(Protocol):
    """What may raise an alert, and whether it is so now."""

    @property
    def key(self) -> str:
        """The key of its alert (`Alert.key`)."""

    @property
    def kind(self) -> AlertKind: ...

    @property
    def pipeline(self) -> str: ...

    @property
    def stage(self) -> str | None: ...

    @property
    def schedule(self) -> str | None: ...

    @property
    def is_bad(self) -> bool | None:
        """None if it is not known."""

    @property
    def fire_after_ms(self) -> int:
        """How long it may be true before its alert fires."""


ConditionT = TypeVar("ConditionT", bound=Condition)


class AlertTracker(Generic[ConditionT]):
    """The alerts of a lane that are firing.

    The caller writes and commits the alerts that `update` returns; if that fails, it calls
    `restore` with the alerts that are committed."""

    def __init__(
        self,
        firing_text: Callable[[ConditionT], str],
        resolved_text: Callable[[ConditionT], str],
        unwatched_text: Callable[[Alert], str],
    ) -> None:
        """The texts of an alert: when its condition has come true, when it is no longer true, and
        when nobody observes it any more; the last is given the alert as it fired."""
        self._firing_text = firing_text
        self._resolved_text = resolved_text
        self._unwatched_text = unwatched_text
        self.firing: dict[str, Alert] = {}
        self._last_update: int | None = None
        self._changing_since: dict[str, int] = {}
        """By key: since when, in milliseconds of the epoch, the condition has differed from the
        state of its alert."""

    def restore(self, firing: Iterable[Alert]) -> None:
        """Replace all state with the alerts that are committed as firing."""
        self.firing = {alert.key: alert for alert in firing}
        self._changing_since = {}
        self._last_update = None

    def update(self, conditions: Sequence[ConditionT], at: int) -> list[Alert]:
        """Return the alerts that fire or are resolved at `at`, in milliseconds of the epoch.

        `conditions` must be complete: an alert whose condition is missing is resolved. What was not
        observed does not count: a condition must hold for its time while somebody looks."""
        self._discount_gap(at)
        changed = []
        for each in conditions:
            is_firing = each.key in self.firing
            if each.is_bad is None or each.is_bad == is_firing:
                self._changing_since.pop(each.key, None)
                continue
            since = self._changing_since.setdefault(each.key, at)
            if at - since >= (CLEAR_AFTER_MS if is_firing else each.fire_after_ms):
                del self._changing_since[each.key]
                changed.append(self._change_state(each, since))
        known = {each.key for each in conditions}
        self._changing_since = {key: at for key, at in self._changing_since.items() if key in known}
        unwatched = [alert for key, alert in self.firing.items() if key not in known]
        changed += [self._resolve(alert.key, self._unwatched_text(alert)) for alert in unwatched]
        return changed

    def _discount_gap(self, at: int) -> None:
        """Let no condition have lasted through a time in which none was looked at: the process was
        frozen, the machine suspended, or Kafka away."""
        elapsed = 0 if self._last_update is None else at - self._last_update
        self._last_update = at
        if elapsed > LONGEST_ROUND_MS:
            gap = elapsed - ROUND_MS
            self._changing_since = {key: t + gap for key, t in self._changing_since.items()}

    def _change_state(self, condition: ConditionT, since: int) -> Alert:
        if condition.key in self.firing:
            return self._resolve(condition.key, self._resolved_text(condition))
        alert = Alert(
            kind=condition.kind,
            key=condition.key,
            pipeline=condition.pipeline,
            stage=condition.stage,
            schedule=condition.schedule,
            text=self._firing_text(condition),
            since=datetime.fromtimestamp(since / 1000, UTC),
            state="firing",
        )
        self.firing[condition.key] = alert
        return alert

    def _resolve(self, key: str, text: str) -> Alert:
        return self.firing.pop(key).model_copy(update={"state": "resolved", "text": text})
