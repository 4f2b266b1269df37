"""In which order are a lane's events handled, and what goes into one transaction?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import length_hint
from typing import Any, NamedTuple

from farandole.events.canary_counts import CanaryCounts
from farandole.events.canary_row import canary_partition
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import ParkedEvent
from farandole.lanes.lane_port import LaneStoppedError, PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult, DeferredEvents, DrainedInputs, InputThrottle
from farandole.worker.admission import Admission, AdmittedEvent
from farandole.worker.call_time import CallAbandonedError
from farandole.worker.candidates.lane_canary import LaneCanary
from farandole.worker.candidates.lane_shadow import LaneShadow
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.counters import Counters
from farandole.worker.data_profiler import DataProfiler
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.event_facts import describe_events
from farandole.worker.event_path import EventPaths
from farandole.worker.execution import Execution
from farandole.worker.input_waits import InputWaits
from farandole.worker.invoker import Invoker
from farandole.worker.lane_state import LaneState
from farandole.worker.ledger_entries import EdgeAccount, canary_entry, event_id_of
from farandole.worker.limits import MAX_TRANSACTION_AGE, MAX_TRANSACTION_BYTES, TIME_SLICE
from farandole.worker.lineage import LOOKUP_ERRORS, LineageResolver, root_run_id
from farandole.worker.log_origin import logged_as
from farandole.worker.parked_events import queue_key_of
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.retry_executor import RetryExecutor
from farandole.worker.retry_queue import RetryQueue, Turn
from farandole.worker.row_gate import RowParkedError
from farandole.worker.run_gate import RunGate
from farandole.worker.stage_controls import StageControls
from farandole.worker.throttle.lane_throttle import LaneThrottle
from farandole.worker.transaction_buffer import TransactionBuffer

UNTRIED_ERRORS = (*LOOKUP_ERRORS, RowParkedError)
"""Errors of the straight path that are no failure of the event: it has not been tried."""


class LaneTopics(NamedTuple):
    """The topics that a lane writes to, besides those of its results."""

    dead: str
    ledger: str
    retry: str | None = None
    """None if no event can be parked, and every try is made in place."""
    alerts: str = ""
    """Where the alerts of the circuit breaker are written; unused without `retry`."""
    state: str | None = None
    """None if what the lane puts into its state is lost when it ends."""


class LaneProcessor:
    """The work of one lane of a stage: `farandole.lanes.lane_work.LaneWork`."""

    def __init__(
        self,
        invoker: Invoker,
        lineages: LineageResolver,
        topics: LaneTopics,
        lane: int,
        *,
        on_committed: Callable[[Counters], None],
        controls: StageControls,
        candidates: StageCandidates | None = None,
        parked_memory: ParkedMemory | None = None,
        drained: Callable[[LaneState], DrainedInputs] | None = None,
        throttle: Callable[[Callable[[], BatchResult | None]], LaneThrottle] | None = None,
        gate: RunGate | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_committed` gets the counts of each committed transaction; `candidates` and
        `parked_memory` are shared by the lanes of a process. Without `candidates` none is called.
        `drained` gets the lane's state and makes what a drain asks; without it a drain is nothing
        to the lane. `throttle` gets what returns the rows that the lane has to write now, and makes
        what slows it down; without it no rate is in force. Without `gate` no run waits for a
        verdict. `clock` returns seconds of the epoch.
        `monotonic` returns seconds that never go back; it ends slices of time and transactions, so
        a simulation passes a fixed one."""
        self._stage = invoker.stage
        self._invoker = invoker
        self._lineages = lineages
        self._ledger_topic = topics.ledger
        self._lane = lane
        self._on_committed = on_committed
        self._controls = controls
        self._clock = clock
        self._monotonic = monotonic
        self._has_just_opened = False
        retry_partition = None if topics.retry is None else Partition(topics.retry, lane)
        memory = parked_memory or ParkedMemory()
        self.dead_letters = DeadLetterWriter(invoker.stage, topics.dead, lineages)
        self._retry_queue = RetryQueue(
            invoker,
            lineages,
            retry_partition,
            topics.alerts,
            clock,
            memory,
            controls.hold_ended_at,
            self.dead_letters.write_failed,
        )
        self.state = LaneState(None if topics.state is None else Partition(topics.state, lane))
        """What the lane keeps: who puts a row there has it written in the next transaction."""
        self._drained = None if drained is None else drained(self.state)
        self._throttle = None if throttle is None else throttle(self._on_throttled)
        self._gate = gate
        self._waits: InputThrottle | None = self._throttle
        if gate is not None:
            self._waits = InputWaits(gate, self._throttle, self._on_throttled)
        self._profiler = DataProfiler(
            invoker.pipeline,
            invoker.stage,
            lane,
            lineages,
            topics.ledger,
            self.state,
        )
        self._paths = EventPaths(invoker)
        self._admission = Admission(
            invoker.stage, lineages, self._paths, self.dead_letters, controls, gate
        )
        self._execution = Execution(invoker, monotonic)
        self._canary = LaneCanary(
            invoker.stage,
            self._execution,
            candidates,
            controls,
            lineages,
            self.state,
            monotonic,
        )
        self._shadow = LaneShadow(
            candidates,
            controls,
            lineages,
            self.state,
            retry_topic=topics.retry,
            takes_batch=invoker.signature.takes_batch,
            repeats_stable=not invoker.settings.has_effects,
            clock=clock,
        )
        self._executor = RetryExecutor(
            invoker.settings.retry,
            self._admission,
            self._execution,
            self._canary,
            self._retry_queue,
            self.dead_letters,
            self._shadow,
            clock,
        )

    # -- lanes.lane_work.LaneWork

    @property
    def deferred(self) -> DeferredEvents | None:
        return self._retry_queue.deferred

    @property
    def parked_events(self) -> int:
        """How many events wait in the lane's state."""
        return self._retry_queue.parked_events

    @property
    def is_breaker_open(self) -> bool:
        """True if nothing but probes is tried."""
        return self._retry_queue.is_breaker_open

    @property
    def drained(self) -> DrainedInputs | None:
        return self._drained

    @property
    def throttle(self) -> InputThrottle | None:
        return self._waits

    @property
    def timed(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        self._has_just_opened = True
        if self._throttle is not None:
            self._throttle.open()
        if self.deferred is not None:
            self._retry_queue.restore(tables[self.deferred.state_input.topic])
        if self.state.partition is not None:
            self.state.restore(tables[self.state.partition.topic])
        self._shadow.restore()
        self._canary.restore()
        self._profiler.restore()

    def on_idle(self) -> BatchResult | None:
        self._follow_mode()
        self._retry_queue.input_idle()
        self._shadow.start_batch()
        self._follow_canary()
        return self._rest()

    def on_hold(self) -> BatchResult | None:
        self._follow_mode()
        self._shadow.start_batch()
        if self._controls.mode().mode != "hold":  # afterwards the canary is in force again
            self._follow_canary()
        return self._rest()

    def _on_throttled(self) -> BatchResult | None:
        self._retry_queue.input_idle()
        return self._write_state()

    def _rest(self) -> BatchResult | None:
        if self._throttle is not None:
            self._throttle.note_idle()
        return self._write_state()

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        try:
            with logged_as(self._describe_call):
                return await self._handle(records)
        except CallAbandonedError:
            raise LaneStoppedError from None
        finally:
            self._execution.handled = ()

    async def _handle(self, records: Sequence[Record]) -> BatchResult:
        buffer, queue = self.new_buffer(), self._retry_queue
        self._follow_mode()
        self._lineages.start_batch()
        if self._has_just_opened:
            # The lane may have opened because a topic was created again: which life this is decides
            # the ids, and only the newest version says it.
            await self._lineages.refresh()
            self._has_just_opened = False
        are_parked = isinstance(records[0], ParkedEvent)  # all of the batch or none
        if self._gate is not None and not are_parked:
            records = records[: await self._gate.open_part(records)]
            if not records:
                return BatchResult(0, {})
        self._follow_canary()
        self._shadow.start_batch()
        began = self._monotonic()
        ends = began + MAX_TRANSACTION_AGE
        room = None
        if self._throttle is not None and not are_parked:
            room = self._throttle.room(records)
        queue.limit_keys(self._controls.throttle().per_key)
        done = rows = group_end = 0
        shadow_stop = 0 if self._shadow.chooses_events else len(records)
        while done < len(records) and not queue.is_blocking:
            if done == group_end:
                if room is not None and not room.has_more(done, buffer):
                    break
                group_end = self._end_of_group(records, done)
                if room is not None:
                    group_end = min(group_end, room.end)
            turn = queue.admit(buffer, records[done])
            if shadow_stop <= done:
                shadow_stop = self._shadow.next_stop(records, done)
            mark = buffer.mark() if shadow_stop == done and turn is Turn.NOW else None
            first = done
            if turn is Turn.ROW:
                done, rows = done + 1, rows + 1
            elif turn is Turn.SKIP:
                done += 1
            elif self._invoker.signature.takes_batch:
                end = min(group_end, done + queue.limit(records[done]))
                done += await self._executor.settle_batch(buffer, records[done:end])
            elif turn is Turn.BLOCKED:
                await self._executor.defer(buffer, records[done])
                done += 1
            elif (
                self._execution.is_straight
                and not are_parked
                and not queue.limits_keys
                and not self._canary.takes(records[done])
            ):
                end = done + 1 if mark is not None else min(group_end, shadow_stop)
                end = self._canary.end_of_stable(records, done, end)
                waiting = iter(records[done:end])
                at_work = partial(self._describe_last_of, waiting, records, end)
                with logged_as(at_work):
                    done, error = self._run_straight(buffer, waiting, done)
                if error is not None:
                    first_failure = None if isinstance(error, UNTRIED_ERRORS) else error
                    await self._executor.settle_one(buffer, records[done], first_failure)
                    # The traceback refers to this frame: a variable with it would be a cycle.
                    error = first_failure = None
                    done += 1
            else:
                if not are_parked and self._canary.takes(records[done]):
                    # An open breaker lets one event through.
                    end = done + min(group_end - done, queue.limit(records[done]))
                    await self._canary.call_ahead(buffer, records[done:end], self._preview)
                await self._executor.settle_one(buffer, records[done])
                done += 1
            if mark is not None:
                self._shadow.end(buffer, mark, [records[first]])
            if not are_parked and queue.input_done(done - rows):
                break
            size = buffer.bytes + buffer.accounts.estimated_bytes + buffer.flags.estimated_bytes
            full = size >= MAX_TRANSACTION_BYTES
            if full or self._monotonic() >= ends or self._invoker.limits.is_short():
                break
            await self._execution.yield_to_loop()
        if not are_parked:  # parked events were counted as consumed when they came
            buffer.counters.consumed += done - rows
        if room is not None and self._throttle is not None:
            self._throttle.charge(buffer)
        queue.flush(buffer, records[0])
        if buffer.mended:  # the profiler asks for their lineages, before anybody has tried them
            await self._lineages.refresh()
        return self._close_transaction(records[:done], buffer, self._monotonic() - began)

    def new_buffer(self) -> TransactionBuffer:
        """Return the buffer of a transaction that begins now."""
        controls = self._controls
        return TransactionBuffer(self._stage, self._clock(), controls.flags(), controls.in_force())

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        buffer = self.new_buffer()
        buffer.counters.consumed += not isinstance(record, ParkedEvent)
        await self._lineages.refresh()
        lineage = self._lineages.lineage_or_stray(record)
        if not self._admission.settle_if_cancelled(buffer, record, lineage):
            self.dead_letters.write_crashed(buffer, record, lineage, deaths)
        self._retry_queue.complete(buffer, record)
        return self._close_transaction([record], buffer, 0.0)

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        self._on_committed(done.receipt)
        self._shadow.committed()

    async def close(self) -> BatchResult | None:
        self._shadow.put_rows(at_once=True)
        return self._write_state()

    # -- inside

    def _follow_mode(self) -> None:
        """Work by the mode in which the stage is now."""
        self._retry_queue.follow_cancellations(self._controls.cancelled_runs())
        bypassed = self._controls.mode().mode == "bypass"
        if bypassed or self._paths.bypassed:
            # Where the stage cannot be bypassed, it is as if nobody had switched it.
            self._paths.bypassed = bypassed and self._paths.can_bypass(self._lineages.newest)
            self._retry_queue.set_bypass(self._paths.bypassed)

    def _follow_canary(self) -> None:
        self._canary.start_batch()
        self._retry_queue.follow_candidate(self._canary.candidate)

    def _write_state(self) -> BatchResult | None:
        """Return the rows of the state that no transaction has; None if there are none."""
        buffer = self.new_buffer()
        self._add_rows(buffer)
        if not (self.state.has_unwritten or buffer.bytes):
            return None
        return self._make_result((), buffer, 0.0)

    def _close_transaction(
        self, done: Sequence[Record], buffer: TransactionBuffer, seconds: float
    ) -> BatchResult:
        self._add_rows(buffer)
        return self._make_result(done, buffer, seconds)

    def _add_rows(self, buffer: TransactionBuffer) -> None:
        """Add what the lane has to say beside the events of a transaction."""
        self._shadow.put_rows()
        if self._throttle is not None:
            self._throttle.write_rows(buffer)

    def _make_result(
        self, done: Sequence[Record], buffer: TransactionBuffer, seconds: float
    ) -> BatchResult:
        """Return what is to be written; `done`: the records that are settled or parked."""
        canary = self._canary.put_rows()
        entries = self._profiler.entries(buffer)  # may put rows of the state
        self.state.flush(buffer)
        counted = buffer.accounts.ledger_records(
            self._ledger_topic,
            self._invoker.pipeline,
            self._stage,
            self._lane,
            written_at=int(self._clock() * 1000),
            handling_seconds=seconds,
            flag_reads=buffer.flags.counts(),
            controls=buffer.controls_in_force(),
            is_proven=not self._invoker.settings.is_relayed,
        )
        for partition, values in counted.items():
            entries.setdefault(partition, []).extend(values)
        if canary is not None:
            self._add_observations(entries, canary)
        return BatchResult(len(done), {**buffer.close(), **entries}, buffer.counters)

    def _add_observations(
        self, entries: dict[Partition, list[OutgoingRecord]], canary: CanaryCounts
    ) -> None:
        """Add what was observed under a canary to the entries of a transaction."""
        partitions = self._lineages.newest.ledger
        if partitions:  # the version is newer than the ledger
            of_stage = self._invoker.pipeline, self._stage
            number = canary_partition(*of_stage, partitions)
            value = canary_entry(*of_stage, self._lane, canary, at=int(self._clock() * 1000))
            entries.setdefault(Partition(self._ledger_topic, number), []).append(
                OutgoingRecord(None, value)
            )

    def _preview(self, record: Record) -> AdmittedEvent | None:
        """Return the event of the input that a record has; None if it may have to wait, or may not
        be handled."""
        if queue_key_of(record) in self._retry_queue.blocked_keys:
            return None
        return self._admission.preview(record)

    def _end_of_group(self, records: Sequence[Record], start: int) -> int:
        """Return the end of the group of records from `start` on that are all input, or all rows of
        the retry topic."""
        if records[start].topic == records[-1].topic:
            return len(records)
        are_rows = self._retry_queue.contains_row(records[start])
        for index in range(start, len(records)):
            if self._retry_queue.contains_row(records[index]) != are_rows:
                return index
        return len(records)

    def _run_straight(
        self, buffer: TransactionBuffer, waiting: Iterator[Record], first: int
    ) -> tuple[int, BaseException | None]:
        """Handle events of the input without an await, until the slice of time ends, an event fails
        or one has to wait. `first` is the index of the first of them. Returns the index of the
        first that is not settled, and the error if that one failed, else None."""
        lineage_of, root_edge = self._lineages.lineage, self._lineages.root_edge
        account_for, path_of = buffer.accounts.account_for, self._paths.path_of
        needs_lineage = self._invoker.signature.context_parameter is not None
        blocked_keys, cancelled_runs = (
            self._retry_queue.blocked_keys,
            self._controls.cancelled_runs(),
        )
        monotonic = self._monotonic
        observed = self._canary.observed_straight if self._canary.is_active else None
        # Kept for the next event, which mostly has the same edge and run.
        last_edge = last_inherited = straight = edge_straight = None
        account: EdgeAccount = None  # type: ignore[assignment]  # set with `straight`
        book: Callable[[bytes], None] = None  # type: ignore[assignment]
        root_run: bytes | None = None
        values: list[bytes] | None = None
        times: list[int] | None = None
        outcomes: dict[Outcome, int] = {}  # of `account`, but for HANDLED
        at, untried = first, 0
        slice_ends = monotonic() + TIME_SLICE
        for record in waiting:
            if blocked_keys and queue_key_of(record) in blocked_keys:
                break
            try:
                raw = record.value
                if record.headers or needs_lineage:
                    lineage = lineage_of(record)
                    edge, inherited = lineage.edge, lineage.inherited
                    if lineage.data is not None:
                        raw = lineage.data
                else:
                    lineage = None
                    edge, inherited = root_edge(record)
                if edge is not last_edge:
                    path = path_of(edge)
                    edge_straight = None if path is None else path.open(buffer).straight
                    if observed is not None and edge_straight is not None:
                        edge_straight = observed(edge_straight)
                if inherited is not last_inherited or edge is not last_edge:
                    last_inherited, last_edge, straight = inherited, edge, edge_straight
                    if outcomes:
                        untried += buffer.count_all(account, outcomes)
                    if straight is not None:
                        run = root_run_id(inherited) if lineage is None else lineage.run
                        is_root = lineage is None or lineage.is_root
                        account = account_for(edge, run, record, is_root=is_root)
                        book, root_run = account.ids.append, run if is_root else None
                        values, times = account.consumed_values, account.consumed_at
                        if cancelled_runs and run in cancelled_runs:
                            straight = _settle_cancelled
                if straight is None:  # the version does not send the event here: it is not counted
                    untried += 1
                    at += 1
                    continue
                outcome = straight(record, raw or b"", lineage, inherited, account)
            except BaseException as raised:  # noqa: BLE001 -- without an await there is no cancellation
                # No variable of this frame may keep the error: with its traceback that is a cycle,
                # and the buffer would be left to the garbage collector.
                self._count_tries(buffer, account, outcomes, at - first - untried)
                return at, raised
            if outcome is not None:
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
            book(event_id_of(record) if root_run is None else root_run)
            if values is not None:
                values.append(raw or b"")
                if times is not None:
                    times.append(record.timestamp)
            at += 1
            if monotonic() >= slice_ends or buffer.bytes >= MAX_TRANSACTION_BYTES:
                break
        self._count_tries(buffer, account, outcomes, at - first - untried)
        return at, None

    def _describe_call(self) -> Mapping[str, Any]:
        """Return what describes the call under way, which is none of `_run_straight`."""
        return describe_events(self._stage, self._execution.handled)

    def _describe_last_of(
        self, waiting: Iterator[Record], records: Sequence[Record], end: int
    ) -> Mapping[str, Any]:
        """Return what describes the record that `waiting` gave last: an iterator over the records
        before `end`, which counts, so the loop over it need not."""
        record = records[end - length_hint(waiting) - 1]
        lineage = self._lineages.lineage_or_stray(record)
        return describe_events(self._stage, ((record, lineage),))

    def _count_tries(
        self,
        buffer: TransactionBuffer,
        account: EdgeAccount,
        outcomes: dict[Outcome, int],
        tries: int,
    ) -> None:
        """Count the outcomes of `account` that are not counted yet, and the tries that succeeded:
        `tries`, less those of these outcomes for which the function was not called."""
        if outcomes:
            tries -= buffer.count_all(account, outcomes)
        if tries > 0:
            self._retry_queue.count_successes(tries)


def _settle_cancelled(*_: object) -> Outcome:
    return Outcome.CANCELLED
