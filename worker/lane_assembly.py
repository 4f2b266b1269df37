"""Of which parts is the processor of a stage's lane made?

On Kafka the stage host asks for it, in memory `farandole.testing`: both work events alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Set
from functools import partial

from farandole.events.kafka_names import KafkaNames
from farandole.worker.counters import Counters
from farandole.worker.invoker import Invoker
from farandole.worker.lane_processor import LaneProcessor, LaneTopics
from farandole.worker.lineage import LineageResolver, Versions
from farandole.worker.output_routing import bind_outputs
from farandole.worker.parked_memory import ParkedMemory


def make_lane_processor(
    invoker: Invoker,
    lane: int,
    versions: Versions,
    read_again: Callable[[], Awaitable[Versions]],
    names: KafkaNames,
    retry_topic: str | None,
    *,
    on_committed: Callable[[Counters], None],
    parked_memory: ParkedMemory,
    cancelled_runs: Callable[[], Set[bytes]] = frozenset,
    clock: Callable[[], float] = time.time,
) -> LaneProcessor:
    """Return the processor of one lane of the invoker's stage. `versions` are those that are
    published, and `read_again` returns them, read now. `retry_topic` is None if no event of the
    lane can be parked. `clock` returns seconds of the epoch."""
    bind = partial(
        bind_outputs, stage=invoker.stage, signature=invoker.signature, latest=invoker.settings
    )
    return LaneProcessor(
        invoker,
        LineageResolver(versions, read_again, bind),
        LaneTopics(
            dead=names.dead_topic(invoker.pipeline, invoker.stage),
            ledger=names.ledger_topic,
            retry=retry_topic,
            alerts=names.alerts_topic,
        ),
        lane,
        on_committed=on_committed,
        cancelled_runs=cancelled_runs,
        parked_memory=parked_memory,
        clock=clock,
    )
