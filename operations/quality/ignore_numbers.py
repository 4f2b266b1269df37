"""How does a person have some numbers about runs not told, or told again?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from farandole.events.anomaly_document import IgnoredNumbers, IgnoreDocument
from farandole.events.controls_in_force import TimedDocument, is_expired, newest_of_each
from farandole.events.quality_history import HistoryRow, read_measurements
from farandole.operations.control.control_change import drop_controls, put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.control.expiry import expiry
from farandole.operations.errors import ConflictError, InvalidRequestError, NotFoundError, operation
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import require_published
from farandole.operations.quality.run_history import newest_history
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.quality.anomalies.silence import STATISTIC as SILENCE
from farandole.stages.nearest_name import did_you_mean

_MOST_RUNS = 30  # in which numbers are looked for


@dataclass(frozen=True, slots=True)
class IgnoreRequest:
    """Which numbers are not told, until when, and who asks for it."""

    numbers: IgnoredNumbers
    by: str
    reason: str = ""
    duration: timedelta | None = None
    until: datetime | None = None
    """With neither: until somebody lets them be told again."""
    pipeline: str | None = None
    """None: that of the file."""


class IgnoredState(Result):
    """Numbers that are not told."""

    edge: str
    column: str
    statistic: str
    since: datetime
    until: datetime | None
    by: str
    reason: str
    generation: int
    """The offset of the document."""


class IgnoreResult(Result):
    """What is told no more, or told again."""

    pipeline: str
    edge: str
    column: str
    statistic: str
    until: datetime | None
    ignored: bool
    """False if they are told again."""


@operation
@recorded("quality ignore", lambda request: str(request.numbers))
async def ignore_numbers(installation: Installation, request: IgnoreRequest) -> IgnoreResult:
    """Let some numbers about runs not be told: they are learnt as before. Raises
    InvalidRequestError without a reason, NotFoundError (`unknown_numbers`: no number about the last
    runs is called so; `nothing_applied`, `pipeline_unknown`) and UnavailableError."""
    if not request.reason.strip():
        raise InvalidRequestError("invalid_request", "say why nobody is to be told")
    pipeline = await require_published(installation, request.pipeline)
    settings, numbers = installation.settings, request.numbers
    until = expiry(request.duration, request.until)
    require_numbers(numbers, await newest_history(settings, pipeline, _MOST_RUNS), pipeline)
    document = IgnoreDocument(
        pipeline=pipeline,
        **numbers._asdict(),
        until=until,
        by=request.by,
        comment=request.reason.strip(),
    )
    await put_control(installation, document, await read_control_state(settings))
    return IgnoreResult(pipeline=pipeline, **numbers._asdict(), until=until, ignored=True)


@operation
@recorded("quality ignore", lambda request: str(request.numbers))
async def tell_again(installation: Installation, request: IgnoreRequest) -> IgnoreResult:
    """Let numbers be told again that were ignored. Raises ConflictError (`not_ignored`),
    NotFoundError (`nothing_applied`, `pipeline_unknown`) and UnavailableError."""
    pipeline = await require_published(installation, request.pipeline)
    numbers = request.numbers
    documents = await read_control_state(installation.settings)
    known = ignored_states([*documents.values()], pipeline, datetime.now(UTC))
    if not any((each.edge, each.column, each.statistic) == numbers for each in known):
        names = [str(IgnoredNumbers(each.edge, each.column, each.statistic)) for each in known]
        raise ConflictError(
            "not_ignored",
            f"{numbers} is not ignored; ignored are: {', '.join(names) or 'none'}",
            ignored=names,
        )
    await drop_controls(installation, documents, ("ignore", pipeline, *numbers))
    return IgnoreResult(pipeline=pipeline, **numbers._asdict(), until=None, ignored=False)


def ignored_states(
    documents: Sequence[TimedDocument], pipeline: str, now: datetime
) -> list[IgnoredState]:
    """Return the numbers of a pipeline that are not told now. `documents`: in the order of the
    log."""
    return [
        IgnoredState(
            **control.numbers._asdict(),
            since=each.at,
            until=control.until,
            by=control.by,
            reason=control.comment,
            generation=each.generation,
        )
        for each in newest_of_each(documents, IgnoreDocument)
        if isinstance(control := each.control, IgnoreDocument)
        and control.pipeline == pipeline
        and not is_expired(control, now)
    ]


def require_numbers(numbers: IgnoredNumbers, rows: Sequence[HistoryRow], pipeline: str) -> None:
    """Raise NotFoundError (`unknown_numbers`), which proposes the nearest name, unless these are
    some of the numbers about runs."""
    known = {each[:3] for row in rows for each in read_measurements(row)}
    known |= {(row["root"], "", SILENCE) for row in rows if "root" in row}
    for place, word in enumerate(("event type", "column", "statistic")):
        wanted = IgnoredNumbers(*numbers[: place + 1])
        narrowed = {each for each in known if wanted.covers(*each)}
        if not narrowed:
            names = sorted({each[place] for each in known if each[place]})
            near = did_you_mean(numbers[place], names, f"there are {', '.join(names[:20])}")
            raise NotFoundError(
                "unknown_numbers",
                f"no number about the last runs of {pipeline} has the {word} {numbers[place]!r};"
                f" {near if names else 'no run has ended yet'}",
                known=names[:100],
            )
        known = narrowed
