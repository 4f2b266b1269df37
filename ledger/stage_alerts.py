"""Which alert conditions are true: a stage without workers, a stage behind, a ledger that lags?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from farandole.events.alert_record import AlertKind

LEDGER_LAG_SECONDS = 60.0
"""The ledger lags if an entry is unread for longer."""
FIRE_AFTER_MS = 15_000
"""How long a stage may be without a worker: a restart takes a few seconds."""


class LagSample(NamedTuple):
    """What a probe of a stage, or of the ledger, has measured."""

    pipeline: str
    stage: str | None
    """None for the ledger, on which every pipeline depends."""
    members: int
    """Processes that work on it."""
    unread: int
    """In offsets."""
    has_old: bool = False
    """Something unread is older than `age`."""
    age: float | None = None
    """The age that is allowed, in seconds; None if unread events may have any age."""
    measured: bool = True
    """False if Kafka could not tell."""


class AlertCondition(NamedTuple):
    """A condition that may raise an alert, and whether it is true now."""

    key: str
    kind: AlertKind
    pipeline: str
    stage: str | None
    is_bad: bool | None
    """None if it is not known."""
    text: str
    resolved_text: str
    """The alert's text once the condition is no longer true."""
    fire_after_ms: int
    """How long the condition may be true before the alert fires."""


def alert_conditions(samples: Iterable[LagSample], options: str = "") -> Iterator[AlertCondition]:
    """Yield the conditions of all samples, true or not. `options` are the command-line options that
    reach the same installation, with a space before them."""
    for each in samples:
        if each.stage is None:
            yield _ledger_lag_condition(each)
            continue
        yield _unworked_condition(each, options)
        if each.age is not None:
            yield _age_condition(each)


def _unworked_condition(sample: LagSample, options: str) -> AlertCondition:
    text = (
        f"no worker holds `{sample.stage}`: {_offsets_text(sample.unread)} unread;"
        f" start one: farandole{options} work {sample.stage}"
    )
    resolved_text = (
        f"`{sample.stage}` is worked again" if sample.members else f"`{sample.stage}` has read all"
    )
    is_bad = not sample.members and sample.unread > 0
    return _stage_condition(
        sample, "unworked", "stage.unworked", is_bad, text, resolved_text, FIRE_AFTER_MS
    )


def _age_condition(sample: LagSample) -> AlertCondition:
    text = (
        f"`{sample.stage}` is behind: it has not settled what is older than {sample.age:g} s;"
        f" {_offsets_text(sample.unread)} unread"
    )
    resolved_text = f"`{sample.stage}` has caught up: nothing unread is older than {sample.age:g} s"
    # Without workers there is an alert for that; this one is not resolved meanwhile.
    is_bad = sample.has_old if sample.members or not sample.has_old else None
    return _stage_condition(sample, "age", "stage.age", is_bad, text, resolved_text, 0)


def _ledger_lag_condition(sample: LagSample) -> AlertCondition:
    text = (
        f"the ledger lags: entries older than {sample.age:g} s are unread "
        f"({_offsets_text(sample.unread)});"
        " what is said of runs is of before, and late runs are not told meanwhile"
    )
    resolved_text = "the ledger has caught up"
    is_bad = sample.has_old if sample.measured else None
    return AlertCondition(
        f"{sample.pipeline}/ledger",
        "ledger.lags",
        sample.pipeline,
        None,
        is_bad,
        text,
        resolved_text,
        0,
    )


def _stage_condition(
    sample: LagSample,
    name: str,
    kind: AlertKind,
    is_bad: bool | None,
    text: str,
    resolved_text: str,
    fire_after_ms: int,
) -> AlertCondition:
    key = f"{sample.pipeline}/stage/{sample.stage}/{name}"
    is_bad = is_bad if sample.measured else None
    return AlertCondition(
        key, kind, sample.pipeline, sample.stage, is_bad, text, resolved_text, fire_after_ms
    )


def _offsets_text(number: int) -> str:
    return "1 offset" if number == 1 else f"{number:,} offsets"
