"""Does each planned time end in exactly one record, and fire no more than once and never early,
whatever is killed, published, paused and late?

The real lane runs over the simulation of Kafka. What was planned, a model says that walks over all
minutes.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from farandole.events.schedule_row import ScheduleRow
from farandole.events.schedule_spec import ScheduleSpec
from farandole.lanes.lane_port import OutcomeUnknownError, StateTables
from farandole.scheduler.schedule_decision import ScheduleChange
from farandole.scheduler.scheduler_lane import SchedulerLane
from tests.scheduler.driven import ID, PIPELINE, START, Process, World, event_id, version
from tests.seeds import seeds

NAMES = ("a", "b", "c")
MINUTE = timedelta(minutes=1)


@dataclass(eq=False)
class Simulation(World):
    die: random.Random = field(default_factory=random.Random)
    zombies: list[Process] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)

    # -- what happens

    def run(self, steps: int) -> None:
        self.now = START + timedelta(seconds=self.die.randrange(60))
        self._publish_some()
        self.start()
        self.settle()
        for _ in range(steps):
            self._happen()
        self._calm()

    def _happen(self) -> None:
        chance = self.die.random()
        if chance < 0.40:
            self._step_some(self.die.randrange(1, 60))
        elif chance < 0.62:
            self.now += timedelta(seconds=self.die.choice([0.2, 5, 20, 40, 61]))
        elif chance < 0.64:
            self.now += timedelta(seconds=self.die.choice([300, 1500, 5000]))
        elif chance < 0.68:
            self.kill()
        elif chance < 0.70:
            self._freeze()
        elif chance < 0.73:
            self._wake_zombie()
        elif chance < 0.76:
            self._step_some(1, OutcomeUnknownError("lost"))
        elif chance < 0.79:
            self._publish_some()
        elif chance < 0.83:
            self._pause_or_resume()
        elif chance < 0.94:
            self._let_runs_change()
        elif chance < 0.96:
            self.books.are_behind = not self.books.are_behind
        elif chance < 0.98:
            self.partitions = {} if self.partitions else {"p.asked": 1, "p.done": 1}
        else:
            self.kafka.expire(ID)

    def _step_some(self, steps: int, answer: Exception | None = None) -> None:
        if self.process is None or self.process.life is None:
            self.start_anew()
        process = self.process
        assert process is not None
        for _ in range(steps):
            if process.life is None:
                return
            self.step(process)
        if answer is not None and process.life is not None:
            self.step(process, answer)
        if self.die.random() < 0.5:
            self.kafka.complete(ID)

    def start_anew(self) -> None:
        self.process = None
        self.start()

    def _freeze(self) -> None:
        """Another scheduler takes over from one that is frozen."""
        if self.process is not None and self.process.life is not None:
            self.zombies.append(self.process)
        self.start_anew()

    def _wake_zombie(self) -> None:
        if self.zombies:
            zombie = self.zombies.pop()
            for _ in range(self.die.randrange(1, 60)):
                if zombie.life is not None:
                    self.step(zombie)
            if zombie.life is not None:
                zombie.life.close()

    def _publish_some(self) -> None:
        known = self.versions.get(PIPELINE, ())
        specs = dict(known[-1].schedules) if known else {}
        for name in NAMES:
            if name not in specs or self.die.random() < 0.4:
                specs[name] = self._any_spec()
        self.now += timedelta(seconds=0.001)
        self.add_version(version(len(known) + 1, self.now, specs))

    def _any_spec(self) -> ScheduleSpec:
        die = self.die
        every = die.choice([1, 2, 3, 7])
        times: dict[str, object] = die.choice(
            [{"cron": f"*/{every} * * * *"}, {"every": every * 60.0}]
        )
        return ScheduleSpec.model_validate(
            {
                "triggers": "asked",
                "data": {"n": "${planned}"},
                **times,
                "jitter": die.choice([0, 0, 20]),
                "overlap": die.choice(
                    ["skip", "buffer-one", "buffer-all", "cancel-other", "allow-all"]
                ),
                "buffer": die.choice([2, 50]),
                "catch_up": {
                    "runs": die.choice(["all", "latest", "none"]),
                    "within": die.choice([600, 86_400]),
                    "per_minute": 4,
                },
            }
        )

    def _pause_or_resume(self) -> None:
        name = self.die.choice([*NAMES, ""])
        if self.die.random() < 0.4:
            until = self.now + timedelta(seconds=self.die.choice([30, 400]))
            self.pause(name, self.die.choice([None, until]))
        else:
            self.resume(name)

    def _let_runs_change(self) -> None:
        for run in self.open_runs():
            if self.die.random() < 0.6:
                self.end(run, self.die.choice(["completed", "failed", "cancelled"]))
            else:
                self.run_changed(run)

    def open_runs(self) -> list[str]:
        over = {change.run for change in self.books.log if change.closed is not None}
        return [run for run in self.runs() if run not in over]

    def _calm(self) -> None:
        """Let everything be in order, and some hours pass."""
        self.books.are_behind = False
        self.partitions = {"p.asked": 1, "p.done": 1}
        for name in (*NAMES, ""):
            self.resume(name)
        while self.zombies:
            self._wake_zombie()
        if self.process is None or self.process.life is None:
            self.start_anew()
        self.kafka.complete(ID)
        for _ in range(90):
            self.advance(self.now + timedelta(seconds=50))
            self.end_all()
        self.settle()

    # -- what must hold

    def planned(self, name: str) -> set[datetime]:
        """Return the planned times of a schedule until now, minute by minute."""
        found = set()
        versions = self.versions[PIPELINE]
        ends = [*(each.published for each in versions[1:]), self.now + timedelta(microseconds=1)]
        for each, end in zip(versions, ends, strict=True):
            spec = each.schedules[name]
            step = int(spec.every) // 60 if spec.every else int((spec.cron or "")[2:].split()[0])
            minute = each.published.replace(second=0, microsecond=0)
            while minute < end:
                count = minute.minute if spec.cron else int(minute.timestamp()) // 60
                if minute >= each.published and count % step == 0:
                    found.add(minute)
                minute += MINUTE
        return found

    def faults(self) -> list[str]:
        """Return everything that is not as it must be."""
        found = []
        for name in NAMES:
            row = self.row(name)
            if row is None:
                found.append(f"{name} has no row")
                continue
            found += self._record_faults(name, row)
        return [*found, *self._event_faults(), *self._overlap_faults(), *self._late_faults()]

    def _record_faults(self, name: str, row: ScheduleRow) -> list[str]:
        planned = self.planned(name)
        waiting = {each.planned for each in row.waiting}
        decided = {each.planned for each in self.records(name)}
        settled = {time for time in planned if time <= row.through} - waiting
        found = []
        if decided != settled:
            found.append(f"{name}: {sorted(decided ^ settled)[:5]} of {len(planned)}")
        if len(waiting) > 150:
            found.append(f"{name}: {len(waiting)} wait")
        if row.through < max(planned) - 5 * MINUTE:
            found.append(f"{name} has stopped at {row.through}")
        over = {change.run for change in self.books.log if change.closed is not None}
        if unseen := over.intersection(run.run or "" for run in row.runs):
            found.append(f"{name} has not seen the end of {unseen}")
        return found

    def _event_faults(self) -> list[str]:
        events = self.events()
        fired = {each.event: each for each in self.records() if each.outcome == "fired"}
        ids = [event_id(event) for event in events]
        found = [f"{id_} is there {n} times" for id_, n in Counter(ids).items() if n > 1]
        if set(ids) != set(fired):
            found.append(f"events without a record, or the reverse: {set(ids) ^ set(fired)}")
        for event, run in zip(events, self.runs(), strict=True):
            record = fired.get(event_id(event))
            written = datetime.fromtimestamp(event.timestamp / 1000, UTC)
            if record is None:
                continue
            if record.run != run:
                found.append(f"{record.event} has run {record.run}, not {run}")
            if record.at < record.planned or written + timedelta(milliseconds=1) < record.planned:
                found.append(f"{record.event} has fired early")
        return found

    def _overlap_faults(self) -> list[str]:
        closed = {each.run: each.closed for each in self.books.log if each.closed is not None}
        found = []
        for name in NAMES:
            records = [each for each in self.records(name) if each.outcome == "fired"]
            records.sort(key=lambda each: each.at)
            for before, after in pairwise(records):
                numbers = [
                    each.version for each in self.versions[PIPELINE] if each.published <= after.at
                ]
                spec = self.versions[PIPELINE][numbers[-1] - 1].schedules[name]
                end = closed.get(before.run or "")
                if spec.overlap != "allow-all" and (end is None or end > after.at):
                    found.append(f"{after.event} overlaps {before.event}")
        return found

    def _late_faults(self) -> list[str]:
        late = Counter(
            (each.schedule, each.at.replace(second=0, microsecond=0))
            for each in self.records()
            if each.outcome == "fired" and "no scheduler ran" in each.reason
        )
        return [f"{n} late ones in {when}" for when, n in late.items() if n > 4]


def ran(seed: int, lane: type[SchedulerLane] = SchedulerLane) -> Simulation:
    simulation = Simulation(die=random.Random(seed), lane=lane)
    simulation.run(300)
    return simulation


@seeds(80, kept=8)
def test_each_planned_time_ends_in_one_record_whatever_happens(seeds: range) -> None:
    for seed in seeds:
        assert ran(seed).faults() == [], seed


SEEDS = range(40)  # as many as a mutant may need


class KeepsWhatWasNotCommitted(SchedulerLane):
    """It goes on with the rows that it has, instead of those that are committed."""

    def open(self, tables: StateTables) -> None:
        if not self._state.rows():
            super().open(tables)


class LooksForNoRun(SchedulerLane):
    """It does not look for the runs of what an earlier owner has published."""

    async def _find_unplaced(self) -> None:
        self._has_unplaced = False


class ForgetsTheWaiting(SchedulerLane):
    """It writes rows without the planned times that wait."""

    def _apply(self, key: bytes, change: ScheduleChange) -> None:
        row = change.row.model_copy(update={"waiting": ()})
        super()._apply(key, change._replace(row=row))


@pytest.mark.parametrize("mutant", [KeepsWhatWasNotCommitted, LooksForNoRun, ForgetsTheWaiting])
def test_a_scheduler_broken_on_purpose_is_caught(mutant: type[SchedulerLane]) -> None:
    assert any(_is_caught(seed, mutant) for seed in SEEDS)


def _is_caught(seed: int, mutant: type[SchedulerLane]) -> bool:
    try:
        return bool(ran(seed, mutant).faults())
    except Exception:  # noqa: BLE001 -- it may fall over its own feet as well
        return True
