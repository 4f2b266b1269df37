"""A lane of a made stage, without Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from farandole.events.header_codec import decode_headers
from farandole.events.outcome import Outcome
from farandole.events.record import Header, OutgoingRecord, Partition, Record
from farandole.events.topology_version import (
    VERSION_FORMAT,
    BreakerPolicy,
    EventSpec,
    RetryPolicy,
    StageSpec,
    Version,
)
from farandole.stages.function_signature import read_signature
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.control_state import ControlState
from farandole.worker.counters import Counters
from farandole.worker.invoker import Invoker
from farandole.worker.lane_processor import LaneProcessor, LaneTopics
from farandole.worker.lineage import LineageResolver
from farandole.worker.output_routing import OutputRouter, bind_outputs
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.run_gate import GateRows, RunGate
from farandole.worker.stage_controls import StageControls
from tests.events.made import Made

INSTALLATION = UUID("7c0d1e5e-6f5b-4a57-9a0a-0c4f4f6b2d11")
RETRY = "p.stage.retry"
ONCE = RetryPolicy(attempts=1)
PATIENT = RetryPolicy(attempts=3, backoff=0, max_backoff=0)


class In(BaseModel):
    n: int


class Out(BaseModel):
    n: int
    household: int | None = None


class Other(BaseModel):
    said: str


EVENTS = {
    "asked": EventSpec(topic="p.asked", partitions=4, boundaries=(0, 0, 0, 0)),
    "in": EventSpec(topic="p.in", partitions=4, boundaries=(0, 0, 0, 0)),
    "in2": EventSpec(topic="p.in2", partitions=4, boundaries=(0, 0, 0, 0)),
    "out": EventSpec(topic="p.out", partitions=4),
    "keyed": EventSpec(topic="p.keyed", partitions=4, key="household"),
    "other": EventSpec(topic="p.other", partitions=3),
}
BEFORE = StageSpec(run="m:before", subscribes=("asked",), emits=("in",))


def version(
    number: int = 1,
    *,
    stages: Mapping[str, StageSpec] | None = None,
    events: Mapping[str, EventSpec] | None = None,
    format: int = VERSION_FORMAT,  # noqa: A002 -- its name in a version
) -> Version:
    return Version(
        format=format,
        pipeline="p",
        version=number,
        installation=INSTALLATION,
        published=datetime(2026, 11, 23, tzinfo=UTC),
        published_by="me",
        events={**EVENTS, **(events or {})},
        stages={"before": BEFORE, **(stages or {})},
    )


def bare(data: Any = None, offset: int = 0, *, partition: int = 0, **more: Any) -> Made:
    """A record as kcat writes it."""
    value = data if isinstance(data, bytes) else json.dumps(data or {"n": offset}).encode()
    return Made(value, topic="p.in", partition=partition, offset=offset, **more)


def emitted(
    offset: int = 0, *, run: str = "a" * 13, by: str = "before", of: str = "p@1", **more: Any
) -> Made:
    """A record as the stage before emits it."""
    headers: Sequence[Header] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"asked/0/1/%d" % offset),
        ("ce_source", f"farandole://{INSTALLATION}/p/{by}".encode()),
        ("ce_type", b"in"),
        ("ce_topologyversion", of.encode()),
        ("ce_runid", run.encode()),
        *more.pop("headers", ()),
    ]
    return bare(offset=offset, headers=headers, **more)


@dataclass
class LaneResult:
    """The writes and counts of some records, over as many transactions as they took."""

    writes: dict[Partition, list[OutgoingRecord]] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    transactions: list[int] = field(default_factory=list)
    """Records settled by each."""

    def add(self, done: Any) -> None:
        for partition, outgoing in done.writes.items():
            self.writes.setdefault(Partition(*partition), []).extend(outgoing)
        self.counters.add(done.receipt)
        self.transactions.append(done.settled)

    def count(self, outcome: Outcome) -> int:
        """Return how many events had an outcome."""
        return self.counters.outcomes[outcome]

    def of(self, topic: str) -> list[OutgoingRecord]:
        return [o for p in sorted(self.writes) if p.topic == topic for o in self.writes[p]]

    def data(self, topic: str = "p.out") -> list[Any]:
        return [json.loads(o.value or b"") for o in self.of(topic)]

    @property
    def dead(self) -> list[dict[str, str]]:
        """The account of each dead letter."""
        return [account(letter) for letter in self.of("p.stage.dead")]


def account(letter: OutgoingRecord) -> dict[str, str]:
    return {n[5:]: v.decode() for n, v in decode_headers(letter.headers) if n.startswith("dead_")}


def text_headers(outgoing: OutgoingRecord) -> dict[str, str]:
    return {name: value.decode() for name, value in decode_headers(outgoing.headers)}


def controls_with(cancelled: Callable[[], Set[bytes]] = frozenset) -> StageControls:
    """No control document but cancellations of the runs that this returns."""
    controls = ControlState(None, "p").of_stage("stage")
    controls.cancelled_runs = cancelled  # type: ignore[method-assign]
    return controls


class Lane:
    """One lane of the stage `name`, whose function is given."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "stage",
        emits: Iterable[str] = ("out",),
        subscribes: Iterable[str] = ("in",),
        retry: RetryPolicy = ONCE,
        timeout: float = 30.0,
        when: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        threads: ThreadPoolExecutor | None = None,
        versions: Sequence[Version] = (),
        later: Sequence[Version] | Exception = (),
        cancelled: Callable[[], Set[bytes]] = frozenset,
        controls: StageControls | None = None,
        candidates: StageCandidates | None = None,
        breaker: BreakerPolicy | None = None,
        clock: Callable[[], float] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        lane: int = 0,
        parked_memory: ParkedMemory | None = None,
        bind: Callable[[Version, str], OutputRouter | None] | None = None,
        state: str | None = None,
        ledger: int = 0,
        gates: GateRows | None = None,
    ) -> None:
        """With a `clock` its events are parked in `p.stage.retry`. `state`: where its state is
        kept. `ledger`: the partitions of the ledger, if no versions are given. `gates`: the rows of
        `farandole.gates`."""
        self.stage = StageSpec(
            run="m:f",
            subscribes=tuple(subscribes),
            emits=tuple(emits),
            retry=retry,
            timeout=timeout,
            when=when or {},
            parameters=parameters or {},
            breaker=breaker or BreakerPolicy(),
        )
        made = version(stages={name: self.stage}).model_copy(update={"ledger": ledger})
        known = [*versions] or [made]
        self.version = known[-1]
        self.read_again = 0
        self.under_way: list[float] = []
        self.began_with: list[float] = []
        self.committed: list[Counters] = []

        async def refreshed() -> Mapping[int, Version]:
            self.read_again += 1
            if isinstance(later, Exception):
                raise later
            return {v.version: v for v in [*known, *later]}

        def began(seconds: float) -> object:
            self.under_way.append(seconds)
            self.began_with.append(seconds)
            return seconds

        signature = read_signature(function)
        caller = Invoker(
            pipeline="p",
            stage=name,
            settings=known[-1].stages[name],
            function=function,
            signature=signature,
            threads=threads,
            call_started=began,
            call_ended=self.under_way.remove,  # type: ignore[arg-type]
        )
        wiring = LineageResolver(
            {v.version: v for v in known},
            refreshed,
            bind
            or partial(
                bind_outputs, stage=name, signature=signature, latest=known[-1].stages[name]
            ),
        )
        controls = controls or controls_with(cancelled)
        retry_topic = RETRY if clock else None
        self.gate = None
        if gates is not None:
            self.gate = RunGate("p", name, wiring, gates, controls, retry_topic)
        self.work = LaneProcessor(
            caller,
            wiring,
            LaneTopics(
                "p.stage.dead",
                "ledger",
                retry_topic,
                "alerts",
                state,
            ),
            lane,
            on_committed=self.committed.append,
            controls=controls,
            gate=self.gate,
            candidates=candidates,
            parked_memory=parked_memory,
            clock=clock or time.time,
            monotonic=monotonic,
        )

    async def handle(self, *records: Record) -> LaneResult:
        """Settle all of them, in as many transactions as it takes."""
        outcome = LaneResult()
        left: Sequence[Record] = records
        while left:
            done = await self.work.handle(left)
            assert 0 < done.settled <= len(left)
            outcome.add(done)
            left = left[done.settled :]
        assert outcome.counters.consumed == len(records)
        return outcome
