"""Which events of a lane does its candidate get to see as well, and what has come of that?

An event is chosen by a hash of its id. Once the stage's own function has settled it, and the
transaction that says so is committed, it is handed to the candidate with what was emitted. Nobody
waits for the comparison: what it says is counted in the state of the lane by a later transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.event_position import EventPosition
from farandole.events.header_codec import decode_headers
from farandole.events.outcome import UNTRIED, Outcome
from farandole.events.record import OutgoingRecord, Record
from farandole.events.retry_record import ParkedEvent
from farandole.events.shadow_counts import (
    SHADOW_PREFIX,
    Sample,
    ShadowCounts,
    chosen_key,
    count_name,
    counts_key,
    parse_chosen,
    parse_shadow_key,
)
from farandole.events.switch_document import CANDIDATE_MODES
from farandole.worker.candidates.candidate_messages import (
    CallOutcome,
    CallResult,
    CandidateOutput,
)
from farandole.worker.candidates.candidate_process import CandidateAnswer, CandidateCall
from farandole.worker.candidates.sent_event import candidate_event
from farandole.worker.candidates.stage_candidates import StageCandidate, StageCandidates
from farandole.worker.dead_letter_writer import ROW_DISCARDED
from farandole.worker.input_edge import InputEdge
from farandole.worker.lane_state import LaneState
from farandole.worker.ledger_entries import event_id_of
from farandole.worker.lineage import LineageResolver
from farandole.worker.row_gate import RowRejectedError
from farandole.worker.stage_controls import StageControls
from farandole.worker.transaction_buffer import BufferMark, TransactionBuffer

REPEATED_SHARE = 0.01
"""The share of the compared calls for which the stage's own function is called a second time."""
WRITE_SECONDS = 1.0
"""The least time between two rows of counts."""
_HASH_RANGE = 2**32
_REPEAT_SALT = b"again"
_OF_ROWS = frozenset((RowRejectedError.published_name, ROW_DISCARDED))
"""Errors of events that no function gets."""
_LOOK_AHEAD = 256
"""Records that are looked at in one go: a transaction may end before the others."""


class _SettledCall(NamedTuple):
    """A call of the stage's own function that is to be compared, once it is committed."""

    call: CandidateCall
    size: int


class _Tally:
    """The counts of one switch in one life of the lane: answers that come later belong to it, not
    to the next life."""

    def __init__(self, state: LaneState, generation: int) -> None:
        self.generation = generation
        self.chosen = parse_chosen(state.get(chosen_key(generation)))
        self.counts = ShadowCounts.from_row(state.get(counts_key(generation)))
        lost = max(0, self.chosen - self.counts.known)
        self.counts.lost += lost
        self.is_changed = lost > 0

    def note(self, answer: CandidateAnswer | None) -> None:
        """Count what came of one call."""
        self.is_changed = True
        counts = self.counts
        if answer is None or answer.comparison is None:
            counts.lost += 1
            return
        counts.candidate.add(answer.comparison.get("differs", ()))
        counts.candidate_times.add(answer.result.seconds)
        if answer.result.error:
            count_name(counts.errors, answer.result.error)
        if "sample" in answer.comparison:
            counts.add_sample(Sample.from_json(answer.comparison["sample"]))
        again = answer.stable_comparison
        if again is not None:
            counts.stable.add(again.get("differs", ()))
            counts.stable_times.add(again["seconds"])

    def skip(self) -> None:
        """Count a call that is not made."""
        self.is_changed = True
        self.counts.skipped += 1


