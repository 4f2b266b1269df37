"""Does a lane know which keys of a run have come, also after it is born again?"""

from __future__ import annotations

import random

import pytest

from farandole.events.record import Partition
from farandole.worker.key_memory import KeyMemory
from farandole.worker.lane_state import LaneState
from farandole.worker.transaction_buffer import TransactionBuffer
from tests.worker.made import controls_with

PLACE = Partition("p.stage.state", 0)


class World:
    """The memory of a lane, and the rows that are committed."""

    def __init__(self, **limits: int) -> None:
        self.limits = limits
        self.rows: dict[bytes, bytes] = {}
        self.state = LaneState(PLACE)
        self.memory = KeyMemory(self.state, **limits)

    def take(self, run: bytes, *keys: object) -> int | None:
        """Take rows with these keys in one transaction; return how many have come before."""
        tally = self.memory.tally("line", run, keys, len(keys))
        return None if tally is None else tally.failed

    def commit(self) -> None:
        controls = controls_with()
        buffer = TransactionBuffer("stage", 0.0, controls.flags(), controls.in_force())
        self.state.flush(buffer)
        for row in buffer.close().get(PLACE, ()):
            assert row.key is not None
            if row.value is None:
                self.rows.pop(row.key, None)
            else:
                self.rows[row.key] = row.value

    def be_born(self) -> None:
        self.state = LaneState(PLACE)
        self.state.restore(self.rows)
        self.memory = KeyMemory(self.state, **self.limits)


def test_a_key_comes_again_in_its_own_run_alone() -> None:
    world = World()
    assert world.take(b"a", 1, 2, 2) == 1
    assert world.take(b"b", 1) == 0
    assert world.take(b"a", 1, 3) == 1


def test_which_keys_come_again_is_said_unless_they_are_personal() -> None:
    memory = World().memory
    shown = memory.tally("line", b"a", ["tea", "tea", 1, 1.0, 1], 5)
    hidden = memory.tally("line", b"a", ["tea"], 1, hides=True)
    assert shown is not None
    assert hidden is not None
    assert (shown.failed, shown.values) == (3, {'"tea"': 1, "1": 2})
    assert (hidden.failed, hidden.values) == (1, {})


@pytest.mark.parametrize("seed", range(20))
def test_a_lane_that_is_born_again_knows_what_was_committed_and_nothing_else(seed: int) -> None:
    die, world = random.Random(seed), World()
    known: dict[bytes, set[int]] = {}
    for _ in range(60):
        run, keys = die.choice([b"a", b"b"]), [die.randrange(50) for _ in range(die.randrange(8))]
        before = known.setdefault(run, set())
        assert world.take(run, *keys) == len(keys) - len({*keys} - before)
        if die.random() < 0.3:
            world.be_born()  # the transaction was aborted
        else:
            world.commit()
            before |= {*keys}


def test_of_too_many_runs_those_are_forgotten_of_which_nothing_came_for_longest() -> None:
    world = World(max_runs=2)
    world.take(b"a", 1)
    world.take(b"b", 1)
    world.take(b"a", 2)
    world.take(b"c", 1)  # b goes
    world.commit()
    world.be_born()
    assert (world.take(b"a", 1), world.take(b"b", 2), world.take(b"c", 1)) == (1, None, 1)


def test_of_too_many_keys_those_of_the_run_at_work_are_kept() -> None:
    world = World(max_keys=3)
    world.take(b"a", 1, 2)
    assert world.take(b"b", *range(10)) == 0
    world.commit()
    assert world.take(b"a", 1) is None
    assert world.take(b"b", 5) == 1
    assert {key for key in world.rows if b"line/a" in key} == {b"keys/line/a/"}


def test_without_a_state_that_is_kept_nothing_is_told() -> None:
    assert KeyMemory(LaneState(None)).tally("line", b"a", [1], 1) is None
