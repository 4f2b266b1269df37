"""Do order and books hold while the mode of a stage is switched at random, letters are replayed,
a version is published and workers die?

The world is that of `test_retry_queue_simulation`: two lanes, few keys, a function that often
fails, workers that are killed and frozen. Each lane follows the control topic by itself, so its
copy may be older than that of the other."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from farandole.events.control_documents import ControlDocument, PauseDocument, ResumeDocument
from farandole.events.outcome import RECORDED
from farandole.events.record import Partition
from farandole.events.retry_record import REPLAY_PREFIX, make_retry_row, to_parked_event
from farandole.events.switch_document import EndSwitchDocument, Mode, SwitchDocument
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.ledger.entry_validation import parse_entry
from farandole.testing.memory_controls import MemoryControls
from farandole.worker.parked_events import ParkedEvents
from farandole.worker.stage_controls import StageControls
from tests.seeds import seeds
from tests.worker.made import version
from tests.worker.test_retry_queue_simulation import POLICY, RETRY, Parked, n_of

STAGE = StageSpec(run="m:f", subscribes=("in",), emits=("out",), retry=POLICY)
BOOKED = version(stages={"stage": STAGE}).model_copy(update={"ledger": 2})
BOUNDARY = 3
FILTERING = STAGE.model_copy(update={"when": {"in": "data.n % 3 != 0"}})
SECOND = version(
    2,
    stages={"stage": FILTERING},
    events={"in": EventSpec(topic="p.in", partitions=4, boundaries=(BOUNDARY,) * 4)},
).model_copy(update={"ledger": 2})
"""Its roots begin at the offset BOUNDARY of each partition."""
MODES: tuple[Mode, ...] = ("on", "on", "bypass", "bypass", "bypass", "hold")


@dataclass
class Switched(Parked):
    odds: float = 0.0
    """Foreign records go on as they came, too."""
    subscribes: tuple[str, ...] = ("in",)
    table: MemoryControls = field(init=False)
    copies: list[MemoryControls] = field(default_factory=list)
    """What each lane has read of the table."""
    replays: list[int] = field(default_factory=list)
    """The events whose dead letters were replayed."""

    def __post_init__(self) -> None:
        self.table = MemoryControls(lambda: self.now)
        super().__post_init__()

    def known(self) -> Sequence[Version]:
        return [
            each.model_copy(
                update={
                    "stages": {
                        **each.stages,
                        "stage": each.stages["stage"].model_copy(update={"breaker": self.breaker}),
                    }
                }
            )
            for each in (BOOKED, SECOND)
        ]

    def lane_controls(self) -> StageControls:
        self.copies.append(copy(self.table))
        return self.copies[-1].state(BOOKED).of_stage("stage")

    def is_paused(self) -> bool:
        return self.table.state(BOOKED).of_stage("stage").mode().mode == "hold"

    def write(self, control: ControlDocument) -> None:
        self.history.append(f"{control}")
        self.table.write(control)

    def steer(self) -> None:
        """Write any document that a person, or a release before, can write about the mode."""
        stage = self.die.choice(("stage", "stage", "stage", ""))
        until = datetime.fromtimestamp(self.now + self.die.choice((1, 5, 50)), UTC)
        modes = MODES if stage else ("on", "on", "hold")
        what = self.die.randrange(8)
        if what == 0:
            self.write(PauseDocument(pipeline="p", stage=stage, until=until))
        elif what == 1:
            self.write(ResumeDocument(pipeline="p", stage=stage))
        elif what == 2:
            newest = max(self.table.offsets.values(), default=0)
            self.write(EndSwitchDocument(pipeline="p", stage="stage", generation=newest))
        elif what == 3 and self.table.rows:
            self.table.delete(self.die.choice([*self.table.rows]))
        else:
            switch = SwitchDocument(pipeline="p", stage=stage, mode=self.die.choice(modes))
            if self.die.random() < 0.3:
                switch = switch.model_copy(update={"until": until})
            self.write(switch)

    def replay(self) -> None:
        """Replay a dead letter whose last replay, if there was one, has died."""
        dead = self.dead()
        for n in {*dead}:
            if dead.count(n) > self.replays.count(n):
                self.history.append(f"replay {n}")
                topic, index, _ = self.given[n]
                (record,) = [
                    each
                    for each in self.kafka.read_committed(Partition(topic, index))
                    if n_of(each) == n
                ]
                row = make_retry_row(to_parked_event(record), REPLAY_PREFIX)
                self.kafka.append(Partition(RETRY, index), row)
                self.replays.append(n)
                return

    def _step(self) -> None:
        self.die.choice(self.copies).rows = self.table.rows
        super()._step()

    def _disaster(self) -> None:
        what = self.die.random()
        if what < 0.3:
            self.steer()
        elif what < 0.35:
            self.replay()
        else:
            super()._disaster()

    def _calm(self) -> None:
        mode: Mode = self.die.choice(("on", "bypass"))
        self.write(SwitchDocument(pipeline="p", stage="stage", mode=mode))
        self.write(SwitchDocument(pipeline="p", mode="on"))
        for each in self.copies:
            each.rows = self.table.rows
        super()._calm()

    def faults(self) -> list[str]:
        emitted, dead, handled = self.emitted(), self.dead(), self.counted()
        # One that seems to kill its process is given up before its filter is asked.
        filtered = [n for n in self.given if self.is_filtered(n) and n not in dead]
        bypassed = len(emitted) - len(handled)
        # A replay is put behind what waits: it has a place of its own.
        in_place = [n for n in emitted if n not in self.replays]
        found = [f"{path}: {ns}" for path, ns in self.by_key(in_place) if ns != sorted(ns)]
        ends = Counter([*emitted, *dead, *filtered]) - Counter(self.replays)
        if ends != Counter([*self.given]):
            found.append(f"of {len(self.given)}: emitted {emitted}, dead {dead}")
        if {*handled.values()} - {1} or not {*handled} <= {*emitted}:
            found.append(f"emitted {emitted}, and by the states {handled} were handled")
        wanted = {
            "consumed": len(self.given),
            "emitted": len(emitted),
            "bypassed": bypassed,
            "dead": len(dead),
            "filtered": len(filtered),
            # Whoever replays a letter writes an entry that it is parked, and no longer dead.
            "parked": -len(self.replays),
        }
        if self.booked() != {name: number for name, number in wanted.items() if number}:
            found.append(f"{wanted}, and by the books {self.booked()}")
        return found

    def is_filtered(self, n: int) -> bool:
        (offset,) = [place[2] for place, of in self.places.items() if of == n]
        return offset >= BOUNDARY and n % 3 == 0

    def booked(self) -> dict[str, int]:
        """Return what the ledger entries of both lanes add up to."""
        sums: Counter[str] = Counter()
        for index in range(BOOKED.ledger):
            for record in self.kafka.read_committed(Partition("ledger", index)):
                entry = parse_entry(record.value)
                assert entry is not None
                for part in entry["runs"]:
                    for settled in part["in"].values():
                        sums["consumed"] += settled["n"]
                        for outcome in RECORDED:
                            sums[outcome.value] += int(settled.get(outcome.value, 0))  # type: ignore[call-overload]
                    sums["emitted"] += sum(sent["n"] for sent in part["out"].values())
        return {name: number for name, number in sums.items() if number}


def lived(seed: int) -> Switched:
    world = Switched(random.Random(seed), poison=seed % 3)
    world.lived(400, events=12)
    for _ in range(3):
        world.replay()
    world.lived(200, events=16)
    return world


@seeds(800, kept=80)
def test_order_and_books_hold_whatever_the_mode(seeds: range) -> None:
    both = replayed = 0
    for seed in seeds:
        world = lived(seed)
        assert world.faults() == [], (seed, world.history[-60:])
        booked = world.booked()
        both += 0 < booked.get("bypassed", 0) < booked["emitted"]
        replayed += bool(world.replays)
    assert both > len(seeds) / 10
    assert replayed > len(seeds) / 10


def _caught() -> bool:
    for seed in range(100):
        try:
            if lived(seed).faults():
                return True
        except (AssertionError, KeyError, IndexError):
            return True
    return False


def test_events_that_overtake_those_that_wait_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ParkedEvents, "is_blocked", lambda self, record: False)
    monkeypatch.setattr("farandole.worker.lane_processor.queue_key_of", lambda record: None)
    assert _caught()