class LaneShadow:
    """The shadow of one lane."""

    def __init__(
        self,
        candidates: StageCandidates | None,
        controls: StageControls,
        lineages: LineageResolver,
        state: LaneState,
        *,
        retry_topic: str | None,
        takes_batch: bool,
        repeats_stable: bool,
        clock: Callable[[], float],
    ) -> None:
        """Without `candidates` nothing is chosen. `retry_topic`: where the lane parks events; None
        if it cannot. `takes_batch`: whether the function takes a list. `repeats_stable`: whether it
        may be called a second time. `clock`: seconds of the epoch."""
        self._candidates = candidates
        self._controls = controls
        self._lineages = lineages
        self._state = state
        self._retry_topic = retry_topic
        self._takes_batch = takes_batch
        self._repeats_stable = repeats_stable
        self._clock = clock
        self._tally: _Tally | None = None
        self._candidate: StageCandidate | None = None
        self._limit = 0
        self._settled: list[_SettledCall] = []
        self._bases: dict[str, int] = {}
        """By topic, the hash of the beginning of a position in it."""
        self._types: dict[InputEdge, dict[str, str]] = {}
        """By edge, the event types of the stage's outputs by their topics."""
        self._written_at = 0.0

    # -- the lane

    def restore(self) -> None:
        """Begin with the state that was committed."""
        self._tally = None
        self._settled.clear()

    def start_batch(self) -> None:
        """Follow the mode of the stage, before a batch or while the lane is idle."""
        self._settled.clear()
        if self._candidates is None:
            return
        mode = self._controls.mode()
        candidate = self._candidates.current(mode)
        if mode.mode in CANDIDATE_MODES and mode.generation is not None:
            self._follow(mode.generation)
        is_shadow = mode.mode == "shadow" and self._state.is_kept
        self._candidate = candidate if is_shadow else None
        self._limit = round(mode.share * _HASH_RANGE) if self._candidate is not None else 0

    @property
    def chooses_events(self) -> bool:
        """True if single events are chosen; False also for a function of a list, which is compared
        call by call (`begin`)."""
        return self._limit > 0 and not self._takes_batch

    def next_stop(self, records: Sequence[Record], start: int) -> int:
        """Return the index of the next record from `start` on that is chosen or, if none of the
        next ones is, an index before which none is: it is to be asked again from there."""
        if self._limit >= _HASH_RANGE:
            return start
        limit, hashed = self._limit, self._hashed
        end = min(len(records), start + _LOOK_AHEAD)
        for index in range(start, end):
            if hashed(records[index]) < limit:
                return index
        return end

    def begin(self, buffer: TransactionBuffer, record: Record) -> BufferMark | None:
        """Return a mark to hand to `end`, before the function of a list is called with events of
        which this is the first; None if the call is not chosen."""
        if not self._limit or self._hashed(record) >= self._limit:
            return None
        return buffer.mark()

    def end(self, buffer: TransactionBuffer, mark: BufferMark, records: Sequence[Record]) -> None:
        """Take what the call with these events has put into the buffer since the mark, if it is
        final: none of them is parked, and the function was called."""
        outcome = _final_outcome(buffer, mark)
        if outcome is None or self._tally is None:
            return
        written = list(buffer.written_since(mark))
        if _has_parked(written, self._retry_topic):
            return
        try:
            lineages = [self._lineages.lineage(record) for record in records]
            edge, *_ = edges = [
                self._lineages.handling_edge(record, lineage)
                for record, lineage in zip(records, lineages, strict=True)
            ]
        except Exception:  # noqa: BLE001 -- hostile bytes: it is no event, and no function got it
            return
        if edge.router is None:
            return
        error = _error_of(written) if outcome == "dead" else ""
        if error in _OF_ROWS:
            return
        assert self._candidate is not None  # it was chosen
        takes_context = self._candidate.takes_context
        events = [
            candidate_event(*each, takes_context=takes_context)
            for each in zip(records, lineages, edges, strict=True)
        ]
        outputs = self._outputs(written, edge) if outcome == "handled" else []
        stable = CallResult(outcome, outputs, error=error)
        first = records[0]
        repeats = self._repeats_stable and _is_repeated(self._hashed(first))
        attempt = first.attempts + 1 if isinstance(first, ParkedEvent) else 1
        values = [event.value for event in events] + [output.value for output in outputs]
        size = sum([len(value) for value in values if value])
        call = CandidateCall(edge.version, events, attempt, stable, buffer.flags.snapshot, repeats)
        self._settled.append(_SettledCall(call, size))
        self._tally.chosen += 1

    def put_rows(self, *, at_once: bool = False) -> None:
        """Put into the state what the next transaction is to say. `at_once`: also what was counted
        less than a second ago."""
        tally = self._tally
        if tally is None:
            return
        if self._settled:
            self._state.put(chosen_key(tally.generation), b"%d" % tally.chosen)
        now = self._clock()
        if tally.is_changed and (at_once or now >= self._written_at + WRITE_SECONDS):
            self._state.put(counts_key(tally.generation), tally.counts.to_row())
            tally.is_changed, self._written_at = False, now

    def committed(self) -> None:
        """Hand the settled calls to the candidate: what their events came to is final."""
        tally, candidate = self._tally, self._candidate
        for call, size in self._settled:
            assert tally is not None  # it was chosen
            if candidate is None:
                tally.note(None)
            elif not candidate.offer(call, size, tally.note):
                tally.skip()
        self._settled.clear()

    # -- inside

    def _follow(self, generation: int) -> None:
        """Count for the switch with this generation, and remove what was counted for others."""
        if self._tally is not None and self._tally.generation == generation:
            return
        for key in self._state.rows_with(SHADOW_PREFIX):
            named = parse_shadow_key(key)
            if named is None or named[0] != generation:
                self._state.put(key, None)
        self._tally = _Tally(self._state, generation)

    def _hashed(self, record: Record) -> int:
        """Return the hash of what names the event of a record at every attempt: its id, or its
        position."""
        id_ = event_id_of(record) if record.headers else None
        if id_:
            return crc32(id_)
        base = self._bases.get(record.topic)
        if base is None:  # a lane has one partition of a topic
            place = f"{record.topic}/{record.partition}/".encode()
            base = self._bases[record.topic] = crc32(place)
        return crc32(b"%d" % record.offset, base)

    def _outputs(
        self, written: Sequence[tuple[str, OutgoingRecord]], edge: InputEdge
    ) -> list[CandidateOutput]:
        """Return the results among the records that were written, in the order in which the
        function gave them."""
        types = self._types.get(edge)
        if types is None:
            assert edge.router is not None
            outputs = edge.router.by_event_type.values()
            types = self._types[edge] = {each.topic: each.event_type for each in outputs}
        found = [(types[topic], record) for topic, record in written if topic in types]
        if len(found) > 1:
            found.sort(key=lambda each: _index_of(each[1]))
        return [CandidateOutput(name, record.key, record.value) for name, record in found]


