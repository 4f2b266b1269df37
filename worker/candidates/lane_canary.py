"""Which function handles an event while a canary is in force, and what is observed of it?

A variant is chosen by a hash of the event's key, at its first attempt; it stands in the row of a
parked event, and a retry goes to the same. Without a canary in force, and once its candidate is
lost, the stage's own function handles everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from farandole.events.canary_counts import (
    CanaryCounts,
    VariantCounts,
    count_observation,
    no_counts,
)
from farandole.events.controls_in_force import StageMode
from farandole.events.header_codec import HeaderBlock
from farandole.events.key_share import share_test
from farandole.events.outcome import UNTRIED, Outcome
from farandole.events.record import Record
from farandole.events.retry_record import STABLE, ParkedEvent
from farandole.worker.admission import AdmittedEvent
from farandole.worker.candidates.candidate_messages import (
    CallResult,
    CandidateOutput,
)
from farandole.worker.candidates.candidate_process import (
    CandidateAnswer,
    CandidateCall,
    CandidateLostError,
)
from farandole.worker.candidates.observed_keys import ObservedKeys, forget_observed_keys
from farandole.worker.candidates.sent_event import candidate_event
from farandole.worker.candidates.stage_candidates import StageCandidate, StageCandidates
from farandole.worker.codecs import count_rows, decode_json
from farandole.worker.emitter import Emit, Journal, make_emitter, take_back
from farandole.worker.event_path import Straight
from farandole.worker.execution import Execution
from farandole.worker.input_edge import InputEdge, Lineage
from farandole.worker.lane_state import LaneState
from farandole.worker.ledger_entries import EdgeAccount, event_id_of
from farandole.worker.lineage import LineageResolver
from farandole.worker.output_routing import Output
from farandole.worker.reported_error import reported_error
from farandole.worker.row_gate import ROW_ERRORS
from farandole.worker.stage_controls import StageControls
from farandole.worker.transaction_buffer import TransactionBuffer

MAX_CALLS_AHEAD = 64
"""Events with which the candidate is called at once, if that stays within the next two. It begins
with _FIRST_CALLS_AHEAD."""
MAX_BYTES_AHEAD = 4 * 1024 * 1024
"""Bytes of these events and their results, about."""
MAX_SECONDS_AHEAD = 0.5
"""How long these calls take together, about: the events of the other function wait meanwhile."""
_FIRST_CALLS_AHEAD = 4
_LOOK_AHEAD = 500  # events of either variant
_ANSWER_SECONDS = 10.0  # an answer that is older says nothing of now


class LaneCanary:
    """The canary of one lane: it calls the function of an event's variant."""

    def __init__(
        self,
        stage: str,
        execution: Execution,
        candidates: StageCandidates | None,
        controls: StageControls,
        lineages: LineageResolver,
        state: LaneState,
        monotonic: Callable[[], float],
    ) -> None:
        """`execution` calls the stage's own function. `candidates` is None if no candidate can be
        called here. `monotonic` returns seconds."""
        self._stage = stage
        self._execution = execution
        self._candidates = candidates
        self._controls = controls
        self._lineages = lineages
        self._state = state
        self._monotonic = monotonic
        self._mode: StageMode | None = None
        self._candidate: StageCandidate | None = None
        self._is_in_share: Callable[[bytes], bool] = _never
        self._observed: ObservedKeys | None = None
        self._counts: CanaryCounts | None = None
        self._emitters: dict[tuple[InputEdge, str], Emit | None] = {}
        self._answers: dict[tuple[str, int, int], CandidateAnswer] = {}
        """What the candidate has said ahead of events that the lane has not got to."""
        self._answers_expire = 0.0
        self._calls_ahead = _FIRST_CALLS_AHEAD

    # -- the lane

    def restore(self) -> None:
        """Begin with the state that was committed."""
        self._mode = self._observed = self._counts = None
        self._answers.clear()

    def start_batch(self) -> None:
        """Follow the mode of the stage; a new buffer is about to be filled."""
        self._emitters.clear()  # the lane may have failed before it closed the last one
        if self._answers and self._monotonic() >= self._answers_expire:
            self._answers.clear()
        mode = self._controls.mode()
        if mode != self._mode:
            self._follow(mode)
        if mode.mode == "canary" and self._candidates is not None:
            self._candidate = self._candidates.current(mode)
        else:
            self._candidate = None

    @property
    def is_active(self) -> bool:
        """True while a canary is in force whose candidate can be called."""
        return self._candidate is not None and not self._candidate.is_lost

    @property
    def candidate(self) -> str:
        """The name of the candidate that handles events now; empty if none does."""
        return self._mode.run if self.is_active and self._mode is not None else ""

    def end_of_stable(self, records: Sequence[Record], start: int, end: int) -> int:
        """Return the index of the first of these records that the candidate handles; `end` if there
        is none before it."""
        if not self.is_active:
            return end
        for index in range(start, end):
            if self.takes(records[index]):
                return index
        return end

    def takes(self, record: Record) -> bool:
        """Return True if the candidate handles an event now."""
        if not self.is_active:
            return False
        assert self._mode is not None
        if isinstance(record, ParkedEvent) and (record.variant or record.attempts):
            return record.variant == self._mode.run
        return self._is_in_share(_key_of(record))

    def variant_of(self, record: Record) -> str:
        """Return the variant that handles an event now; empty if no canary has anything to do with
        it."""
        if not self.is_active:
            was_chosen = isinstance(record, ParkedEvent) and record.variant
            return STABLE if was_chosen else ""
        assert self._mode is not None
        return self._mode.run if self.takes(record) else STABLE

    def by_variant(self, events: Sequence[AdmittedEvent]) -> Sequence[Sequence[AdmittedEvent]]:
        """Return the events in the parts that one call each may handle."""
        if not self.is_active:
            return (events,)
        parts: tuple[list[AdmittedEvent], list[AdmittedEvent]] = ([], [])
        for event in events:
            parts[self.takes(event.record)].append(event)
        return [part for part in parts if part]

    def put_rows(self) -> CanaryCounts | None:
        """Put into the state what the next transaction is to say. Return the observations for the
        ledger; None if there are none."""
        self._emitters.clear()  # they refer to the buffer
        counts, self._counts = self._counts, None
        if self._observed is not None:
            self._observed.put_rows()
        return counts

    # -- calls

    async def call_ahead(
        self,
        buffer: TransactionBuffer,
        records: Sequence[Record],
        preview: Callable[[Record], AdmittedEvent | None],
    ) -> None:
        """Call the candidate with the first of these events, which it takes, and at once with
        further ones that it takes: one of each key, since what follows depends on what becomes of
        it. The answers are kept until the lane gets to their events. `preview` returns the event in
        a record; None if it is not certain that it will be handled."""
        candidate = self._candidate
        if not self.is_active or candidate is None or _place_of(records[0]) in self._answers:
            return
        wanted, places, keys, size = [], [], set(), 0
        for record in records[:_LOOK_AHEAD]:
            if not self.takes(record) or (record.topic, record.key) in keys:
                continue
            if record.key is not None:
                keys.add((record.topic, record.key))
            event = preview(record)
            if event is None or _place_of(record) in self._answers:
                continue
            wanted.append(self._call_with(buffer, candidate, [event], 1))
            places.append(_place_of(record))
            size += len(event.raw)
            if len(wanted) >= self._calls_ahead or size >= MAX_BYTES_AHEAD:
                break
        if len(wanted) < 2:
            return
        began = self._monotonic()
        try:
            answers = await candidate.call(wanted)
        except CandidateLostError:
            self._candidate = None
            return
        except ValueError:  # a call that is too large is an error of its own event
            return
        self._answers |= dict(zip(places, answers, strict=True))
        now = self._monotonic()
        self._answers_expire = now + _ANSWER_SECONDS
        outputs = (output for answer in answers for output in answer.result.outputs)
        size += sum(len(output.value or b"") for output in outputs)
        if size < MAX_BYTES_AHEAD / 2 and now - began < MAX_SECONDS_AHEAD / 2:
            self._calls_ahead = min(MAX_CALLS_AHEAD, self._calls_ahead * 2)
        else:
            self._calls_ahead = max(2, self._calls_ahead // 2)

    async def handle_one(
        self, buffer: TransactionBuffer, event: AdmittedEvent, attempt: int
    ) -> float | None:
        """Do what `Execution.handle_one` does, with the function of the event's variant. Return how
        many seconds the call took; None if nobody asks."""
        if not self.is_active:
            await self._execution.handle_one(buffer, event, attempt)
            return None
        if self.takes(event.record):
            seconds = await self._call_candidate(buffer, [event], attempt)
            if seconds is not None:
                return seconds
        began = self._monotonic()
        await self._execution.handle_one(buffer, event, attempt)
        return self._monotonic() - began

    async def handle_batch(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempt: int
    ) -> None:
        """Do what `Execution.handle_batch` does with events of one variant."""
        if self.takes(events[0].record):
            seconds = await self._call_candidate(buffer, events, attempt)
            if seconds is not None:
                return
        await self._execution.handle_batch(buffer, events, attempt)

    def observed_straight(self, straight: Straight) -> Straight:
        """Return a straight path of the stage's own function that also observes its events."""
        monotonic, observe = self._monotonic, self._observe

        def observed(
            record: Record,
            raw: bytes,
            lineage: Lineage | None,
            inherited: HeaderBlock,
            account: EdgeAccount,
        ) -> Outcome | None:
            began = monotonic()
            try:
                outcome = straight(record, raw, lineage, inherited, account)
            except ROW_ERRORS:  # of the data: no function was called
                raise
            except BaseException:
                observe("stable", record, account.run, True, None)
                raise
            if outcome not in UNTRIED:
                observe("stable", record, account.run, False, monotonic() - began)
            return outcome

        return observed

    def observe(self, record: Record, attempt: int, seconds: float | None, *, failed: bool) -> None:
        """Count a call with one event, if it was its first attempt and the first one of its key and
        run. `seconds` is None if the time of the call says nothing."""
        if attempt > 1 or not self.is_active:
            return
        if isinstance(record, ParkedEvent) and (record.before or record.replays):
            return
        run = self._lineages.lineage_or_stray(record).run
        variant: Literal["candidate", "stable"] = "candidate" if self.takes(record) else "stable"
        self._observe(variant, record, run, failed, seconds)

    # -- inside

    def _follow(self, mode: StageMode) -> None:
        self._mode = mode
        self._answers.clear()
        if mode.mode != "canary" or mode.generation is None:
            self._observed = self._counts = None
            forget_observed_keys(self._state)
            return
        self._is_in_share = share_test(mode.share, self._stage)
        self._observed = ObservedKeys(self._state, mode.generation)

    def _observe(
        self,
        variant: Literal["candidate", "stable"],
        record: Record,
        run: bytes,
        failed: bool,
        seconds: float | None,
    ) -> None:
        mode, observed = self._mode, self._observed
        if observed is None or mode is None or not observed.add(_key_of(record), run):
            return
        if self._counts is None:
            assert mode.generation is not None  # it is a canary's
            self._counts = {
                "generation": mode.generation, "candidate": no_counts(), "stable": no_counts(),
            }  # fmt: skip
        counts: VariantCounts = self._counts[variant]
        count_observation(counts, failed, seconds)

    async def _call_candidate(
        self, buffer: TransactionBuffer, events: Sequence[AdmittedEvent], attempt: int
    ) -> float | None:
        """Call the candidate, write its results and settle the events. Return how many seconds the
        call took; None if the candidate is lost, and nothing is done. Raises ReportedError, and
        what `Emit` does; then nothing of the call is in the buffer."""
        candidate = self._candidate
        assert candidate is not None  # it takes the events
        edge = events[0].path.edge
        is_first = attempt == 1 and not isinstance(events[0].record, ParkedEvent)
        answer = self._answers.pop(_place_of(events[0].record), None) if is_first else None
        if answer is None:
            try:
                call = self._call_with(buffer, candidate, events, attempt)
                (answer,) = await candidate.call([call])
            except CandidateLostError:
                self._candidate = None
                return None
        result = answer.result
        if result.outcome == "dead":
            raise reported_error(
                result.error,
                result.message,
                place=result.place,
                traceback=result.traceback,
                is_retryable=result.is_retryable,
            )
        lines = [event.path.count_lines(event.data) for event in events]  # it may raise, too
        self._write(buffer, events, edge, result)
        outcome = Outcome.DROPPED if result.outcome == "dropped" else Outcome.HANDLED
        for event, number in zip(events, lines, strict=True):
            buffer.settle(event.record, event.lineage, outcome).lines += number
        return result.seconds

    def _call_with(
        self,
        buffer: TransactionBuffer,
        candidate: StageCandidate,
        events: Sequence[AdmittedEvent],
        attempt: int,
    ) -> CandidateCall:
        takes_context = candidate.takes_context
        sent = [
            candidate_event(e.record, e.lineage, e.path.edge, takes_context=takes_context)
            for e in events
        ]
        version = events[0].path.edge.version
        return CandidateCall(version, sent, attempt, flags=buffer.flags.snapshot)

    def _write(
        self,
        buffer: TransactionBuffer,
        events: Sequence[AdmittedEvent],
        edge: InputEdge,
        result: CallResult,
    ) -> None:
        offsets = [event.record.offset for event in events]
        first = events[offsets.index(min(offsets))]
        more = max(offsets) - first.record.offset
        account = buffer.emitting_account(first.record, first.lineage, edge)
        inherited, journal = first.lineage.inherited, Journal()
        try:
            for output in result.outputs:
                emit = self._emitter(buffer, edge, output.event_type)
                if emit is not None:
                    emit(first.record, inherited, account, output, len(journal), more, journal)
        except BaseException:
            take_back(buffer, journal)
            raise

    def _emitter(self, buffer: TransactionBuffer, edge: InputEdge, event_type: str) -> Emit | None:
        """Return what writes the results of one type; None if the event's version does not have
        it."""
        place = edge, event_type
        if place not in self._emitters:
            assert edge.router is not None  # the event was admitted
            output = edge.router.by_event_type.get(event_type)
            self._emitters[place] = (
                None if output is None else make_emitter(buffer, edge, _written_output(output))
            )
        return self._emitters[place]


def _written_output(output: Output) -> Output:
    """Return an output for results that are JSON already."""
    return replace(
        output,
        encode=_value_of,
        read_key=output.read_key and _own_key_of,
        count_rows=output.count_rows and _lines_of,
    )


def _value_of(output: CandidateOutput) -> bytes:
    return output.value or b""


def _own_key_of(output: CandidateOutput) -> bytes | None:
    return output.key


def _lines_of(output: CandidateOutput) -> int:
    return count_rows(decode_json(output.value or b""))


def _place_of(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _key_of(record: Record) -> bytes:
    """Return what decides the variant of an event: its key, or its id, or its position."""
    if record.key is not None:
        return record.key
    return event_id_of(record) or b"%b/%d/%d" % (
        record.topic.encode(),
        record.partition,
        record.offset,
    )


def _never(_: bytes) -> bool:
    return False
