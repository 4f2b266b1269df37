"""Is every failure in a notice, and no mail sent twice except in the documented case, after
crashes?

The real lane and the real notifier run over the simulation of Kafka; the mail server is random.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from farandole.events.incident_record import Notice
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Partition
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.lanes.lane_port import (
    CommittedOffset,
    LaneStoppedError,
    OutcomeUnknownError,
    StateTables,
)
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedLock, SimulatedPort
from farandole.notifier import notifier_tables
from farandole.notifier.delivery_outcome import AttemptResult
from farandole.notifier.incident_store import IncidentStore
from farandole.notifier.notifier_lane import NotifierLane
from tests import foreign
from tests.notifier.letters import START, Died, milliseconds, nothing_personal, outgoing
from tests.notifier.test_incident_store import compose
from tests.seeds import seeds

NAMES = KafkaNames()
ALERTS = AlertPolicy(
    routes=(AlertRoute(email=("ops@example.com",), channels=("email",)),),
    digests=(20, 60),
    quiet=200,
    per_hour=1000,
)
DEAD = [Partition(f"p.{stage}.dead", 0) for stage in ("s", "t")]
INPUTS = [*DEAD, Partition(NAMES.control_topic, 0)]
TABLES = [
    Partition(topic, 0)
    for topic in (NAMES.incidents_topic, NAMES.outbox_topic, NAMES.control_topic)
]
ID = f"{NAMES.notifier_group}:0"


@dataclass(eq=False)
class Sending:
    """Like `farandole.notifier.delivery_tasks.DeliveryTasks`, driven step by step by the world."""

    world: World
    queued: list[Notice] = field(default_factory=list)
    begun: list[tuple[Notice, bool]] = field(default_factory=list)
    """With what the server will answer: True if it accepts the mail."""
    over: list[tuple[bytes, AttemptResult]] = field(default_factory=list)

    def start(self, notice: Notice) -> None:
        self.queued.append(notice)

    def take_finished(self) -> list[tuple[bytes, AttemptResult]]:
        ended, self.over = self.over, []
        return ended

    def cancel_queued(self) -> None:
        queued, self.queued = self.queued, []
        self.over += [(notice.key, AttemptResult(notice, was_made=False)) for notice in queued]

    async def stop(self, drain_seconds: float) -> None:
        """Finish or break off each attempt that has begun."""
        self.cancel_queued()
        while self.begun:
            self.end_attempt(broken_off=self.world.die.random() < 0.3)

    def advance(self) -> None:
        """Begin an attempt, or end one."""
        if self.begun and (not self.queued or self.world.die.random() < 0.5):
            self.end_attempt()
            return
        notice = self.queued.pop(0)
        if self.world.owns_lane(self):
            self.begun.append((notice, self.world.accepts(notice)))
        else:
            self.over.append((notice.key, AttemptResult(notice, was_made=False)))

    def end_attempt(self, *, broken_off: bool = False) -> None:
        notice, is_accepted = self.begun.pop(0)
        outcome = AttemptResult(notice, failures={"ops@example.com": "451"})
        if is_accepted and broken_off:
            self.world.excused[notice.id] += 1
        elif is_accepted:
            outcome = AttemptResult(None)
        self.over.append((notice.key, outcome))


@dataclass(eq=False)
class Notifier:
    """One process. Its work lives as long as the process, its lane as long as it is assigned."""

    work: NotifierLane
    sending: Sending
    port: SimulatedPort | None = None
    life: Coroutine[Any, Any, None] | None = None
    frozen: bool = False


@dataclass(eq=False)
class World:
    die: random.Random
    work: type[NotifierLane] = NotifierLane
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    seconds: float = 0.0
    notifiers: list[Notifier] = field(default_factory=list)
    mailbox: list[Notice] = field(default_factory=list)
    excused: Counter[str] = field(default_factory=Counter)
    """Allowed second copies: the server accepted the mail, and its result was lost."""
    healthy: bool = False
    generation: int = 0
    died: int = 0

    def __post_init__(self) -> None:
        for partition in INPUTS:
            self.kafka.offsets[NAMES.notifier_group, partition] = CommittedOffset(0)
        self.notifiers = [self._notifier(), self._notifier()]
        self.assign()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            if self.die.random() < 0.02:
                self.write_odd()
            chance = self.die.random()
            if chance < 0.10:
                self.fail()
            elif chance < 0.13:
                self.kill()
            elif chance < 0.15:
                self.assign()
            elif chance < 0.165:
                self.freeze()
            elif chance < 0.18:
                self.wake()
            elif chance < 0.30:
                self.seconds += self.die.choice([0.5, 2, 7, 30])
            elif chance < 0.45:
                self.deliver()
            else:
                self.advance(OutcomeUnknownError("lost") if self.die.random() < 0.03 else None)
        self.calm()

    def fail(self) -> None:
        stage = self.die.choice(["s", "t"])
        died = Died(self.seconds, self.die.choice(["A", "B"]), stage=stage)
        out = outgoing(died)
        self.kafka.append(Partition(f"p.{stage}.dead", 0), out, milliseconds(self.seconds))
        self.died += 1

    def write_odd(self) -> None:
        """A foreigner writes into a control topic or a table; or into a dead-letter topic, where
        each record counts as a failure."""
        place = self.die.choice([*DEAD, *TABLES])
        foreign.append_odd(self.kafka, self.die, place)
        self.died += place in DEAD

    def accepts(self, notice: Notice) -> bool:
        """Return True if the server accepts the mail. It may also accept it and lose the answer."""
        chance = 1.0 if self.healthy else self.die.random()
        if chance < 0.3:
            return False
        self.mailbox.append(notice)
        if chance < 0.4:
            self.excused[notice.id] += 1
            return False
        return True

    def deliver(self) -> None:
        for notifier in self.notifiers:
            if (notifier.sending.queued or notifier.sending.begun) and not notifier.frozen:
                notifier.sending.advance()
                return

    def kill(self) -> None:
        """Kill a notifier; mails that the server has accepted may have no result."""
        victim = self.die.choice(self.notifiers)
        self._excuse(victim)
        if victim.life is not None:
            victim.life.close()
        self.notifiers.remove(victim)
        self.notifiers.append(self._notifier())
        self.assign()

    def freeze(self) -> None:
        """Freeze the notifier that has the lane, in the middle of some attempts; the other one
        takes over."""
        for notifier in self.notifiers:
            if notifier.life is not None and not any(n.frozen for n in self.notifiers):
                notifier.frozen = True
                self._excuse(notifier)
                self.assign()
                return

    def wake(self) -> None:
        """Let a frozen notifier go on, with all that it had planned. At times it has been fenced
        and has the lane again before the mail server answers."""
        for notifier in self.notifiers:
            if not notifier.frozen:
                continue
            notifier.frozen = False
            for _ in range(50):
                if notifier.life is not None and not self.healthy:
                    self._step(notifier)
            if self.die.random() < 0.5:
                self.assign()

    def read_age(self, sending: Sending) -> float | None:
        """Return 0 if the lane has read its inputs to their ends; None if not."""
        (notifier,) = [n for n in self.notifiers if n.sending is sending]
        assert notifier.port is not None
        at = notifier.port.positions()
        ends = {partition: self.kafka.last_stable_offset(partition) for partition in at}
        return 0.0 if all(at[partition] >= end for partition, end in ends.items()) else None

    def owns_lane(self, sending: Sending) -> bool:
        """Return the answer of Kafka to a heartbeat."""
        (notifier,) = [n for n in self.notifiers if n.sending is sending]
        port = notifier.port
        is_member = port is not None and port.generation == self.kafka.generations[ID]
        return is_member and notifier.life is not None

    def _excuse(self, notifier: Notifier) -> None:
        for notice, is_accepted in notifier.sending.begun:
            self.excused[notice.id] += is_accepted
        self._excuse_ended(notifier)

    def _excuse_ended(self, notifier: Notifier) -> None:
        for key, outcome in [*notifier.sending.over, *notifier.work._uncommitted_attempts.items()]:
            self.excused[key.decode()] += outcome.remaining is None

    def assign(self) -> None:
        """Rebalance: the lane closes in good order, and opens in one of the two notifiers."""
        for notifier in self.notifiers:
            if notifier.life is None or notifier.port is None or notifier.frozen:
                continue
            notifier.port.stopping = True
            for _ in range(200):
                if notifier.life is None:
                    break
                self._step(notifier)
            assert notifier.life is None
            self._excuse_ended(notifier)  # a lane that ends before it was open can write nothing
        self.generation += 1
        self.kafka.generations[ID] = self.generation
        chosen = self.die.choice([n for n in self.notifiers if not n.frozen])
        chosen.port = SimulatedPort(
            self.kafka, NAMES.notifier_group, ID, INPUTS, self.generation, state=TABLES
        )
        chosen.life = run_lane(chosen.port, chosen.work, isolation=SimulatedLock(), log=_silent)
        chosen.life.send(None)

    def advance(self, answer: Exception | None = None) -> None:
        for notifier in self.notifiers:
            if notifier.life is not None and not notifier.frozen:
                self._step(notifier, answer)

    def _step(self, notifier: Notifier, answer: Exception | None = None) -> None:
        assert notifier.life is not None
        try:
            notifier.life.send(None)
            if answer is not None:
                notifier.life.throw(answer)
        except (StopIteration, LaneStoppedError):
            notifier.life = None

    def calm(self) -> None:
        """Let the mail server accept everything, and let some hours pass."""
        self.healthy = True
        self.wake()
        # After a long pause the notifier looks twice until it believes that it has read all.
        for pause in [27, 3] * 400:
            for _ in range(8):  # a transaction
                self.advance()
            self.deliver()
            self.kafka.complete(ID)
            self.seconds += pause
        assert not any(n.delivered is None for n in self.notices()), "not all was delivered"

    def notices(self) -> list[Notice]:
        return notifier_tables.read_notices(self._table(NAMES.outbox_topic))

    def _table(self, topic: str) -> dict[bytes, bytes]:
        table: dict[bytes, bytes] = {}
        for record in self.kafka.read_committed(Partition(topic, 0)):
            if record.key is not None:
                table[record.key] = record.value or b""
        return {key: value for key, value in table.items() if value}

    def written(self) -> dict[str, Notice]:
        """Return every notice that was ever committed, in its first form."""
        found: dict[str, Notice] = {}
        for record in self.kafka.read_committed(Partition(NAMES.outbox_topic, 0)):
            if record.value and record.key not in foreign.KEYS:
                notice = Notice.model_validate_json(record.value)
                found.setdefault(notice.id, notice)
        return found

    def counted_failures(self) -> int:
        """Return how many failures the last notices of all incidents count."""
        return sum({n.incident: int(n.subject) for n in self.written().values()}.values())

    def _notifier(self) -> Notifier:
        sending = Sending(self)
        store = IncidentStore(lambda _: ALERTS, compose)
        work = self.work(
            NAMES, store, sending, nothing_personal, self.now,  # type: ignore[arg-type]
            read_age=lambda: self.read_age(sending), drain_seconds=1,
        )  # fmt: skip
        return Notifier(work, sending)


def _silent(event: str, **fields: Any) -> None:
    assert event in ("lane.born", "lane.died", "lane.expelled"), (event, fields)


def ran(seed: int, **how: Any) -> World:
    world = World(random.Random(seed), **how)
    world.run(400)
    return world


SEEDS = range(300)  # as many as a mutant may need
SOAK_SEEDS = pytest.param(range(12, 60), marks=pytest.mark.soak)


@pytest.fixture(scope="module", params=[range(12), SOAK_SEEDS], ids=["few seeds", "many seeds"])
def worlds(request: pytest.FixtureRequest) -> dict[int, World]:
    return {seed: ran(seed) for seed in request.param}


def test_every_failure_is_counted_in_the_notices_once_after_any_crashes(
    worlds: dict[int, World],
) -> None:
    for seed, world in worlds.items():
        assert world.counted_failures() == world.died, seed


def test_every_committed_notice_is_delivered(worlds: dict[int, World]) -> None:
    for seed, world in worlds.items():
        assert {n.id for n in world.mailbox} == set(world.written()), seed


def test_every_copy_of_a_notice_is_the_same(worlds: dict[int, World]) -> None:
    for seed, world in worlds.items():
        written = world.written()
        assert all(copy.mail == written[copy.id].mail for copy in world.mailbox), seed


def test_a_notice_is_delivered_twice_only_if_its_result_was_lost(worlds: dict[int, World]) -> None:
    for seed, world in worlds.items():
        copies = Counter(notice.id for notice in world.mailbox)
        for notice, number in copies.items():
            assert number <= 1 + world.excused[notice], (seed, notice)


class ForgetsAtABirth(NotifierLane):
    """It loses the results of attempts that it could not commit before it closed."""

    def open(self, tables: StateTables) -> None:
        self._uncommitted_attempts.clear()
        super().open(tables)


class LeavesUnmarked(NotifierLane):
    """It closes without waiting for running attempts."""

    async def close(self) -> BatchResult | None:
        return None


class LosesTheOutbox(NotifierLane):
    """It does not write the notices."""

    def _result(self, settled: int) -> BatchResult:
        done = super()._result(settled)
        kept = {p: rows for p, rows in done.writes.items() if p.topic != NAMES.outbox_topic}
        return done._replace(writes=kept)


@pytest.mark.parametrize(
    ("mutant", "likely"), [(ForgetsAtABirth, 24), (LeavesUnmarked, 240), (LosesTheOutbox, 0)]
)
def test_a_notifier_broken_on_purpose_is_caught(mutant: type[NotifierLane], likely: int) -> None:
    """`likely` is a seed that has caught it: a search from the beginning takes a minute."""
    assert any(not _sound(seed, mutant) for seed in (likely, *SEEDS))


def _sound(seed: int, mutant: type[NotifierLane]) -> bool:
    try:
        world = ran(seed, work=mutant)
    except AssertionError:
        return False
    copies = Counter(notice.id for notice in world.mailbox)
    return (
        all(number <= 1 + world.excused[notice] for notice, number in copies.items())
        and set(copies) == set(world.written())
        and world.counted_failures() == world.died
    )


@seeds(60, kept=20)
def test_a_lane_that_closes_commits_the_results_of_its_attempts(seeds: range) -> None:
    """Without kills and lost answers, a hand-over causes no second copy."""
    for seed in seeds:
        world = World(random.Random(seed))
        for _ in range(300):
            chance = world.die.random()
            if chance < 0.1:
                world.fail()
            elif chance < 0.15:
                world.assign()
            elif chance < 0.3:
                world.seconds += 3
            elif chance < 0.5:
                world.deliver()
            else:
                world.advance()
        world.calm()
        copies = Counter(notice.id for notice in world.mailbox)
        assert all(n <= 1 + world.excused[notice] for notice, n in copies.items()), seed