def _is_repeated(position_hash: int) -> bool:
    """Return True for a share of the chosen calls that does not depend on the share of these."""
    return crc32(_REPEAT_SALT + b"%d" % position_hash) < REPEATED_SHARE * _HASH_RANGE


def _final_outcome(buffer: TransactionBuffer, mark: BufferMark) -> CallOutcome | None:
    """Return what became of the events that were settled since the mark; None if the function was
    not called with them."""
    changed = buffer.outcomes_since(mark)
    if buffer.has_forwarded_since(mark) or any(changed[outcome] for outcome in UNTRIED):
        return None
    if changed[Outcome.DEAD]:
        return "dead"
    return "dropped" if changed[Outcome.DROPPED] else "handled"


def _has_parked(written: Iterable[tuple[str, OutgoingRecord]], retry_topic: str | None) -> bool:
    """Return True if an event waits for another try, for the first time or again."""
    return any(topic == retry_topic and row.value is not None for topic, row in written)


def _index_of(record: OutgoingRecord) -> int:
    return EventPosition.parse(dict(decode_headers(record.headers))["ce_id"].decode()).index


def _error_of(written: Iterable[tuple[str, OutgoingRecord]]) -> str:
    name = f"{DEAD_HEADER_PREFIX}error"
    for _, record in written:
        for header, value in decode_headers(record.headers):
            if header == name:
                return value.decode(errors="replace")
    return ""
