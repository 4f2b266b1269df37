"""What does one call of a stage's function come to, outside of a lane?

The function is called as a lane calls it, and its results are written as a lane writes them, but
into a buffer that nobody commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from farandole.events.dead_letter import MAX_DEAD_MESSAGE_LENGTH, safe_error_message
from farandole.events.error_names import published_error_name
from farandole.events.event_position import EventPosition
from farandole.events.header_codec import decode_headers
from farandole.events.outcome import Outcome
from farandole.events.record import Header, Partition, PartitionWrites
from farandole.events.safe_text import escape_surrogates
from farandole.events.topology_version import StageSpec, Version
from farandole.stages.function_loader import StageFunction
from farandole.stages.user_traceback import error_place, format_user_traceback
from farandole.worker.admission import AdmittedEvent
from farandole.worker.call_time import NO_LIMITS
from farandole.worker.candidates.candidate_messages import (
    CallResult,
    CandidateEvent,
    CandidateOutput,
)
from farandole.worker.candidates.worker_limits import WorkerLimits
from farandole.worker.codecs import as_stage_error, input_decoder
from farandole.worker.event_facts import describe_events
from farandole.worker.event_path import EventPath
from farandole.worker.execution import Execution
from farandole.worker.flag_snapshot import NO_FLAGS, FlagSnapshot
from farandole.worker.input_edge import InputEdge, Lineage
from farandole.worker.invoker import Invoker
from farandole.worker.ledger_entries import EdgeAccount
from farandole.worker.log_origin import logged_as
from farandole.worker.output_routing import OutputRouter, holds_lines
from farandole.worker.retry_policy import FINAL_ERRORS, is_retryable
from farandole.worker.transaction_buffer import TransactionBuffer

_MAX_TRACEBACK = 8_000  # characters from its end, as in a dead letter


class _CalledRecord(NamedTuple):
    """The record of an event that a candidate gets."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class FunctionCaller:
    """Calls one function of a stage, whose settings are those of the newest version."""

    def __init__(
        self,
        pipeline: str,
        stage: str,
        settings: StageSpec,
        code: StageFunction,
        limits: WorkerLimits | None = None,
    ) -> None:
        """Without `limits` a function that waits for one fails."""
        self._stage = stage
        self._settings = settings
        self.signature = code.signature
        self._limits = limits
        runs_in_thread = settings.threads and code.signature.kind in ("plain", "generator")
        self._invoker = Invoker(
            pipeline,
            stage,
            settings,
            code.function,
            code.signature,
            ThreadPoolExecutor(1) if runs_in_thread else None,
            call_started=lambda _: None,
            call_ended=lambda _: None,
            limits=limits or NO_LIMITS,
        )
        self._execution = Execution(self._invoker, time.monotonic)
        self._decode = input_decoder(code.signature)
        self._paths: dict[tuple[int, str, str], EventPath] = {}

    async def call(
        self,
        version: Version,
        events: Sequence[CandidateEvent],
        attempt: int,
        flags: FlagSnapshot = NO_FLAGS,
    ) -> CallResult:
        """Call the function with these events, several only if it takes a list, and return what
        came of it. `version` handles them. Raises MemoryError and asyncio.CancelledError alone."""
        buffer = TransactionBuffer(self._stage, time.time(), flags)
        began = time.perf_counter() - self._waited()
        try:
            admitted = [self._admit(version, event) for event in events]
            with logged_as(partial(describe_events, self._stage, admitted)):
                began = time.perf_counter() - self._waited()
                if self.signature.takes_batch:
                    await self._execution.handle_batch(buffer, admitted, attempt)
                else:
                    (one,) = admitted
                    await self._execution.handle_one(buffer, one, attempt)
        except MemoryError:
            raise
        except BaseException as raised:  # noqa: BLE001 -- a function may raise anything, or exit
            return self._failure(as_stage_error(raised), self._seconds_since(began))
        seconds = self._seconds_since(began)
        first = admitted[0]
        account = buffer.emitting_account(first.record, first.lineage, first.path.edge)
        outputs = _outputs_in_order(buffer.close(), _types_by_topic(first.path.edge.router))
        return CallResult(
            "dropped" if account.outcomes[Outcome.DROPPED] else "handled",
            outputs,
            _lines(account),
            seconds=seconds,
        )

    def _waited(self) -> float:
        return 0.0 if self._limits is None else self._limits.waited

    def _seconds_since(self, began: float) -> float:
        """Return the seconds since then without those in which the function waited for limits."""
        return time.perf_counter() - self._waited() - began

    def _admit(self, version: Version, event: CandidateEvent) -> AdmittedEvent:
        record = _CalledRecord(
            event.topic,
            event.partition,
            event.offset,
            event.timestamp,
            event.key,
            event.value,
            event.headers,
        )
        path = self._path(version, event)
        lineage = Lineage(
            path.edge, event.run, (0, b""), attributes=event.attributes, is_root=event.is_root
        )
        raw = event.value or b""
        return AdmittedEvent(record, lineage, path, self._decoder(path.edge)(raw), raw)

    def _path(self, version: Version, event: CandidateEvent) -> EventPath:
        name = version.version, event.event_type, event.id_name
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = self._make_path(version, event)
        return path

    def _make_path(self, version: Version, event: CandidateEvent) -> EventPath:
        router = OutputRouter(
            version, event.event_type, self._stage, self.signature, self._settings
        )
        edge = InputEdge(
            version,
            event.event_type,
            router,
            ("ce_topologyversion", version.name.encode()),
            subscribers=list(version.subscribers(event.event_type)),
            holds_lines=holds_lines(version.events[event.event_type]),
            id_name=event.id_name,
        )
        return EventPath(edge, router, self._invoker, self._decode)

    def _decoder(self, edge: InputEdge) -> Callable[[bytes], Any]:
        # Not `EventPath.prepare`: the lane has asked the filter.
        assert edge.router is not None
        return edge.router.member_decode or self._decode

    def _failure(self, error: BaseException, seconds: float) -> CallResult:
        shows_frames = not isinstance(error, FINAL_ERRORS)
        return CallResult(
            "dead",
            error=escape_surrogates(published_error_name(type(error))),
            message=escape_surrogates(safe_error_message(error)[:MAX_DEAD_MESSAGE_LENGTH]),
            place=escape_surrogates(error_place(error) or ""),
            traceback=escape_surrogates(format_user_traceback(error)[-_MAX_TRACEBACK:])
            if shows_frames
            else "",
            is_retryable=is_retryable(self._settings.retry, error),
            seconds=seconds,
        )


def _types_by_topic(router: OutputRouter | None) -> Mapping[str, str]:
    assert router is not None  # the edge was made with one
    return {output.topic: output.event_type for output in router.by_event_type.values()}


def _outputs_in_order(
    writes: PartitionWrites, types: Mapping[str, str]
) -> Sequence[CandidateOutput]:
    """Return the results of one call in the order in which it gave them, which is the order of
    their ids."""
    found: list[tuple[int, CandidateOutput]] = []
    records = [(place, record) for place, several in writes.items() for record in several]
    for place, (key, value, headers) in records:
        index = 0
        if len(records) > 1:
            id_ = dict(decode_headers(headers))["ce_id"]
            index = EventPosition.parse(id_.decode()).index
        found.append((index, CandidateOutput(types[Partition(*place).topic], key, value)))
    return [output for _, output in sorted(found, key=lambda each: each[0])]


def _lines(account: EdgeAccount) -> Mapping[str, int]:
    return {output.event_type: number for output, number in account.emitted_lines.items() if number}
