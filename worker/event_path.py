"""Through which steps of a stage does an event go: filter, decoding, function, outputs?

An `EventPath` is made once per edge, from the codec, the filter, the call and the output routing
that the event's version asks for. `open` binds it to one transaction. There are two ways to handle
an event, made of the same pieces: the straight path, one compiled closure without an await; and the
general one, piece by piece with awaits between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from farandole.catalog.stage_bypass import bypass_obstacle
from farandole.events.envelope import UnreadableEventError
from farandole.events.header_codec import HeaderBlock
from farandole.events.outcome import Outcome
from farandole.events.record import Record
from farandole.events.topology_version import Version
from farandole.stages.contract import To
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import type_title
from farandole.worker.codecs import (
    InvalidResultError,
    PassedEvent,
    count_rows,
    decode_json,
    input_decoder,
)
from farandole.worker.emitter import Emit, Journal, make_emitter, take_back
from farandole.worker.event_facts import HandledEvent, event_attributes
from farandole.worker.flag_reads import FlagReads
from farandole.worker.input_edge import InputEdge, Lineage
from farandole.worker.invoker import Invoker
from farandole.worker.ledger_entries import EdgeAccount
from farandole.worker.limits import MAX_EVENT_BYTES
from farandole.worker.output_routing import (
    Output,
    OutputRouter,
    UndeclaredOutputError,
    bind_outputs,
)
from farandole.worker.transaction_buffer import OutputTooLargeError, TransactionBuffer

Finish = Callable[[Record, bytes, HeaderBlock, EdgeAccount, Any], Outcome | None]
"""`finish(record, raw, inherited, account, result)` writes the one result of an event whose data
are `raw`. Returns its outcome if that is not HANDLED. Raises what `Emit` does, and
InvalidResultError."""

Straight = Callable[[Record, bytes, Lineage | None, HeaderBlock, EdgeAccount], Outcome | None]
"""`straight(record, raw, lineage, inherited, account)` handles an event from its bytes to its
results. Returns its outcome if that is not HANDLED. Raises what the function and `Finish` do."""


class EventPath:
    """The steps through which a stage handles the events of one edge."""

    def __init__(
        self,
        edge: InputEdge,
        router: OutputRouter,
        invoker: Invoker,
        decode: Callable[[bytes], Any],
        *,
        is_bypass: bool = False,
    ) -> None:
        """`decode` reads the function's argument, unless the router has a decoder for this event
        type. `is_bypass`: the events go on as they came."""
        self.edge = edge
        self.is_bypass = is_bypass
        self.declares_outputs = bool(router.by_event_type)
        self.fixed_arguments = router.fixed_arguments
        self.is_passthrough = invoker.signature.is_passthrough
        self.discards_results = invoker.signature.is_passthrough and not self.declares_outputs
        """The stage is the last of its path: what the function passes through goes nowhere."""
        self.owes_result = self.declares_outputs and not invoker.signature.may_give_nothing
        """The function says that it returns an event: None is an error, not a dropped event."""
        self._router = router
        self._invoker = invoker
        self._decode = router.member_decode or decode
        self.prepare = _preparer(router, self._decode)
        """`prepare(record, raw, lineage)` returns the data of an event, or Outcome.FILTERED. Raises
        UnreadableEventError, and what `Codec.decoder`, the filter and a `RowGate` do."""

    def arguments(
        self, handled: Sequence[HandledEvent], attempt: int, flags: FlagReads
    ) -> Mapping[str, Any]:
        """Return what the function gets beside the data of these events. `flags`: those of the
        transaction."""
        return self._invoker.arguments(self.fixed_arguments, handled, attempt, flags)

    def count_lines(self, data: Any) -> int:
        """Return the number of lines in the data of an event; 0 if an event is no list. Raises
        UnreadableEventError."""
        return count_rows(data) if self.edge.holds_lines else 0

    def missing_result(self) -> InvalidResultError:
        """Return the error of a function that returned None and `owes_result`."""
        schemas = self._invoker.signature.output_schemas
        promised = "the event" if self.is_passthrough else " | ".join(map(type_title, schemas))
        return InvalidResultError(
            f"it gave nothing, where it says that it gives {promised}; return None only where the "
            "annotation says `| None`"
        )

    def open(self, buffer: TransactionBuffer) -> OpenPath:
        """Return what writes into one transaction."""
        opened: OpenPath | None = buffer.open_paths.get(self.edge)
        if opened is None:
            opened = buffer.open_paths[self.edge] = OpenPath(self, self._router, buffer)
        return opened

    def compile_straight(self, opened: OpenPath) -> Straight:
        """Return the straight path of this edge, for a stage whose function is called in place and
        returns one result."""
        signature, function = self._invoker.signature, self._invoker.function
        decode, finish, emitters = self._decode, opened.finish, opened.emitters
        prepare, holds_lines = self.prepare, self.edge.holds_lines
        flags = opened.buffer.flags
        takes_data_alone = signature.context_parameter is None and signature.parameter_model is None

        # Most events go through this. It calls `finish` only where it must, because one more call
        # costs 1 % of an event.
        def plain(
            record: Record,
            raw: bytes,
            lineage: Lineage | None,
            inherited: HeaderBlock,
            account: EdgeAccount,
        ) -> Outcome | None:
            result = function(decode(raw))
            emit = emitters.get(type(result))
            if emit is None:
                return finish(record, raw, inherited, account, result)
            emit(record, inherited, account, result)
            return None

        def with_everything(
            record: Record,
            raw: bytes,
            lineage: Lineage | None,
            inherited: HeaderBlock,
            account: EdgeAccount,
        ) -> Outcome | None:
            data = prepare(record, raw, lineage)
            if data is Outcome.FILTERED:
                return Outcome.FILTERED
            # Counted before the result is written: what raises must leave nothing in the
            # transaction.
            lines = count_rows(data) if holds_lines else 0
            if takes_data_alone:
                result = function(data)
            else:
                result = function(data, **self.arguments(((record, lineage),), 1, flags))
            outcome = finish(record, raw, inherited, account, result)
            account.lines += lines
            return outcome

        is_asked = self._router.accepts is not None or self._router.row_gate is not None
        is_plain = takes_data_alone and not is_asked and not holds_lines
        return plain if is_plain and not self.is_passthrough else with_everything


class OpenPath:
    """An event path, bound to the buffer of one transaction.

    Its functions are closures that do not refer to it: a cycle would leave the records of each
    transaction to the garbage collector.
    """

    __slots__ = ("buffer", "edge", "emitter_for", "emitters", "finish", "straight")

    def __init__(self, path: EventPath, router: OutputRouter, buffer: TransactionBuffer) -> None:
        self.buffer = buffer
        self.edge = path.edge
        self.emitters: dict[type, Emit] = {}
        """By the class of a result, what writes it; only classes that were met."""
        self.emitter_for = _emitter_finder(path.edge, router, buffer, self.emitters)
        """Returns what writes a result, and the result's data. Raises InvalidResultError and
        UndeclaredOutputError."""
        self.finish = _finisher(path, self.emitter_for)
        self.straight = path.compile_straight(self)
        """Only for a stage whose function is called in place and returns one result."""


def _preparer(
    router: OutputRouter, decode: Callable[[bytes], Any]
) -> Callable[[Record, bytes, Lineage | None], Any]:
    accepts, judge = router.accepts, router.row_gate

    def prepare(record: Record, raw: bytes, lineage: Lineage | None) -> Any:
        if accepts is not None and not accepts(raw, event_attributes(record, lineage)):
            return Outcome.FILTERED
        if judge is not None:
            judge(raw, record)
        return decode(raw)

    return prepare


def _emitter_finder(
    edge: InputEdge, router: OutputRouter, buffer: TransactionBuffer, emitters: dict[type, Emit]
) -> Callable[[Any], tuple[Emit, Any]]:
    by_output: dict[Output, Emit] = {}

    def emitter_for(result: Any) -> tuple[Emit, Any]:
        emit = emitters.get(type(result))
        if emit is not None:
            return emit, result
        output, data = router.route(result)
        emit = by_output.get(output)
        if emit is None:
            emit = by_output[output] = make_emitter(buffer, edge, output)
        if type(result) is not To:  # which names its output itself
            emitters[type(result)] = emit
        return emit, data

    return emitter_for


def _finisher(path: EventPath, emitter_for: Callable[[Any], tuple[Emit, Any]]) -> Finish:
    discards, missing = path.discards_results, Outcome.DROPPED if path.declares_outputs else None
    is_passthrough, owes_result = path.is_passthrough, path.owes_result
    missing_result = path.missing_result
    written = Outcome.BYPASSED if path.is_bypass else None

    def finish(
        record: Record, raw: bytes, inherited: HeaderBlock, account: EdgeAccount, result: Any
    ) -> Outcome | None:
        if discards:
            return None
        if result is None and not (is_passthrough and owes_result and raw.strip() == b"null"):
            if owes_result:
                raise missing_result()
            return missing
        if is_passthrough:
            result = _passed_on(raw, result)
        try:
            emit, data = emitter_for(result)
        except UndeclaredOutputError:
            return missing
        emit(record, inherited, account, data)
        return written

    return finish


def _passed_on(raw: bytes, result: Any) -> Any:
    if type(result) is To:
        return To(result.event, PassedEvent(raw, result.data))
    return PassedEvent(raw, result)


class ResultBatch:
    """Several results of one call: all of them are written, or, after `undo`, none."""

    def __init__(
        self,
        path: EventPath,
        buffer: TransactionBuffer,
        record: Record,
        lineage: Lineage,
        more: int = 0,
    ) -> None:
        """`record`, together with events at the next `more` offsets, caused the results."""
        opened = path.open(buffer)
        self._opened = opened
        self._path = path
        self._record = record
        self._inherited = lineage.inherited
        self._more = more
        self._account = opened.buffer.emitting_account(record, lineage, opened.edge)
        self._journal: Journal = []
        self._bytes_before = opened.buffer.bytes

    def __len__(self) -> int:
        return len(self._journal)

    def add(self, result: object) -> None:
        """Write one more result; None, and one that the event's version does not declare, is
        skipped. Raises InvalidResultError, also for None if the function does not say that it may
        return that, and OutputTooLargeError."""
        if result is None:
            if self._path.owes_result:
                raise self._path.missing_result()
            return
        try:
            emit, data = self._opened.emitter_for(result)
        except UndeclaredOutputError:
            return
        journal = self._journal
        emit(self._record, self._inherited, self._account, data, len(journal), self._more, journal)
        if self._opened.buffer.bytes - self._bytes_before > MAX_EVENT_BYTES:
            raise OutputTooLargeError(
                f"more than {MAX_EVENT_BYTES // 2**20} MiB were emitted at once "
                f"({len(journal)} events so far); split the work into smaller events first"
            )

    def undo(self) -> None:
        """Take every result back."""
        take_back(self._opened.buffer, self._journal)


class EventPaths:
    """The event paths of one lane."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker
        self._decode = input_decoder(invoker.signature)
        self._by_edge: dict[InputEdge, EventPath | None] = {}
        self._bypasses: dict[InputEdge, EventPath | None] = {}
        self.bypassed = False
        """True while events go on as they came, where their version allows it. It is the same for
        all events of a transaction."""
        self._last_compared: tuple[Version, bool] | None = None

    def path_of(self, edge: InputEdge) -> EventPath | None:
        """Return the path of an edge's events; None if its version does not send them to this
        stage. Raises UnreadableEventError if the code here cannot handle them."""
        if self.bypassed and (bypass := self._bypass_of(edge)) is not None:
            return bypass
        try:
            return self._by_edge[edge]
        except KeyError:
            if edge.unbound:
                raise UnreadableEventError(edge.unbound) from None
            path = (
                None
                if edge.router is None
                else EventPath(edge, edge.router, self._invoker, self._decode)
            )
            self._by_edge[edge] = path
            return path

    def can_bypass(self, version: Version) -> bool:
        """Return True if the events of a version can go on as they came."""
        if self._last_compared is None or self._last_compared[0] is not version:
            stage, takes_batch = self._invoker.stage, self._invoker.signature.takes_batch
            obstacle = bypass_obstacle(version, stage, takes_batch=takes_batch)
            self._last_compared = version, obstacle is None
        return self._last_compared[1]

    def _bypass_of(self, edge: InputEdge) -> EventPath | None:
        """Return the path on which the events of an edge go on as they came; None if they cannot,
        so that the function handles them."""
        if edge not in self._bypasses:
            self._bypasses[edge] = (
                self._make_bypass(edge) if self.can_bypass(edge.version) else None
            )
        return self._bypasses[edge]

    def _make_bypass(self, edge: InputEdge) -> EventPath | None:
        stage = self._invoker.stage
        try:
            router = bind_outputs(edge.version, edge.event_type, stage, BYPASS_SIGNATURE)
        except Exception:  # noqa: BLE001 -- a filter that was made for other code
            return None
        if router is None:
            return None
        passes_on = replace(self._invoker, function=_unchanged, signature=BYPASS_SIGNATURE)
        return EventPath(edge, router, passes_on, decode_json, is_bypass=True)


BYPASS_SIGNATURE = StageSignature(
    input_schema=Any,
    takes_batch=False,
    context_parameter=None,
    output_schemas=(Any,),
    returns_many=False,
    names_outputs=False,
    kind="plain",
    is_passthrough=True,
    keeps_bytes=True,
)
"""That of a function in whose place the events go on as they came."""


def _unchanged(data: Any) -> Any:
    return data
