"""Do order and books hold while checks reject and park rows, a person gives orders about those that
wait, letters are replayed and workers die?

The world is that of `test_retry_queue_simulation`: two lanes, few keys, a function that often
fails, workers that are killed and frozen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import pytest

from farandole.events.check_spec import CheckSpec
from farandole.events.outcome import RECORDED
from farandole.events.parked_order import ParkedOrder, make_order
from farandole.events.record import Partition
from farandole.events.retry_record import (
    PARKED_PREFIX,
    REPLAY_PREFIX,
    ParkedEvent,
    make_retry_row,
    parse_retry_row,
    to_parked_event,
)
from farandole.events.topology_version import Version
from farandole.ledger.entry_validation import parse_entry
from farandole.worker.parked_events import ParkedEvents
from farandole.worker.retry_queue import RetryQueue
from tests.lanes.world import LANES
from tests.seeds import seeds
from tests.worker.checked import version_with
from tests.worker.test_retry_queue_simulation import POLICY, RETRY, Parked, n_of

CHECKS = {
    "few": CheckSpec(
        rule="expression", holds="has(data.fixed) || int(data.n) % 7 != 3", severity="reject"
    ),
    "odd": CheckSpec(
        rule="expression", holds="has(data.fixed) || int(data.n) % 3 != 0", severity="park"
    ),
}


def is_rejected(n: int) -> bool:
    return n % 7 == 3


def is_parked(n: int) -> bool:
    return n % 3 == 0 and not is_rejected(n)


@dataclass
class Judged(Parked):
    odds: float = 0.0
    subscribes: tuple[str, ...] = ("in",)
    ordered: list[tuple[int, str]] = field(default_factory=list)
    """Every order, also about what waits no longer."""
    replays: list[int] = field(default_factory=list)
    """The events whose dead letters were replayed."""
    repaired: set[int] = field(default_factory=set)
    """Those of which the data were repaired."""

    def known(self) -> Sequence[Version]:
        return [version_with(CHECKS, retry=POLICY, breaker=self.breaker)]

    def for_person(self) -> list[ParkedEvent]:
        """Return what waits for a person, by the committed rows."""
        found = []
        for index in range(LANES):
            rows = {r.key: r.value for r in self.kafka.read_committed(Partition(RETRY, index))}
            for key, value in rows.items():
                if value is not None and (key or b"").startswith(PARKED_PREFIX):
                    event = parse_retry_row(value)
                    found += [event] if event.checks else []
        return found

    def decide(self) -> None:
        """Give an order: mostly about what waits, sometimes about anything else."""
        waiting = self.for_person()
        if self.die.random() < 0.2 and self.given:
            n = self.die.choice([*self.given])
            topic, index, offset = next(p for p, number in self.places.items() if number == n)
            name = f"{topic}/{index}/{offset}"
        elif waiting:
            event = self.die.choice(waiting)
            n, index = n_of(event), event.partition
            name = event.row_name.decode()
        else:
            return
        do: Literal["release", "mend", "discard"] = self.die.choice(("release", "mend", "discard"))
        at = datetime.fromtimestamp(self.now, UTC)
        order = ParkedOrder(do=do, event=name, id=str(len(self.ordered)), by="ann", at=at)
        self.history.append(f"{do} {n}")
        self.ordered.append((n, do))
        row = make_order(order, b'{"n": %d, "fixed": 1}' % n)
        self.kafka.append(Partition(RETRY, index), row)

    def replay(self) -> None:
        """Replay a dead letter whose last replay, if there was one, has died."""
        dead = self.dead()
        for n in {*dead}:
            if dead.count(n) > self.replays.count(n):
                topic, index, _ = self.given[n]
                place = Partition(topic, index)
                (record,) = [r for r in self.kafka.read_committed(place) if n_of(r) == n]
                event = to_parked_event(record)
                if self.die.random() < 0.5:
                    event = event._replace(value=b'{"n": %d, "fixed": 1}' % n)
                    self.repaired.add(n)
                self.history.append(f"replay {n} {event.value!r}")
                self.kafka.append(Partition(RETRY, index), make_retry_row(event, REPLAY_PREFIX))
                self.replays.append(n)
                return

    def _disaster(self) -> None:
        what = self.die.random()
        if what < 0.3:
            self.decide()
        elif what < 0.35:
            self.replay()
        else:
            super()._disaster()

    def _settled(self) -> bool:
        if self.die.random() < 0.2 and self.for_person():
            self.decide()
        return super()._settled()

    def faults(self) -> list[str]:
        emitted, dead = self.emitted(), self.dead()
        # A replay is put behind what waits: it has a place of its own.
        in_place = [n for n in emitted if n not in self.replays]
        found = [f"{path}: {ns}" for path, ns in self.by_key(in_place) if ns != sorted(ns)]
        if Counter([*emitted, *dead]) - Counter(self.replays) != Counter([*self.given]):
            found.append(f"of {len(self.given)}: emitted {emitted}, dead {dead}")
        if self.counted() != dict.fromkeys(emitted, 1):
            found.append(f"emitted {emitted}, and by the states {self.counted()}")
        let_in = self.repaired | {n for n, do in self.ordered if do != "discard"}
        found += [
            f"{n} was handled"
            for n in emitted
            if (is_rejected(n) and n not in self.repaired) or (is_parked(n) and n not in let_in)
        ]
        wanted = {
            "consumed": len(self.given),
            "emitted": len(emitted),
            "dead": len(dead),
            # Whoever replays a letter writes an entry that it is parked, and no longer dead.
            "parked": -len(self.replays),
        }
        if self.booked() != {name: number for name, number in wanted.items() if number}:
            found.append(f"{wanted}, and by the books {self.booked()}")
        return found

    def booked(self) -> dict[str, int]:
        """Return what the ledger entries of both lanes add up to."""
        sums: Counter[str] = Counter()
        for record in self.kafka.read_committed(Partition("ledger", 0)):
            entry = parse_entry(record.value)
            assert entry is not None
            for part in entry["runs"]:
                for settled in part["in"].values():
                    sums["consumed"] += settled["n"]
                    for outcome in RECORDED:
                        sums[outcome.value] += int(settled.get(outcome.value, 0))  # type: ignore[call-overload]
                sums["emitted"] += sum(sent["n"] for sent in part["out"].values())
        return {name: number for name, number in sums.items() if number}


def lived(seed: int) -> Judged:
    world = Judged(random.Random(seed), poison=seed % 2)
    world.lived(400, events=20)
    for _ in range(3):
        world.replay()
    world.lived(200, events=24)
    return world


@seeds(200, kept=24)
def test_order_and_books_hold_while_rows_are_judged(seeds: range) -> None:
    done: Counter[str] = Counter()
    for seed in seeds:
        world = lived(seed)
        assert world.faults() == [], (seed, world.history[-60:])
        letters = world.kafka.read_committed(Partition("p.stage.dead", 0))
        done.update(dict(letter.headers)["dead_error"].decode() for letter in letters)
        done.update(do for n, do in world.ordered if is_parked(n))
    assert done.keys() >= {"RowRejected", "RowDiscarded", "release", "mend", "discard"}


def _caught() -> bool:
    for seed in range(100):
        try:
            if lived(seed).faults():
                return True
        except (AssertionError, KeyError, IndexError):
            return True
    return False


@pytest.mark.parametrize("mutant", ["nobody waits behind", "orders are lost"])
def test_a_lane_broken_on_purpose_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "nobody waits behind":
        monkeypatch.setattr(ParkedEvents, "is_blocked", lambda self, record: False)
        monkeypatch.setattr("farandole.worker.lane_processor.queue_key_of", lambda record: None)
    else:
        monkeypatch.setattr(RetryQueue, "_take_up_order", lambda *_: None)
    assert _caught()
