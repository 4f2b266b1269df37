"""Builds ledger entries as lanes write them, and the entries of simulated runs."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from farandole.events.ledger_entry import (
    ConsumedCounts,
    EmittedCounts,
    LedgerEntry,
    RunPart,
    RunRoot,
    hash_event_ids,
)
from farandole.events.run_row import RunRow
from farandole.ledger.run_completion import RunTransition
from farandole.ledger.run_fold import count_settled_events, fold_part

PIPELINE = "order-lines"
AT = 1_700_000_000_000

Graph = Mapping[str, Sequence[str]]
"""By event type: the stages that subscribe to it. A stage emits the types named `by-STAGE-…`."""


def consumed(*ids: str, **kinds: int) -> ConsumedCounts:
    made: Any = {
        "n": len(ids),
        "hash": hash_event_ids(i.encode() for i in ids),
        "oldest": AT,
        **kinds,
    }
    return cast(ConsumedCounts, made)


def emitted(*ids: str, to: Sequence[str]) -> EmittedCounts:
    return {"n": len(ids), "hash": hash_event_ids(i.encode() for i in ids), "to": list(to)}


def root(*to: str, **more: Any) -> RunRoot:
    made: Any = {
        "type": "asked", "topic": "order-lines.asked", "partition": 0, "offset": 7, "at": AT - 500,
        "to": list(to), **more,
    }  # fmt: skip
    return cast(RunRoot, made)


def part(
    run: str,
    settled: Mapping[str, ConsumedCounts],
    out: Mapping[str, EmittedCounts] | None = None,
    opened_by: RunRoot | None = None,
    version: int = 1,
) -> RunPart:
    made: RunPart = {"run": run, "version": version, "in": dict(settled), "out": dict(out or {})}
    if opened_by is not None:
        made["root"] = opened_by
    return made


def entry(stage: str, *parts: RunPart, at: int = AT, seconds: float = 1.0) -> LedgerEntry:
    return {
        "pipeline": PIPELINE, "stage": stage, "lane": 0, "at": at, "seconds": seconds,
        "runs": list(parts),
    }  # fmt: skip


def read(*entries: LedgerEntry) -> tuple[RunRow, list[RunTransition]]:
    """Return the row of the one run in these entries, and what each part did to it."""
    row, transitions = None, []
    for each in entries:
        for one in each["runs"]:
            row, transition = fold_part(row, one, each, count_settled_events(each))
            transitions.append(transition)
    assert row is not None
    return row, transitions


@dataclass
class Event:
    id: str
    type: str
    stage: str
    """The stage that settles it. There is one Event for each subscriber."""


@dataclass
class Story:
    """One run, transaction by transaction, in a possible order of the ledger."""

    die: random.Random
    graph: Graph
    run: str
    fan_out: int = 4
    dead: float = 0.1
    entries: list[LedgerEntry] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    parked: list[Event] = field(default_factory=list)
    number: int = 0

    @property
    def over(self) -> bool:
        return not self.waiting and not self.parked

    def tell(self) -> list[LedgerEntry]:
        self.waiting = [Event(self.run, "asked", stage) for stage in self.graph["asked"]]
        while not self.over:
            self._transaction()
        return self.entries

    def _transaction(self) -> None:
        """Let a random stage settle some of the events that wait for it."""
        stage = self.die.choice([*self.waiting, *self.parked]).stage
        mine = [e for e in self.waiting if e.stage == stage]
        taken = self.die.sample(mine, self.die.randint(0, len(mine)))
        again = [e for e in self.parked if e.stage == stage and self.die.random() < 0.7]
        if not taken and not again:
            return
        made: RunPart = part(self.run, {}, {})
        for event in taken:
            self.waiting.remove(event)
            counts = self._counts(made, event)
            counts["n"] += 1
            counts["hash"] = (counts["hash"] + hash_event_ids([event.id.encode()])) % 2**64
            if event.type == "asked":
                made["root"] = root(*self.graph["asked"])
            if self.die.random() < 0.1:
                counts["parked"] = counts.get("parked", 0) + 1
                self.parked.append(event)
            else:
                self._settle(made, event, stage)
        for event in again:
            self.parked.remove(event)
            counts = self._counts(made, event)
            counts["parked"] = counts.get("parked", 0) - 1
            self._settle(made, event, stage)
        self.entries.append(entry(stage, made, at=AT + len(self.entries)))

    def _counts(self, made: RunPart, event: Event) -> Any:
        return made["in"].setdefault(event.type, consumed())

    def _settle(self, made: RunPart, event: Event, stage: str) -> None:
        counts = self._counts(made, event)
        kind = self.die.random()
        if kind < self.dead:
            counts["dead"] = counts.get("dead", 0) + 1
            return
        if kind < self.dead + 0.1:
            counts["dropped"] = counts.get("dropped", 0) + 1
            return
        for event_type in (t for t in self.graph if t.startswith(f"by-{stage}")):
            for _ in range(self.die.randint(0, self.fan_out)):
                self.number += 1
                id_ = f"{event.id}/{self.number}"
                out = made["out"].setdefault(event_type, emitted(to=self.graph[event_type]))
                out["n"] += 1
                out["hash"] = (out["hash"] + hash_event_ids([id_.encode()])) % 2**64
                self.waiting += [Event(id_, event_type, s) for s in self.graph[event_type]]


def graph(die: random.Random) -> Graph:
    """Return layers of stages; each stage emits up to two event types to some of the next layer."""
    layers = [[f"s{i}{j}" for j in range(die.randint(1, 3))] for i in range(die.randint(1, 3))]
    made: dict[str, list[str]] = {"asked": layers[0]}
    for here, below in zip(layers, [*layers[1:], []], strict=True):
        for stage in here:
            for which in range(die.randint(0, 2)):
                made[f"by-{stage}-{which}"] = die.sample(below, die.randint(0, len(below)))
    return made


def story(seed: int, run: str = "a" * 13) -> list[LedgerEntry]:
    die = random.Random(seed)
    return Story(die, graph(die), run).tell()
