"""Which alert conditions are true: a stage without workers, a stage behind, a ledger that lags?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Literal, NamedTuple

from farandole.catalog.input_faults import lost_input_step
from farandole.events.next_step import NextStep

FIRE_AFTER_MS = 15_000
"""How long a stage may be without a worker before the alert fires; a restart takes seconds."""
LOST_AFTER_MS = 5_000
"""How long an offset may be lost, or a topic changed, before the alert fires: Kafka acknowledges a
version before everybody can read the offsets that it brings."""


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
    throttled: bool = False
    """Its throttle holds events back: they are not late."""
    measured: bool = True
    """False if Kafka did not give the numbers, so that nothing is known."""
    lost: str | None = None
    """What is lost of its inputs, as text; empty if nothing is. None for the ledger."""
    program: str = ""
    """The consumer group, if the sample is of the program of a relayed stage, not of its lanes."""


class TopicSample(NamedTuple):
    """What a probe has found about the topic of an event type."""

    pipeline: str
    event_type: str
    change: str | None
    """How it differs from what the version in force says, as text; None if it does not."""
    step: NextStep | None = None
    """What a person can do about it."""


ConditionKind = Literal[
    "stage.unworked", "stage.age", "stage.lost", "topic.changed", "ledger.lags", "control.unread",
    "control.unfit", "switch.ended", "schedule.overdue",
]  # fmt: skip
"""The kinds of alerts that a condition can raise."""


class AlertCondition(NamedTuple):
    """A condition that may raise an alert, and whether it is true now.

    `ledger/alert_text.py` writes the texts of its alert."""

    key: str
    kind: ConditionKind
    pipeline: str
    stage: str | None
    is_bad: bool | None
    """None if it is not known."""
    fire_after_ms: int
    """How long the condition may be true before the alert fires."""
    unread: int
    """In offsets."""
    members: int
    """Processes that work on it."""
    age: float | None
    """The age that is allowed, in seconds; None if unread events may have any age."""
    detail: str = ""
    """What is lost, changed or without effect, as text."""
    step: NextStep | None = None
    """What a person can do about that."""
    program: str = ""
    """The consumer group, if it is about the program of a relayed stage."""
    schedule: str | None = None


def topic_conditions(samples: Iterable[TopicSample]) -> Iterator[AlertCondition]:
    """Yield a condition for the topic of each event type, true or not."""
    for each in samples:
        sample = LagSample(each.pipeline, None, 0, 0)
        name = f"topic/{each.event_type}"
        yield _condition(name, "topic.changed", sample, bool(each.change), LOST_AFTER_MS)._replace(
            detail=each.change or "", step=each.step
        )


def with_throttles(
    samples: Iterable[LagSample], throttled: Set[tuple[str, str]]
) -> Iterator[LagSample]:
    """Yield the samples, with those marked whose stage is throttled. `throttled`: pairs of a
    pipeline and a stage."""
    for each in samples:
        yield each._replace(throttled=(each.pipeline, each.stage) in throttled)


def alert_conditions(samples: Iterable[LagSample]) -> Iterator[AlertCondition]:
    """Yield the conditions of all samples, true or not."""
    for each in samples:
        if each.stage is None:
            yield _condition("ledger", "ledger.lags", each, each.has_old, 0)
            continue
        is_unworked = not each.members and each.unread > 0
        of = "program-" if each.program else ""
        unworked = _stage_condition(
            f"{of}unworked", "stage.unworked", each, is_unworked, FIRE_AFTER_MS
        )
        yield unworked._replace(program=each.program)
        if each.lost is not None:
            lost = _stage_condition(f"{of}lost", "stage.lost", each, bool(each.lost), LOST_AFTER_MS)
            yield lost._replace(detail=each.lost, step=lost_input_step(each.stage))
        if each.age is not None:
            # If there is no worker, `stage.unworked` fires for that; this alert stays as it is.
            is_old = each.has_old and not each.throttled
            is_behind = is_old if each.members or not is_old else None
            yield _stage_condition("age", "stage.age", each, is_behind, 0)


def _stage_condition(
    name: str, kind: ConditionKind, sample: LagSample, is_bad: bool | None, fire_after_ms: int
) -> AlertCondition:
    return _condition(f"stage/{sample.stage}/{name}", kind, sample, is_bad, fire_after_ms)


def _condition(
    name: str, kind: ConditionKind, sample: LagSample, is_bad: bool | None, fire_after_ms: int
) -> AlertCondition:
    """Return a condition of a sample. `name` is the key without the pipeline."""
    return AlertCondition(
        key=f"{sample.pipeline}/{name}",
        kind=kind,
        pipeline=sample.pipeline,
        stage=sample.stage,
        is_bad=is_bad if sample.measured else None,
        fire_after_ms=fire_after_ms,
        unread=sample.unread,
        members=sample.members,
        age=sample.age,
    )
