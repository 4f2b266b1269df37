"""Are the run rows right, and is every run completed exactly once, after any failures?

The real lane and the real bookkeeper run over the simulation of Kafka.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from farandole.events import ledger_entry
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.run_row import RunRow
from farandole.lanes.lane_port import (
    CommittedOffset,
    LaneStoppedError,
    OutcomeUnknownError,
    StateTables,
)
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedLock, SimulatedPort
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from tests import foreign, next_release
from tests.ledger.made import AT, read, story
from tests.seeds import seeds

NAMES = KafkaNames()
LEDGER = Partition(NAMES.ledger_topic, 0)
RUNS = Partition(NAMES.runs_topic, 0)
STATE = Partition(NAMES.bookkeeper_state_topic, 0)
GROUP = NAMES.bookkeeper_group
ID = f"{GROUP}:0"


@dataclass(eq=False)
class Process:
    work: BookkeeperLane
    port: SimulatedPort | None = None
    life: Coroutine[Any, Any, None] | None = None


@dataclass(eq=False)
class World:
    die: random.Random
    work: type[BookkeeperLane] = BookkeeperLane
    newer: bool = False
    """Workers of the next release write some of the entries."""
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    processes: list[Process] = field(default_factory=list)
    generation: int = 0
    expected: dict[str, RunRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kafka.offsets[GROUP, LEDGER] = CommittedOffset(0)
        self.processes = [self._process(), self._process()]
        self._assign()

    def run(self) -> None:
        stories = []
        for number in range(4):
            entries = story(self.die.randrange(2**32), f"run{number}")
            self.expected[f"run{number}"] = read(*entries)[0]
            stories.append(entries)
        while any(stories):
            chance = self.die.random()
            if self.die.random() < 0.03:
                place = self.die.choice([LEDGER, LEDGER, RUNS, STATE])
                foreign.append_odd(self.kafka, self.die, place)
            if chance < 0.2:
                entries = self.die.choice([s for s in stories if s])
                entry = self._written(entries.pop(0))
                self.kafka.append(LEDGER, OutgoingRecord(None, orjson.dumps(entry)))
            elif chance < 0.24:
                self._kill()
            elif chance < 0.28:
                self._assign()
            elif chance < 0.29:
                self._expire()
            else:
                self._advance(OutcomeUnknownError("lost") if self.die.random() < 0.03 else None)
        with next_release.upgraded("ledger entry") if self.newer else nullcontext():
            for _ in range(600):
                self._advance()
                self.kafka.complete(ID)

    def _written(self, entry: Any) -> Any:
        if not self.newer:
            return entry
        entry = next_release.with_later_field(entry)
        chance = self.die.random()
        return next_release.of_newer_format("ledger entry", entry) if chance < 0.1 else entry

    def _process(self) -> Process:
        return Process(self.work(NAMES, 0, "here", clock=lambda: AT, read_age=lambda: 0.0))

    def _kill(self) -> None:
        victim = self.die.choice(self.processes)
        if victim.life is not None:
            victim.life.close()
        self.processes.remove(victim)
        self.processes.append(self._process())
        self._assign()

    def _expire(self) -> None:
        """Delete the committed offsets, as Kafka does after a week without members."""
        self._assign(forget=True)

    def _assign(self, *, forget: bool = False) -> None:
        for process in self.processes:
            for _ in range(200):
                if process.life is None or process.port is None:
                    break
                process.port.stopping = True
                self._step(process)
        if forget:
            if ID in self.kafka.producers:
                self.kafka.complete(ID)
            self.kafka.offsets[GROUP, LEDGER] = CommittedOffset(0)
        self.generation += 1
        self.kafka.generations[ID] = self.generation
        chosen = self.die.choice(self.processes)
        chosen.port = SimulatedPort(
            self.kafka, GROUP, ID, [LEDGER], self.generation, state=[RUNS, STATE]
        )
        chosen.life = run_lane(chosen.port, chosen.work, isolation=SimulatedLock(), log=_silent)
        chosen.life.send(None)

    def _advance(self, answer: Exception | None = None) -> None:
        for process in self.processes:
            if process.life is not None:
                self._step(process, answer)

    def _step(self, process: Process, answer: Exception | None = None) -> None:
        assert process.life is not None
        try:
            process.life.send(None)
            if answer is not None:
                process.life.throw(answer)
        except (StopIteration, LaneStoppedError):
            process.life = None

    def rows(self) -> dict[str, RunRow]:
        return {
            record.key.decode(): orjson.loads(record.value)
            for record in self.kafka.read_committed(RUNS)
            if record.key not in foreign.KEYS and record.key and record.value
        }

    def completions(self) -> Counter[str]:
        return Counter(
            record.key.decode()
            for record in self.kafka.read_committed(RUNS)
            if record.key and dict(record.headers).get("ce_type") == b"run.completed"
        )


def _silent(event: str, **fields: Any) -> None:
    assert event in ("lane.born", "lane.died", "lane.outdated"), (event, fields)


def ran(seed: int, work: type[BookkeeperLane] = BookkeeperLane, *, newer: bool = False) -> World:
    world = World(random.Random(seed), work, newer)
    world.run()
    return world


SEEDS = range(40)


def _sound(world: World) -> bool:
    once = dict.fromkeys(world.expected, 1)
    return world.rows() == world.expected and world.completions() == once


@seeds(400, kept=40)
def test_every_run_completes_once_with_a_right_row_after_any_failures(seeds: range) -> None:
    for seed in seeds:
        assert _sound(ran(seed)), seed


@seeds(100, kept=20)
def test_entries_of_the_next_release_wait_for_it_and_are_counted_once(seeds: range) -> None:
    for seed in seeds:
        assert _sound(ran(seed, newer=True)), seed


def test_a_bookkeeper_that_drops_entries_of_the_next_release_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger_entry, "check_format", next_release.drop_newer)
    assert any(not _sound(ran(seed, newer=True)) for seed in SEEDS)


class KeepsWhatWasNotCommitted(BookkeeperLane):
    """It keeps the rows of its last life, instead of restoring them from Kafka."""

    def open(self, tables: StateTables) -> None:
        if not len(self._store):
            super().open(tables)


class BeginsWithNothing(BookkeeperLane):
    """It does not restore the rows."""

    def open(self, tables: StateTables) -> None:
        super().open({**tables, RUNS.topic: {}})


class TrustsTheOffset(BookkeeperLane):
    """It starts at the group's offset, although the rows already contain later entries."""

    def open(self, tables: StateTables) -> None:
        super().open({**tables, STATE.topic: {}})


class ForgetsTheRows(BookkeeperLane):
    """It commits the offset and does not write the folded rows."""

    def on_idle(self) -> BatchResult | None:
        return None

    def _writes(self, cause: str) -> Any:
        writes = super()._writes(cause)
        return {STATE: writes[STATE]} if cause.endswith("/2") else writes


@pytest.mark.parametrize(
    "mutant", [KeepsWhatWasNotCommitted, BeginsWithNothing, TrustsTheOffset, ForgetsTheRows]
)
def test_a_bookkeeper_broken_on_purpose_is_caught(mutant: type[BookkeeperLane]) -> None:
    assert any(not _caught(seed, mutant) for seed in SEEDS)


def _caught(seed: int, mutant: type[BookkeeperLane]) -> bool:
    try:
        return _sound(ran(seed, mutant))
    except AssertionError:
        return False
