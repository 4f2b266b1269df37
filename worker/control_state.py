"""What do the control documents say of the stages of a pipeline, as of now?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from datetime import UTC, datetime
from functools import partial
from typing import Generic, TypeVar

import structlog

from farandole.catalog.control_misfits import active_versions, control_misfits
from farandole.catalog.generations_in_force import generations_in_force
from farandole.events.control_documents import (
    CancelDocument,
    ControlDocument,
    parse_control_or_none,
)
from farandole.events.control_table import ControlTable, timed_documents
from farandole.events.controls_in_force import (
    TimedDocument,
    cancelled_runs,
    drain_in_force,
    hold_ended_at,
    next_expiry,
    released_runs,
    stage_mode,
)
from farandole.events.flags_in_force import flags_in_force
from farandole.events.safe_text import short_line
from farandole.events.throttle_document import RateTarget
from farandole.events.throttles_in_force import (
    RateInForce,
    Versions,
    rate_in_force,
)
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.worker.flag_snapshot import FlagSnapshot, make_snapshot
from farandole.worker.stage_controls import StageControls

log = structlog.get_logger()

T = TypeVar("T")

_NO_VERSIONS: Versions = {}


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _nothing_more() -> None:
    pass


class ControlState:
    """The control documents of one pipeline, and what they say of its stages. `table` is None if
    the control topic does not exist: then there are none. The answers are asked for once per batch,
    so the documents are read only when the table has changed, or when one expires."""

    def __init__(
        self,
        table: ControlTable | None,
        pipeline: str,
        clock: Callable[[], datetime] = _utc_now,
        versions: Callable[[], Versions] = lambda: _NO_VERSIONS,
        catch_up: Callable[[], Awaitable[object]] = _nothing_more,
    ) -> None:
        """`versions` returns those that are published, the same mapping until there is another one.
        `catch_up` returns once the table has everything that could be read when it was called."""
        self._table = table
        self.pipeline = pipeline
        self.clock = clock
        self.versions = versions
        self._limits: dict[str, Callable[[], RateInForce]] = {}
        self.catch_up = catch_up
        self._rows: Mapping[bytes, bytes] = {}
        self._read: dict[bytes, ControlDocument | None] = {}
        self._cancellations: Sequence[TimedDocument] = ()
        self._of_pipeline: Sequence[TimedDocument] = ()
        self._fitted_to: Versions | None = None
        self._logged: set[int] = set()  # generations of documents that fit no version
        self.cancelled_runs = Answer(self.cancellations, clock, _cancelled_runs)
        """Returns the ids of the runs of which no event is to be handled."""

    def of_stage(self, name: str) -> StageControls:
        """Return what the documents say of a stage of the pipeline."""
        return _ControlsOfStage(self, name)

    def rates(self, target: RateTarget) -> Callable[[], RateInForce]:
        """Return what answers which rates a stage, the roots or a limit of the pipeline have."""
        return _VersionedAnswer(
            self,
            lambda known, versions, now: rate_in_force(known, self.pipeline, target, versions, now),
        )

    def limit(self, name: str) -> RateInForce:
        """Return how often functions may wait for this limit to be over now."""
        answer = self._limits.get(name)
        if answer is None:
            answer = self._limits[name] = self.rates(RateTarget(limit=name))
        return answer()

    def limit_names(self) -> list[str]:
        """Return the names of all limits that a version has."""
        versions = self.versions().values()
        return [*dict.fromkeys(name for version in versions for name in version.limits)]

    def cancellations(self) -> Sequence[TimedDocument]:
        """Return the cancel documents in the order of the log; another list after each change."""
        self._refresh()
        return self._cancellations

    def documents(self) -> Sequence[TimedDocument]:
        """Return the documents about the pipeline and its stages in the order of the log; another
        list after each change."""
        self._refresh()
        return self._of_pipeline

    def _refresh(self) -> None:
        if self._table is None:
            return
        versions = self.versions()
        if self._table.rows is not self._rows:
            self._read_documents(self._table)
        elif versions is self._fitted_to:
            return
        self._fitted_to = versions
        self._log_misfits(versions)

    def _log_misfits(self, versions: Versions) -> None:
        """Log each document that fits no version, once."""
        active = active_versions(versions.values())
        if not active:
            return
        self._logged &= {each.generation for each in self._of_pipeline}
        for misfit in control_misfits(self._of_pipeline, active, self.clock()):
            generation = misfit.document.generation
            if generation not in self._logged:
                self._logged.add(generation)
                key = short_line(misfit.document.control.key.decode())
                log.warning("control.unfit", generation=generation, key=key, why=misfit.why)

    def _read_documents(self, table: ControlTable) -> None:
        self._rows = table.rows
        # A document that was parsed before is not parsed again.
        self._read = {
            v: self._read[v] if v in self._read else parse_control_or_none(v)
            for v in table.rows.values()
        }
        documents = timed_documents(table, self.clock(), self._read.__getitem__)
        self._cancellations = [d for d in documents if isinstance(d.control, CancelDocument)]
        self._of_pipeline = [
            d for d in documents if getattr(d.control, "pipeline", None) == self.pipeline
        ]


class Answer(Generic[T]):
    """What documents say about one question, worked out anew when they change or when one of them
    expires."""

    def __init__(
        self,
        documents: Callable[[], Sequence[TimedDocument]],
        clock: Callable[[], datetime],
        work_out: Callable[[Sequence[TimedDocument], datetime], T],
    ) -> None:
        """`documents` returns another list after each change; `work_out` gets it, and the time."""
        self._current = documents
        self._clock = clock
        self._work_out = work_out
        self._documents: Sequence[TimedDocument] | None = None
        self._expires: datetime | None = None
        self._value: T

    def __call__(self) -> T:
        """Return the answer as of now."""
        documents = self._current()
        if documents is not self._documents or (
            self._expires is not None and self._expires <= self._clock()
        ):
            now = self._clock()
            self._value = self._work_out(documents, now)
            self._documents, self._expires = documents, next_expiry(documents, now)
        return self._value


class _ControlsOfStage:
    """One `Answer` for each question: what is worked out is a pure function of the documents."""

    def __init__(self, state: ControlState, stage: str) -> None:
        documents, clock, pipeline = state.documents, state.clock, state.pipeline
        self.cancelled_runs = state.cancelled_runs
        self.released_runs = Answer(documents, clock, partial(_released_runs, pipeline, stage))
        self.mode = Answer(
            documents, clock, lambda known, now: stage_mode(known, pipeline, stage, now)
        )
        self.hold_ended_at = Answer(
            documents, clock, lambda known, now: hold_ended_at(known, pipeline, stage, now)
        )
        self.drain = Answer(
            documents, clock, lambda known, now: drain_in_force(known, pipeline, now)
        )
        self.throttle = state.rates(RateTarget(stage))
        self.root_throttle = state.rates(RateTarget())
        self.in_force = _VersionedAnswer(
            state,
            lambda known, versions, now: generations_in_force(
                known, pipeline, stage, versions, now
            ),
        )
        self.flags = _VersionedAnswer(state, partial(_stage_flags, pipeline, stage))


class _VersionedAnswer(Generic[T]):
    """An answer that depends on the versions too: worked out anew also when there is another."""

    def __init__(
        self,
        state: ControlState,
        work_out: Callable[[Sequence[TimedDocument], Versions, datetime], T],
    ) -> None:
        self._state = state
        self._from_versions = work_out
        self._versions: Versions | None = None
        self._answer: Answer[T]

    def __call__(self) -> T:
        versions = self._state.versions()
        if versions is not self._versions:
            self._versions = versions
            self._answer = Answer(self._state.documents, self._state.clock, self._work_out)
        return self._answer()

    def _work_out(self, known: Sequence[TimedDocument], now: datetime) -> T:
        return self._from_versions(known, self._versions or {}, now)


def _stage_flags(
    pipeline: str,
    stage: str,
    known: Sequence[TimedDocument],
    versions: Versions,
    now: datetime,
) -> FlagSnapshot:
    specs = versions[max(versions)].flags if versions else {}
    return make_snapshot(
        pipeline,
        stage,
        specs,
        flags_in_force(known, pipeline, now),
        compile_attribute_condition,
    )


def _released_runs(
    pipeline: str, stage: str, documents: Sequence[TimedDocument], now: datetime
) -> Set[bytes]:
    return frozenset(run.encode() for run in released_runs(documents, pipeline, stage, now))


def _cancelled_runs(documents: Sequence[TimedDocument], now: datetime) -> Set[bytes]:
    return frozenset(run.encode() for run in cancelled_runs(documents, now))
